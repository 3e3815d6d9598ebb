"""Answers of every kind as streams: other frames, other ends, other clients. No value comes through; an end is told."""

from __future__ import annotations

import socket
import threading
import zlib
from contextlib import closing
from functools import partial

import pytest

from tests.calls.test_stream_bodies import EVENTS, LINES, answering, body_of
from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.streams import CANARY, Reader, add_block, events_upstream, outcomes, reading, send_chunk
from tests.support.upstream import Handler, Upstream

VALUE, MARKER = CANARY.encode(), b"[redacted:TOKEN]"


@pytest.fixture
def ws(service: Service, upstream: Upstream) -> str:
    made = Workspace.make(service, members={}).name
    add_block(service, upstream, made)
    return made


def read(service: Service, ws: str) -> Reader:
    with reading(service, ws) as reader:
        reader.rest()
    return reader


FRAMES = {
    "lines end with CR and LF": b"data: a\r\n\r\ndata: %b\r\n\r\n",
    "lines end with CR": b"data: a\r\rdata: %b\r\rdata: b\r\r",
    "comments": b": ping\n\n: %b\n\ndata: x\n\n",
    "a byte order mark": b"\xef\xbb\xbfdata: %b\n\n",
    "every field": b"id: 7\nretry: 100\nevent: m\ndata: %b\n\n",
    "a value as id": b"id: %b\ndata\n\n",
    "data in several lines": b'data: {"a":\ndata: "%b"}\n\n',
    "an event without its end": b"data: a\n\ndata: %b",
    "NULs": b"data: \0%b\0\n\n",
}


def test_events_of_every_form_go_on_as_they_came(service: Service, upstream: Upstream, ws: str) -> None:
    for kind, form in FRAMES.items():
        body = form % VALUE
        for size in (1, len(body)):
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            upstream.scripts["/stream"] = answering(pieces, "Text/Event-Stream; Charset=UTF-8")
            reader = read(service, ws)
            assert reader.is_whole, kind
            assert body_of(reader) == form % MARKER, kind


@pytest.mark.parametrize("media_type", [LINES, "application/JSONL", "text/x-ndjson", "application/geo+json-seq"])
def test_a_line_goes_on_once_it_is_whole_and_the_last_without_its_end(
    service: Service, upstream: Upstream, ws: str, media_type: str
) -> None:
    go = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked"})
        send_chunk(handler, b'{"a":1}\n')
        go.wait(20)
        send_chunk(handler, b'{"b":"%b"}' % VALUE)
        handler.wfile.write(b"0\r\n\r\n")

    upstream.scripts["/stream"] = answer
    with reading(service, ws) as reader:
        reader.until(b'{"a":1}\n')
        go.set()
        reader.rest()
    assert body_of(reader) == b'{"a":1}\n{"b":"%b"}' % MARKER


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n"
GZIP = zlib.compressobj(wbits=31)
CUT = GZIP.compress(b"data: a\n\n") + GZIP.flush(zlib.Z_SYNC_FLUSH)
BROKEN = {
    "fewer bytes than announced": HEAD + b"Content-Length: 100\r\n\r\ndata: a\n\n",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n90\r\ndata: a\n\n",
    "what is no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\nzz\r\n",
    "half a gzip member": HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(CUT) + CUT,
}
WHOLE = {
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\nX-Echo: " + VALUE + b"\r\n\r\n",
    "more bytes than announced": HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\nextra",
    "until the connection ends": HEAD.replace(b"1.1", b"1.0") + b"\r\ndata: a\n\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\n",
    "100 (Continue)": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\n",
}


@pytest.mark.parametrize("media_type", [EVENTS, LINES, "text/plain"])
def test_what_an_upstream_breaks_off_reads_as_broken_and_what_it_ends_as_whole(
    service: Service, upstream: Upstream, ws: str, media_type: str
) -> None:
    for how, raw in (BROKEN | WHOLE).items():
        upstream.scripts["/stream"] = partial(Handler.answer_raw, raw=raw.replace(b"%b", media_type.encode()))
        reader, event = read(service, ws), outcomes(service, ws, await_end=True)[0]
        assert event["outcome"] == ("done" if how in WHOLE else "failed"), how
        assert reader.is_whole == (how in WHOLE or media_type != "text/plain"), how
        assert (b"strongroom" in body_of(reader)) == (how in BROKEN and media_type != "text/plain"), how
        assert VALUE not in reader.came
        assert b"data: a" in reader.came or how in BROKEN


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_without_a_body_is_a_whole_stream(service: Service, upstream: Upstream, ws: str, method: str) -> None:
    call = {"url": f"http://127.0.0.1:{upstream.port}/stream", "method": method, "answer": "stream"}
    for status in (200, 204, 205, 304):
        length = {} if status == 204 else {"Content-Length": "0" if method == "GET" else "9"}
        upstream.scripts["/stream"] = partial(Handler.head, status=status, headers={"Content-Type": EVENTS, **length})
        answer = service.ask("POST", f"/workspaces/{ws}/calls", call)
        assert (answer.status_code, answer.content) == (status, b"")
        assert outcomes(service, ws, await_end=True)[0]["outcome"] == "done"


@pytest.mark.parametrize(
    "types", [("text/plain", EVENTS), (EVENTS, "text/plain"), ("text/plain, text/event-stream",), (f"{EVENTS},",)]
)
def test_whatever_type_it_claims_no_upstream_speaks_in_our_name_to_who_reads_events(
    service: Service, upstream: Upstream, ws: str, types: tuple[str, ...]
) -> None:
    ours = b"event: strongroom-error\ndata: {}\n\n"
    lines = b"".join(b"Content-Type: %b\r\n" % each.encode() for each in types)
    raw = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (lines, len(ours), ours)
    upstream.scripts["/stream"] = lambda handler: handler.answer_raw(raw)
    reader = read(service, ws)
    assert reader.came.lower().count(b"content-type:") == 1
    told = reader.header("Content-Type") or ""
    assert told == types[0]
    assert (ours in reader.came) == (not told.startswith(EVENTS))


def test_a_stream_after_a_redirect_is_redacted_and_recorded(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    go.set()
    upstream.scripts["/stream"] = lambda handler: handler.answer(b"", 307, {"Location": "/there"})
    upstream.scripts["/there"] = events_upstream(go)
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/stream",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "answer": "stream",
        "follow_redirects": True,
    }
    reader = Reader(service, f"/workspaces/{ws}/calls", call)
    with closing(reader.socket):
        reader.rest()
    assert body_of(reader) == b"data: one\n\ndata: Bearer %b\n\n" % MARKER
    assert outcomes(service, ws)[0]["detail"]["redirects"] == [f"127.0.0.1:{upstream.port}"]


def test_a_client_of_http_1_0_gets_the_stream_without_chunks(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    go.set()
    upstream.scripts["/stream"] = events_upstream(go)
    head = (
        f"POST /api/v1/workspaces/{ws}/blocks/s/run HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: 2\r\nAuthorization: Bearer {service.platform}\r\nStrongroom-Act-As: ada\r\n\r\n{{}}"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(head.encode())
        came = b""
        while piece := client.recv(65536):
            came += piece
    assert came.partition(b"\r\n\r\n")[2] == b"data: one\n\ndata: Bearer %b\n\n" % MARKER


def test_a_repeat_while_the_stream_runs_is_refused_as_one_after_it(
    service: Service, upstream: Upstream, ws: str
) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    with reading(service, ws, Idempotency_Key=ws) as reader:
        reader.until(b"data: one")
        again = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {}, headers={"Idempotency-Key": ws})
        go.set()
        reader.rest()
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["call_id"] == reader.header("Strongroom-Call-Id")
    assert len(upstream.seen) == 1
