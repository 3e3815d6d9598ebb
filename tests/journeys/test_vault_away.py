"""When Vault is away or the database was forged: a clear 503, nothing sent, and it mends itself."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from tests.support import databases
from tests.support.service import Service, children_of, problem, running
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("own")) as service:
        yield service


def make(service: Service, upstream: Upstream) -> tuple[str, str, dict[str, object]]:
    workspace = f"w{secrets.token_hex(6)}"
    service.ask("POST", "/workspaces", {"name": workspace})
    value = "canary-" + secrets.token_hex(16)
    body = {
        "name": "TOKEN",
        "value": value,
        "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }
    assert service.ask("POST", f"/workspaces/{workspace}/secrets", body).status_code == 201
    call: dict[str, object] = {
        "url": f"http://127.0.0.1:{upstream.port}/",
        "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}],
    }
    return workspace, value, call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "forged"),
    [
        ("allowed_hosts", lambda port: json.dumps([f"127.0.0.1:{port}", "127.0.0.3:1"])),
        ("allowed_places", lambda _port: json.dumps(["header:Authorization", "query"])),
        ("id", lambda _port: "0" * 32),
    ],
)
def test_a_forged_row_sends_nothing(own: Service, upstream: Upstream, column: str, forged: object) -> None:
    workspace, _, call = make(own, upstream)
    with databases.connected(own.database_url) as connection:
        connection.execute(
            text(f"UPDATE variables SET {column} = :forged WHERE workspace = :workspace"),
            {"forged": forged(upstream.port), "workspace": workspace},  # type: ignore[operator]
        )
    answer = own.ask("POST", f"/workspaces/{workspace}/calls", call)
    assert problem(answer) == (503, "binding_mismatch"), answer.text
    assert answer.json()["party"] == "vault"
    assert upstream.seen == []
    report = own.command("doctor", "--json")
    assert report.returncode == 1
    red = [each["check"] for each in json.loads(report.stdout) if each["state"] == "red"]
    assert f"binding {workspace}/TOKEN" in red


@pytest.mark.slow
def test_a_stopped_vault_is_a_503_that_mends_itself(own: Service, upstream: Upstream) -> None:
    workspace, value, call = make(own, upstream)
    pid = _bao(own)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = own.ask("POST", f"/workspaces/{workspace}/calls", call)
        assert problem(answer) == (503, "vault_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert requests.get(f"{own.url}/readyz", timeout=30).status_code == 503
        assert upstream.seen == []
    finally:
        os.kill(pid, signal.SIGCONT)
    _await_call(own, workspace, call)
    assert upstream.seen[0].header("Authorization") == value


@pytest.mark.slow
def test_an_embedded_vault_that_died_is_started_again(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path) as service:
        workspace, value, call = make(service, upstream)
        for _ in range(2):
            died = _bao(service)
            os.kill(died, signal.SIGKILL)
            answer = service.ask("POST", f"/workspaces/{workspace}/calls", call)
            assert problem(answer) == (503, "vault_unavailable")
            _await_call(service, workspace, call)
            assert upstream.seen.pop().header("Authorization") == value
            assert _bao(service) != died
        started = _bao(service)
    assert service.process.returncode == 0
    assert not Path(f"/proc/{started}").exists()


def _await_call(service: Service, workspace: str, call: object) -> None:
    end = time.monotonic() + 60
    while (answer := service.ask("POST", f"/workspaces/{workspace}/calls", call)).status_code != 200:
        assert time.monotonic() < end, answer.text
        time.sleep(0.2)


def _bao(service: Service) -> int:
    children = children_of(service.process.pid)
    return next(pid for pid in children if Path(f"/proc/{pid}/comm").read_text().startswith("bao"))


def test_no_record_no_deed(own: Service, upstream: Upstream) -> None:
    workspace, _, call = make(own, upstream)
    with databases.refusing(own.database_url, "events"):
        answer = own.ask("POST", f"/workspaces/{workspace}/calls", call)
        assert problem(answer) == (503, "record_unavailable")
        assert upstream.seen == []
    assert own.ask("POST", f"/workspaces/{workspace}/calls", call).status_code == 200
