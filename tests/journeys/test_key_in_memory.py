"""A key that its owner wrapped: after ten thousand signatures no process of the service has it in its memory."""

from __future__ import annotations

import base64
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from app.vault.wrapping import wrap_key
from tests.support.actors import Workspace
from tests.support.memory import holds
from tests.support.service import children_of, running, workers_of
from tests.support.upstream import Upstream

SIGNATURES, THREADS = 10_000, 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_wrapped_key_is_in_no_worker_s_memory_after_ten_thousand_signatures(
    tmp_path: Path, upstream: Upstream
) -> None:
    key = secrets.token_bytes(48)
    with running(tmp_path, STRONGROOM_CALLS_IN_FLIGHT="32") as service:
        workspace, here = Workspace.make(service, members={}), f"127.0.0.1:{upstream.port}"
        wrapping = workspace.ask("GET", "secrets/wrapping-key").json()["public_key"]
        body = {
            "name": "SIGNS", "type": "hmac", "visibility": "restricted", "allowed_hosts": [here],
            "message": "{{$uuid}}", "wrapped_key": wrap_key(key, wrapping),
        }  # fmt: skip
        assert workspace.ask("POST", "secrets", body).status_code == 201
        head = [{"name": "X-Id", "value": "{{$uuid}}"}, {"name": "X-Signature", "value": "{{secrets.SIGNS}}"}]
        path = workspace.block("sign", {"url": f"http://{here}/", "headers": head}, answer="captures")
        send = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ada"}

        def one_share(_thread: int) -> int:
            with requests.Session() as session:
                session.trust_env, session.headers = False, send  # type: ignore[assignment]
                url = f"{service.url}/api/v1{path}/run"
                return sum(session.post(url, json={}, timeout=90).ok for _ in range(SIGNATURES // THREADS))

        with ThreadPoolExecutor(THREADS) as threads:
            assert sum(threads.map(one_share, range(THREADS))) == SIGNATURES
        signed = {(seen.header("X-Id") or "", seen.header("X-Signature")) for seen in upstream.seen}
        assert len(signed) == SIGNATURES
        assert all(made == hmac.digest(key, each.encode(), "sha256").hex() for each, made in signed)

        every = [service.process.pid, *children_of(service.process.pid)]
        ours = [pid for pid in every if b"bao" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert {*workers_of(service)} <= {*ours}
        assert workers_of(service)
        for written in (key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key)):
            assert [pid for pid in ours if holds(pid, written)] == []
        # The search finds what is there: what the service has in hand is found.
        assert all(holds(pid, b"STRONGROOM_DATA_DIR") for pid in ours)
