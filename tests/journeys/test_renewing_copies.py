"""Two copies of the service and one token: at the moment of its end one of all their threads asks for another."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.support.actors import Workspace
from tests.support.copies import two_copies
from tests.support.upstream import Handler, Upstream

THREADS = 50  # in each copy
LIFETIME = 8.0


@pytest.mark.slow
def test_two_copies_with_fifty_threads_each_make_one_token_request(tmp_path: Path, upstream: Upstream) -> None:
    asked, given, lock = list[str](), list[str](), threading.Lock()

    def answer(handler: Handler) -> None:
        """Give a token and a refresh token that is good once; a second use ends the family."""
        with lock:
            (shown,) = parse_qs(handler.seen.body.decode())["refresh_token"]
            asked.append(shown)
            good = shown == f"refresh-{len(asked) - 1}"
            if good:
                given.append(f"access-{len(asked)}")
            number = len(asked)
        time.sleep(0.5)  # everybody comes meanwhile
        lifetime = LIFETIME if number == 1 else 3600
        body = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": lifetime}
        handler.answer(json.dumps(body if good else {"error": "invalid_grant"}).encode(), 200 if good else 400)

    upstream.scripts["/token"] = answer
    here = f"127.0.0.1:{upstream.port}"
    share = {"STRONGROOM_THREADS": "128", "STRONGROOM_CALLS_IN_FLIGHT": "100"}
    with two_copies(tmp_path, **share) as (first, other):
        workspace = Workspace.make(first, members={})
        body = {
            "name": "CRM", "type": "oauth2", "visibility": "restricted", "grant": "refresh_token", "client_id": "me",
            "token_url": f"http://{here}/token", "refresh_token": "refresh-0", "allowed_hosts": [here],
        }  # fmt: skip
        assert workspace.ask("POST", "secrets", body).status_code == 201
        head = [{"name": "Authorization", "value": "Bearer {{secrets.CRM}}"}]
        path = f"{workspace.path}/calls"
        call = {"url": f"http://{here}/api", "headers": head, "timeout_seconds": 60}
        assert first.ask("POST", path, call).status_code == 200
        assert asked == ["refresh-0"]
        time.sleep(LIFETIME)
        together = threading.Barrier(2 * THREADS)

        def one(number: int) -> tuple[int, str]:
            together.wait()
            answer = (first, other)[number % 2].ask("POST", path, call)
            return answer.status_code, answer.text

        with ThreadPoolExecutor(2 * THREADS) as threads:
            answers = list(threads.map(one, range(2 * THREADS)))
        assert {status for status, _ in answers} == {200}, [text for status, text in answers if status != 200][:3]
        assert asked == ["refresh-0", "refresh-1"], "exactly one request for a token"
        carried = [seen.header("Authorization") for seen in upstream.seen if seen.path == "/api"]
        assert carried[1:] == ["Bearer access-2"] * 2 * THREADS
