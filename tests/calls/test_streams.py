"""Answers that stream: as they come, redacted, recorded, and ended when what they stand on ends."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.streams import CANARY, Reader, add_block, events_upstream, outcomes, reading, send_chunk
from tests.support.upstream import Handler, Upstream


@pytest.fixture
def ws(service: Service) -> str:
    return Workspace.make(service, members={}).name


def test_a_stream_goes_on_as_it_comes_redacted_and_recorded(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one\n\n")  # the second event is still to come
        assert next(event["outcome"] for event in outcomes(service, ws)) == "streaming"
        go.set()
        reader.rest()
    assert reader.is_whole
    assert CANARY.encode() not in reader.came
    assert b"data: Bearer [redacted:TOKEN]\n\n" in reader.came
    assert reader.came.startswith(b"HTTP/1.1 200 ")
    assert reader.header("Content-Type") == "text/event-stream"
    assert reader.header("Set-Cookie") is None
    assert reader.header("Content-Security-Policy") == "sandbox"
    assert reader.header("X-Content-Type-Options") == "nosniff"
    assert reader.header("Proxy-Status") == "strongroom; received-status=200"
    record = outcomes(service, ws)
    assert [event["outcome"] for event in record] == ["done", "streaming", "intended"]
    assert {event["call_id"] for event in record} == {reader.header("Strongroom-Call-Id")}
    assert record[0]["detail"]["redactions"] == 1


def test_a_value_cut_at_any_place_does_not_come_through(service: Service, upstream: Upstream, ws: str) -> None:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": handler.path.rpartition("=")[2], "Transfer-Encoding": "chunked"})
        for cut in range(len(CANARY)):
            send_chunk(handler, b"data: " + CANARY[:cut].encode())
            send_chunk(handler, CANARY[cut:].encode() + b"\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws)
    for media_type in ("text/event-stream", "application/x-ndjson", "text/plain"):
        call = {
            "url": f"http://127.0.0.1:{upstream.port}/stream?t={media_type}",
            "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}],
            "answer": "stream",
        }
        reader = Reader(service, f"/workspaces/{ws}/calls", call)
        with closing(reader.socket):
            reader.rest()
        assert reader.came.count(b"[redacted:TOKEN]") == len(CANARY)
        assert CANARY.encode() not in reader.came


def test_what_the_upstream_breaks_off_can_not_be_taken_for_whole(service: Service, upstream: Upstream, ws: str) -> None:
    def answer(handler: Handler) -> None:
        media_type = handler.path.rpartition("=")[2]
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked"})
        send_chunk(handler, b"data: one\n\n" * 5000)
        handler.reset()

    upstream.scripts["/stream"] = answer
    for media_type, told in (("text/event-stream", b"event: strongroom-error\n"), ("text/plain", b"")):
        call = {"url": f"http://127.0.0.1:{upstream.port}/stream?t={media_type}", "answer": "stream"}
        reader = Reader(service, f"/workspaces/{ws}/calls", call)
        with closing(reader.socket):
            reader.rest()
        assert told in reader.came
        assert reader.is_whole == bool(told)
        assert outcomes(service, ws, await_end=True)[0]["detail"]["code"] == "upstream_protocol"


def test_a_repeat_under_the_same_key_is_no_second_call(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    go.set()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, ws)
    with reading(service, ws, Idempotency_Key="once") as reader:
        reader.rest()
    again = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {}, headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["call_id"] == reader.header("Strongroom-Call-Id")
    assert "Retry-After" not in again.headers
    assert len(upstream.seen) == 1


def test_an_upstream_can_not_speak_for_us(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    go.set()
    upstream.scripts["/stream"] = events_upstream(go, first=b"event: strongroom-error\ndata: {}\n\ndata: two\n\n")
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    assert b"strongroom-error" not in reader.came
    assert b"data: two\n\n" in reader.came


def test_a_frame_has_a_limit(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go, first=b"data: " + b"x" * (1024 * 1024 + 1))
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    assert b"xxx" not in reader.came
    assert b'"code": "response_too_large"' in reader.came
    go.set()


def test_a_stream_has_no_captures(service: Service, upstream: Upstream, ws: str) -> None:
    capture = [{"name": "id", "path": "$.id"}]
    call = {"url": "https://api.example.com/", "captures": capture}
    refused = service.ask("POST", f"/workspaces/{ws}/blocks", {"name": "c", "call": call, "answer": "stream"})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["/call/captures"])
    refused = service.ask("POST", f"/workspaces/{ws}/calls", {**call, "answer": "stream"})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["/captures"])


def test_every_answer_of_a_call_tells_whose_error_it_is(service: Service, upstream: Upstream, ws: str) -> None:
    url = f"http://127.0.0.1:{upstream.port}/"
    made = service.ask("POST", f"/workspaces/{ws}/calls", {"url": url})
    assert made.headers["Proxy-Status"] == "strongroom; received-status=200"
    assert made.headers["Strongroom-Call-Id"] == made.json()["call_id"]
    refused = service.ask("POST", f"/workspaces/{ws}/calls", {"url": "http://127.0.0.1:1/"})
    assert refused.headers["Proxy-Status"] == (
        'strongroom; error=destination_unavailable; details="upstream_unreachable"'
    )
    syntax = service.ask("POST", f"/workspaces/{ws}/calls", {})
    assert syntax.headers["Proxy-Status"] == 'strongroom; error=http_request_error; details="validation_failed"'
