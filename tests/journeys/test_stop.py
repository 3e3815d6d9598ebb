"""A stop lets calls under way end, and breaks off, answers and records the ones that take too long."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.service import Service, launch, problem, running
from tests.support.upstream import Handler, Upstream


def _call_and_stop(service: Service, upstream: Upstream, arrived: threading.Event) -> requests.Response:
    """Make a call, tell the service to stop as soon as the upstream has it, and return the answer."""
    answers: list[requests.Response] = []
    body = {"url": f"http://127.0.0.1:{upstream.port}/slow", "timeout_seconds": 60}
    caller = threading.Thread(target=lambda: answers.append(service.ask("POST", "/workspaces/acme/calls", body)))
    caller.start()
    assert arrived.wait(30)
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(60)
    caller.join()
    return answers[0]


def _slowly(arrived: threading.Event, wait: Callable[[], object]) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        arrived.set()
        wait()
        handler.answer(b'{"slow": true}')

    return answer


@pytest.mark.slow
def test_a_call_under_way_ends_before_the_service_does(tmp_path: Path, upstream: Upstream) -> None:
    arrived, stopping = threading.Event(), threading.Event()
    upstream.scripts["/slow"] = _slowly(arrived, lambda: stopping.wait(2))
    with running(tmp_path) as service:
        service.ask("POST", "/workspaces", {"name": "acme"})
        answer = _call_and_stop(service, upstream, arrived)
    assert answer.status_code == 200
    assert answer.json()["body"]["content"] == {"slow": True}


@pytest.mark.slow
def test_a_call_that_takes_longer_than_the_stop_is_answered_and_recorded(tmp_path: Path, upstream: Upstream) -> None:
    arrived, ended = threading.Event(), threading.Event()
    upstream.scripts["/slow"] = _slowly(arrived, lambda: ended.wait(60))
    with running(tmp_path, STRONGROOM_STOP_SECONDS="1") as service:
        service.ask("POST", "/workspaces", {"name": "acme"})
        answer = _call_and_stop(service, upstream, arrived)
        ended.set()
        assert problem(answer) == (503, "stopping")
        again = launch(tmp_path, service.port)
    try:
        again.platform = service.platform
        events = again.ask("GET", "/workspaces/acme/audit?action=call.run").json()["items"]
        assert [(event["outcome"], event["detail"].get("code")) for event in events] == [
            ("failed", "stopping"),
            ("intended", None),
        ]
    finally:
        again.stop()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_service_stops_with_exit_0_and_takes_its_vault_along(tmp_path: Path, sent: signal.Signals) -> None:
    with running(tmp_path) as service:
        service.process.send_signal(sent)
        assert service.process.wait(30) == 0
    lock = (tmp_path / "var" / "openbao" / "address").read_text().strip()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{lock}/v1/sys/health", timeout=2)
