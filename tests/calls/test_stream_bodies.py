"""What goes on of an answer that streams: which bytes, when, and never a value, however it is cut or coded."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing

import brotli
import pytest
import zstandard

from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.streams import CANARY, Reader, add_block, outcomes, reading, send_chunk
from tests.support.upstream import Handler, Upstream

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"


@pytest.fixture
def ws(service: Service) -> str:
    return Workspace.make(service, members={}).name


def answering(
    pieces: Sequence[bytes], media_type: str, *, pause: float = 0, **headers: str
) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked", **more})
        for piece in pieces:
            send_chunk(handler, piece)
            time.sleep(pause)
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def body_of(reader: Reader) -> bytes:
    """Undo the chunks of an answer that came whole."""
    rest, body = reader.came.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize("pause", [0, 0.02, pytest.param(0.2, marks=pytest.mark.slow)])
def test_a_value_cut_at_any_offset_does_not_come_through(
    service: Service, upstream: Upstream, ws: str, pause: float
) -> None:
    add_block(service, upstream, ws)
    for media_type in (EVENTS, LINES, "text/plain", "application/octet-stream"):
        pieces = [
            piece
            for cut in range(1, len(CANARY))
            for piece in (b"data: " + CANARY[:cut].encode(), CANARY[cut:].encode() + b"\n\n")
        ]
        upstream.scripts["/stream"] = answering(pieces, media_type, pause=pause)
        with reading(service, ws) as reader:
            reader.rest()
        assert reader.is_whole
        assert body_of(reader) == b"data: [redacted:TOKEN]\n\n" * (len(CANARY) - 1)


GZIP, DEFLATE = zlib.compressobj(wbits=31), zlib.compressobj()
BROTLI, ZSTD = brotli.Compressor(), zstandard.ZstdCompressor().compressobj()
FLUSHED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda piece: GZIP.compress(piece) + GZIP.flush(zlib.Z_SYNC_FLUSH),
    "deflate": lambda piece: DEFLATE.compress(piece) + DEFLATE.flush(zlib.Z_SYNC_FLUSH),
    "br": lambda piece: BROTLI.process(piece) + BROTLI.flush(),
    "zstd": lambda piece: ZSTD.compress(piece) + ZSTD.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
}
ENDED: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: GZIP.flush(),
    "deflate": lambda: DEFLATE.flush(),
    "br": lambda: BROTLI.finish(),
    "zstd": lambda: ZSTD.flush(),
}


@pytest.mark.parametrize("coding", FLUSHED)
def test_a_compressed_event_goes_on_once_it_was_flushed(
    service: Service, upstream: Upstream, ws: str, coding: str
) -> None:
    go = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": EVENTS, "Transfer-Encoding": "chunked", "Content-Encoding": coding})
        send_chunk(handler, FLUSHED[coding](b"data: one\n\n"))
        go.wait(20)
        for byte in FLUSHED[coding](b"data: " + CANARY.encode() + b"\n\n") + ENDED[coding]():
            send_chunk(handler, bytes([byte]))
        handler.wfile.write(b"0\r\n\r\n")

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one\n\n")
        go.set()
        reader.rest()
    assert body_of(reader) == b"data: one\n\ndata: [redacted:TOKEN]\n\n"
    assert reader.header("Content-Encoding") is None


def test_a_compressed_stream_that_lies_ends_in_its_own_way(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = answering([b"no gzip"], EVENTS, Content_Encoding="gzip")
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    assert b'"code": "response_not_readable"' in reader.came


def test_of_a_stream_that_breaks_what_came_before_goes_on(service: Service, upstream: Upstream, ws: str) -> None:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": LINES, "Transfer-Encoding": "chunked"})
        send_chunk(handler, b'{"n":1}\n' * 3000 + b'{"n":')
        handler.reset()

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    lines = body_of(reader).splitlines()
    assert json.loads(lines[-1])["strongroom_error"]["code"] == "upstream_protocol"
    assert set(lines[:-1]) <= {b'{"n":1}'}


# Escapes of escapes, each depth of which has to be looked through: more than a frame of this length may cost.
COSTLY = (b"data: %" + b"25" * 8000 + b"41\n") * 20 + b"\n"
FAULTS = {
    "looked through for too long": (COSTLY, "response_not_readable"),
    "too long": (b"data: " + b"x" * (1024 * 1024) + b"\n\n", "response_too_large"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_of_a_stream_with_a_piece_that_can_not_go_on_what_came_before_does(
    service: Service, upstream: Upstream, ws: str, fault: str
) -> None:
    piece, code = FAULTS[fault]
    before = b"data: 1\n\n"
    upstream.scripts["/stream"] = answering([before * 6000, piece, b"data: 2\n\n"], EVENTS)
    add_block(service, upstream, ws, timeout=60)
    with reading(service, ws) as reader:
        reader.rest()
    body, _, told = body_of(reader).partition(b"\n\nevent: strongroom-error\ndata: ")
    assert json.loads(told)["code"] == code
    went_on = body.split(b"\n\n")
    assert set(went_on) <= {b"data: 1", b""}
    assert len(went_on) > 3000  # but for the last window, which is looked through together with what comes after it
    (done,) = [each for each in outcomes(service, ws, await_end=True) if each["outcome"] != "streaming"][:1]
    assert (done["outcome"], done["detail"]["code"]) == ("failed", code)


def test_a_pause_within_a_value_lets_nothing_go(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": handler.path.rpartition("=")[2], "Transfer-Encoding": "chunked"})
        send_chunk(handler, b"data: " + CANARY[:-1].encode())
        go.wait(20)
        send_chunk(handler, CANARY[-1:].encode() + b"\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws)
    for media_type in (EVENTS, LINES, "text/plain"):
        call = {
            "url": f"http://127.0.0.1:{upstream.port}/stream?t={media_type}",
            "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
            "answer": "stream",
        }
        reader = Reader(service, f"/workspaces/{ws}/calls", call)
        with closing(reader.socket):
            reader.until(b"\r\n\r\n")
            time.sleep(0.7)
            go.set()
            reader.rest()
        go.clear()
        assert body_of(reader) == b"data: [redacted:TOKEN]\n\n"


PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(f"{n:02}" + "kT7vQ2xLm9" * 6 for n in range(12)) + "\n-----END-----\n"


def test_a_key_streamed_as_plain_text_does_not_pass_line_by_line(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = answering(
        [b"%b\n" % line for line in PEM.encode().splitlines()], "text/plain", pause=0.05
    )
    hosts = [f"127.0.0.1:{upstream.port}"]
    secret = {"name": "KEY", "value": PEM, "visibility": "masked", "allowed_places": ["body"], "allowed_hosts": hosts}
    assert service.ask("POST", f"/workspaces/{ws}/secrets", secret, keep=False).status_code == 201
    url = f"http://127.0.0.1:{upstream.port}/stream"
    body = {"type": "text", "content": "{{secrets.KEY}}"}
    reader = Reader(
        service, f"/workspaces/{ws}/calls", {"url": url, "method": "POST", "body": body, "answer": "stream"}
    )
    with closing(reader.socket):
        reader.rest()
    assert not [line for line in PEM.encode().splitlines()[1:-1] if line in reader.came]
    assert b"[redacted:KEY]" in reader.came


OURS = [
    (EVENTS, b"event:strongroom-error\r\ndata: {}\r\n\r\n"),
    (EVENTS, b"id: 1\revent: strongroom-error\rdata: {}\r\r"),
    (EVENTS, b"\xef\xbb\xbfevent: strongroom-error\n\n"),
    (LINES, b'{"strongroom_error": {"code": "stopping"}}\n'),
    (LINES, b'{"a": 1, "strongroom_\\u0065rror": {}}\r\n'),
    ("application/json-seq", b'\x1e{"strongroom_error": {}}\n'),
]


@pytest.mark.parametrize(("media_type", "frame"), OURS)
def test_no_upstream_speaks_in_our_name(
    service: Service, upstream: Upstream, ws: str, media_type: str, frame: bytes
) -> None:
    after = b'{"strongroom": "\\u0065rror"}\n' if media_type != EVENTS else b"data: strongroom-error\n\n"
    upstream.scripts["/stream"] = answering([frame, after], media_type)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    assert body_of(reader) == after


def test_a_stream_of_json_texts_tells_of_a_problem_as_one_of_them(
    service: Service, upstream: Upstream, ws: str
) -> None:
    upstream.scripts["/stream"] = answering([b'\x1e{"n": 1}\n', b"x" * (1024 * 1024 + 1)], "application/json-seq")
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    first, last = body_of(reader).split(b"\x1e")[1:]
    assert first == b'{"n": 1}\n'
    assert json.loads(last)["strongroom_error"]["code"] == "response_too_large"


@pytest.mark.parametrize("status", [201, 204, 401, 404, 500, 503])
def test_the_status_is_the_upstreams(service: Service, upstream: Upstream, ws: str, status: int) -> None:
    upstream.scripts["/stream"] = lambda h: h.answer(
        b"" if status == 204 else b"data: x\n\n", status, {"Content-Type": EVENTS, "Retry-After": "7"}
    )
    add_block(service, upstream, ws)
    answer = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {})
    assert answer.status_code == status
    assert answer.content == (b"" if status == 204 else b"data: x\n\n")
    assert answer.headers["Proxy-Status"] == f"strongroom; received-status={status}"
    assert answer.headers["Retry-After"] == "7"


def test_of_the_headers_only_harmless_ones_go_on(service: Service, upstream: Upstream, ws: str) -> None:
    kept = {
        "Content-Disposition": 'attachment; filename="a.bin"',
        "Content-Language": "en",
        "Last-Modified": "Sun, 29 Nov 2026 09:00:00 GMT",
        "X-RateLimit-Remaining": "9",
    }
    dropped = {
        "Set-Cookie": "a=b",
        "Location": "https://evil.example/",
        "Refresh": "0; url=https://evil.example/",
        "Strict-Transport-Security": "max-age=1",
        "Content-Security-Policy": "default-src *",
        "Access-Control-Allow-Origin": "*",
        "Clear-Site-Data": '"*"',
        "WWW-Authenticate": "Basic",
        "Alt-Svc": "h3",
        "ETag": '"made-of-the-value"',
        "X-Frame-Options": "ALLOWALL",
        "X-Accel-Redirect": "/etc/passwd",
        "X-Request-ID": "theirs",
        "Strongroom-Call-Id": "theirs",
        "Proxy-Status": "theirs; error=dns_error",
        "X-Echo": f"<{CANARY}>",
    }
    upstream.scripts["/stream"] = lambda h: h.answer(b"x", headers=kept | dropped)
    add_block(service, upstream, ws)
    answer = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {})
    assert {name: answer.headers.get(name) for name in kept} == kept
    assert answer.headers["X-Echo"] == "<[redacted:TOKEN]>"
    assert not [name for name, value in dropped.items() if answer.headers.get(name) == value]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_sizes_in_the_record_are_those_after_redaction(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = answering([b"data: " + CANARY.encode() + b"\n\n"], EVENTS)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.rest()
    detail = outcomes(service, ws, await_end=True)[0]["detail"]
    assert (detail["received_bytes"], detail["redactions"]) == (len(b"data: [redacted:TOKEN]\n\n"), 1)


def test_a_call_without_secrets_is_held_up_by_nothing(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        send_chunk(handler, b"one")
        go.wait(20)
        handler.wfile.write(b"0\r\n\r\n")

    upstream.scripts["/stream"] = answer
    call = {"url": f"http://127.0.0.1:{upstream.port}/stream", "answer": "stream"}
    reader = Reader(service, f"/workspaces/{ws}/calls", call)
    with closing(reader.socket):
        reader.until(b"one")
        go.set()
        reader.rest()
    assert reader.is_whole
