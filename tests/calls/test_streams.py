"""Answers that stream: as they come, redacted, recorded, and ended when what they stand on ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.upstream import Handler, Upstream

CANARY = "sk-canary-7Qx2mPz9LwEr4TyUiOpA"


@pytest.fixture
def ws(service: Service) -> str:
    name = f"streams-{len(service.answers)}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    return name


def add_block(service: Service, upstream: Upstream, ws: str, **more: Any) -> None:
    secret = {
        "name": "TOKEN",
        "value": CANARY,
        "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }
    made = service.ask("POST", f"/workspaces/{ws}/secrets", secret)
    assert made.status_code == 201, made.text
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/stream",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "timeout_seconds": 20,
    }
    made = service.ask("POST", f"/workspaces/{ws}/blocks", {"name": "s", "call": call, "answer": "stream", **more})
    assert made.status_code == 201, made.text


class Reader:
    """A client that reads a stream from its raw socket."""

    def __init__(self, service: Service, path: str, body: object = None, **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        content = json.dumps(body or {}).encode()
        lines = [
            f"POST /api/v1{path} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {service.platform}",
            "Strongroom-Act-As: ada",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.socket.sendall("\r\n".join((*lines, "", "")).encode() + content)
        self.came = b""

    def until(self, wanted: bytes) -> bytes:
        while wanted not in self.came:
            piece = self.socket.recv(65536)
            assert piece, self.came[-2000:]
            self.came += piece
        return self.came

    def rest(self) -> bytes:
        while piece := self.socket.recv(65536):
            self.came += piece
            if self.came.endswith(b"0\r\n\r\n"):
                break
        return self.came

    @property
    def is_whole(self) -> bool:
        return self.came.endswith(b"0\r\n\r\n")

    def header(self, name: str) -> str | None:
        head = self.came.partition(b"\r\n\r\n")[0].decode("latin-1")
        found = (line.partition(": ") for line in head.split("\r\n"))
        return next((value for each, _, value in found if each.lower() == name.lower()), None)


@contextmanager
def reading(service: Service, ws: str, **headers: str) -> Iterator[Reader]:
    reader = Reader(service, f"/workspaces/{ws}/blocks/s/run", **headers)
    with closing(reader.socket):
        yield reader


def events_upstream(
    go: threading.Event, media_type: str = "text/event-stream", first: bytes = b"data: one\n\n"
) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked", "Set-Cookie": "a=b"})
        _chunk(handler, first)
        go.wait(20)
        _chunk(handler, b"data: " + (handler.seen.header("Authorization") or "").encode() + b"\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def _chunk(handler: Handler, piece: bytes) -> None:
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


def outcomes(service: Service, ws: str, *, await_end: bool = False) -> list[dict[str, Any]]:
    end = time.monotonic() + 20
    while True:
        found: list[dict[str, Any]] = service.ask("GET", f"/workspaces/{ws}/audit?action=call.run").json()["items"]
        if not await_end or (found and found[0]["outcome"] in ("done", "failed")) or time.monotonic() > end:
            return found
        time.sleep(0.1)


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
            _chunk(handler, b"data: " + CANARY[:cut].encode())
            _chunk(handler, CANARY[cut:].encode() + b"\n\n")
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
        _chunk(handler, b"data: one\n\n" * 5000)
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


def test_a_client_that_goes_away_ends_the_call_upstream(service: Service, upstream: Upstream, ws: str) -> None:
    ended = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        _chunk(handler, b"data: one\n\n")
        handler.connection.settimeout(20)
        if handler.connection.recv(1) == b"":
            ended.set()
        handler.close_connection = True

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one")
    assert ended.wait(10)
    assert outcomes(service, ws, await_end=True)[0]["detail"]["code"] == "client_gone"


@pytest.mark.parametrize("what", ["secret", "block", "hosts", "member"])
def test_a_stream_ends_with_what_it_stands_on(service: Service, upstream: Upstream, ws: str, what: str) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    add_block(service, upstream, ws)
    assert service.ask("PUT", f"/workspaces/{ws}/members/bob", {"role": "owner"}).status_code in (200, 201)
    with reading(service, ws) as reader:
        reader.until(b"data: one")
        if what == "hosts":
            change = {"allowed_hosts": [f"127.0.0.1:{upstream.port}", "b.example.com"], "value": CANARY + "2"}
            etag = service.ask("GET", f"/workspaces/{ws}/secrets/TOKEN").headers["ETag"]
            path = f"/workspaces/{ws}/secrets/TOKEN"
            done = service.ask("PATCH", path, change, headers={"If-Match": etag})
        else:
            path = {
                "secret": "secrets/TOKEN?confirm=TOKEN&force=true",
                "block": "blocks/s?confirm=s",
                "member": "members/ada?confirm=ada",
            }[what]
            done = service.ask("DELETE", f"/workspaces/{ws}/{path}", user="bob")
        assert done.status_code in (200, 204), done.text
        reader.until(b"event: strongroom-error")
        reader.rest()
    problem = json.loads(reader.came.partition(b"event: strongroom-error\ndata: ")[2].partition(b"\n")[0])
    assert problem["code"] == {"secret": "conflict", "hosts": "conflict"}.get(what, "not_found")
    upstream.released.set()


def test_a_new_value_ends_no_stream(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one")
        put = service.ask("PUT", f"/workspaces/{ws}/secrets/TOKEN/value", {"value": CANARY + "new"})
        assert put.status_code == 200
        time.sleep(1.2)  # longer than between two looks at what it stands on
        go.set()
        assert reader.rest().endswith(b"0\r\n\r\n")
    assert b"strongroom-error" not in reader.came


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
