"""Send, for a script that asks for events: the answer as it comes, told by this service, and ended as any stream is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import requests

from tests.pages.conftest import PASSWORD
from tests.support.caller import Caller, token_in
from tests.support.service import Service
from tests.support.streams import add_block, events_upstream, outcomes
from tests.support.upstream import Upstream


@pytest.fixture
def signed_in(service: Service, people: dict[str, str]) -> Caller:
    caller = Caller(service.url)
    caller.sign_in(people["owner"], PASSWORD)
    return caller


def send(caller: Caller, service: Service, ws: str, upstream: Upstream) -> requests.Response:
    page = f"{service.url}/workspaces/{ws}/blocks/s"
    form = {
        "csrf_token": token_in(caller.session.get(page).text),
        "do": "send",
        "method": "GET",
        "url": f"http://127.0.0.1:{upstream.port}/stream",
        "headers-0-name": "Authorization",
        "headers-0-value": "Bearer {{secrets.TOKEN}}",
        "timeout_seconds": "20",
    }
    headers = {"Accept": "text/event-stream", "Referer": page}
    return caller.session.post(page, data=form, headers=headers, stream=True, timeout=60)


def events(answer: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    lines = answer.iter_lines(chunk_size=1)
    for line in lines:
        if line:
            yield line.decode().removeprefix("event: "), json.loads(next(lines).removeprefix(b"data: "))


def test_send_tells_a_stream_as_it_comes_and_nothing_of_its_headers(
    service: Service, upstream: Upstream, acme: str, signed_in: Caller, people: dict[str, str]
) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, acme, user=people["owner"])
    answer = send(signed_in, service, acme, upstream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert "Set-Cookie" not in answer.headers or "a=b" not in answer.headers["Set-Cookie"]
    told = events(answer)
    name, head = next(told)
    assert (name, head["status"]) == ("head", 200)
    assert next(told) == ("piece", {"text": "data: one\n\n"})
    go.set()
    assert next(told) == ("piece", {"text": "data: Bearer [redacted:TOKEN]\n\n"})
    assert next(told) == ("end", {"redactions": 1})
    assert list(told) == []
    record = outcomes(service, acme, user=people["owner"])
    assert [event["outcome"] for event in record] == ["done", "streaming", "intended"]
    assert {event["call_id"] for event in record} == {head["call_id"]}
    assert record[0]["target"]["type"] == "block"


def test_a_stream_of_the_page_ends_with_the_session(
    service: Service, upstream: Upstream, acme: str, signed_in: Caller, people: dict[str, str]
) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    add_block(service, upstream, acme, user=people["owner"])
    told = events(send(signed_in, service, acme, upstream))
    assert [next(told)[0], next(told)[0]] == ["head", "piece"]
    other = Caller(service.url)
    other.session.cookies.update(signed_in.session.cookies)
    assert other.post("/sign-out", form=f"/workspaces/{acme}/blocks").status_code in (200, 303)
    name, problem = next(told)
    assert (name, problem["code"]) == ("strongroom-error", "unauthenticated")
    assert list(told) == []
