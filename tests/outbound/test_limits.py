"""Limits: of time, however it is spent, and of size, in both directions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from app.kernel.errors import PayloadTooLarge, ResponseTooLarge, UpstreamTimeout
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import (
    Body,
    Call,
    Field,
    NoBody,
    Origin,
    OutboundRules,
    Response,
    Slot,
    Text,
    TextBody,
    UsedSecret,
)
from tests.support.upstream import Handler, Upstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def client() -> Iterator[OutboundClient]:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True, max_response_bytes=1000))
    yield client
    client.close()


def send(
    client: OutboundClient, port: int, *, value: str = "canary-12345678", scheme: str = "http", timeout: float = 0.5,
    body: Body = NoBody(), header: Field = Field((Slot("TOKEN"),)),  # noqa: B008  # frozen
) -> Response:  # fmt: skip
    call = Call(
        "POST", Origin(scheme, "127.0.0.1", port), Field((Text("/"),)), headers=(("X-Key", header),), body=body,  # type: ignore[arg-type]
        timeout_seconds=timeout,
    )  # fmt: skip
    destination = client.check(call, [UsedSecret("TOKEN", (f"127.0.0.1:{port}",))])
    return client.send(call, destination, {"TOKEN": SecretValue(value)}, workspace="acme")


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        lambda h: h.stall(),
        lambda h: h.drip(b"HTTP/1.1 200 OK\r\n" * 100),
        lambda h: h.drip(HEAD + b"X-A: b\r\n" * 1000),
        lambda h: h.drip(HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000),
        lambda h: h.drip(CHUNKED + b"1\r\nx\r\n" * 1000, 0.01),
        lambda h: h.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, 0.001),
        lambda h: h.drip(HEAD + b"\r\n" + b"x" * 5000),
    ],
    ids=["silence", "status", "headers", "body", "chunks", "interim answers", "no length"],
)
def test_a_call_ends_when_its_whole_time_is_over(
    client: OutboundClient, upstream: Upstream, script: Callable[[Handler], None]
) -> None:
    upstream.scripts["/"] = script
    with pytest.raises(UpstreamTimeout):
        send(client, upstream.port)
    upstream.wait()
    assert len(upstream.seen) == 1


@contextmanager
def listening(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Accept one connection and do with it what ``serve`` does, until the test is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    serve(connection, over)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        over.set()
    thread.join(5)


def test_one_that_takes_the_request_slowly_is_waited_for_no_longer_on_a_kept_connection_too() -> None:
    def answer_once_then_sip(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.recv(4096)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
        while not over.wait(0.05) and connection.recv(100):
            pass

    client = OutboundClient(
        OutboundRules(networks=("127.0.0.0/8",), plain_http=True, max_request_bytes=32 * 1024 * 1024)
    )
    with listening(answer_once_then_sip) as port:
        assert send(client, port, timeout=600).status == 200
        with pytest.raises(UpstreamTimeout):
            send(client, port, body=TextBody(Field((Text("x" * (30 * 1024 * 1024)),))))


def test_a_handshake_that_never_ends_does(client: OutboundClient) -> None:
    def mumble(connection: socket.socket, over: threading.Event) -> None:
        for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 1000:
            connection.send(bytes([byte]))
            if over.wait(0.05):
                return

    with listening(mumble) as port, pytest.raises(UpstreamTimeout):
        send(client, port, scheme="https")


def test_a_connection_that_was_kept_has_the_next_calls_time(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/"] = lambda h: h.answer(b"{}")
    assert send(client, upstream.port, timeout=2).status == 200

    def late(handler: Handler) -> None:
        upstream.released.wait(2.5)
        handler.answer(b"{}")

    upstream.scripts["/"] = late
    assert send(client, upstream.port, timeout=10).status == 200
    assert upstream.seen[0].client == upstream.seen[1].client


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["canary-" + "x" * 250, "abcd"])
def test_the_limit_counts_what_is_left_after_redaction(client: OutboundClient, upstream: Upstream, value: str) -> None:
    marker = len("[redacted:TOKEN]")
    for left, fits in ((1000, True), (1001, False)):
        body = b"." * (left - 10 * marker) + value.encode() * 10

        def script(handler: Handler, body: bytes = body) -> None:
            handler.answer(body)

        upstream.scripts["/"] = script
        if fits:
            assert len(send(client, upstream.port, value=value, timeout=5).body) == left
        else:
            with pytest.raises(ResponseTooLarge):
                send(client, upstream.port, value=value, timeout=5)


def test_an_endless_answer_ends_at_the_limit(client: OutboundClient, upstream: Upstream) -> None:
    def endless(handler: Handler) -> None:
        handler.wfile.write(CHUNKED)
        with suppress(OSError):
            while True:
                handler.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        handler.close_connection = True

    upstream.scripts["/"] = endless
    with pytest.raises(ResponseTooLarge):
        send(client, upstream.port, timeout=10)


def test_a_body_or_head_that_is_too_large_is_not_sent(upstream: Upstream) -> None:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True, max_request_bytes=1000))
    assert send(client, upstream.port, body=TextBody(Field((Text("x" * 1000),))), timeout=5).sent_bytes == 1000
    with pytest.raises(PayloadTooLarge):
        send(client, upstream.port, body=TextBody(Field((Text("x" * 1001),))))
    with pytest.raises(PayloadTooLarge):
        send(client, upstream.port, header=Field((Text("x" * 300_000),)))
    assert len(upstream.seen) == 1


def test_what_is_recorded_of_a_call_is_told(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/"] = lambda h: h.answer_in_chunks([b"abc", b"canary-12345678"])
    reply = send(client, upstream.port, body=TextBody(Field((Text("hello"),))), timeout=5)
    assert (reply.status, reply.sent_bytes, reply.received_bytes, reply.redactions) == (200, 5, 19, 1)
    assert reply.redirects == ()
    assert reply.elapsed_ms > 0
