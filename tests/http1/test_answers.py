"""Answers as servers send them, good and bad: read as they are meant, or refused, and never cut short unnoticed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from app.http1.errors import ConnectionBroken, HeadTooLarge, NoAnswer, NotHttp, TimedOut, WireError
from app.http1.pool import Pool
from tests.http1.conftest import ask, peer, whole

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = OK + b"Content-Length: 4\r\n\r\nnext"


HINT = b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n"
MINE = b"Content-Length: 4\r\n\r\nmine"


def bodies() -> dict[str, tuple[str, bytes, int, bytes, bool]]:
    """By what is special: method, answer, its status and body, and whether its connection serves the next request."""
    return {
        "length": ("GET", OK + MINE, 200, b"mine", True),
        "no bytes": ("GET", OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
        "chunks": ("GET", CHUNKED + b"2;a=b\r\nmi\r\n2\r\nne\r\n0\r\n\r\n", 200, b"mine", True),
        "chunks otherwise spelled": (
            "GET", OK + b"transfer-encoding:  Chunked \r\n\r\n4\r\nmine\r\n0\r\n\r\n", 200, b"mine", True,
        ),
        "trailers": ("GET", CHUNKED + b"4\r\nmine\r\n0\r\nX-Late: yes\r\n\r\n", 200, b"mine", True),
        "to HEAD": ("HEAD", OK + b"Content-Length: 4\r\n\r\n", 200, b"", True),
        "no content": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        "not modified": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", 304, b"", True),
        "no reason": ("GET", b"HTTP/1.1 404\r\nContent-Length: 4\r\n\r\nmine", 404, b"mine", True),
        "early hints": ("GET", HINT * 3 + OK + MINE, 200, b"mine", True),
        "an offer to upgrade": ("GET", OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + MINE, 200, b"mine", True),
        "told to close": ("GET", OK + b"Connection: x, Close\r\n" + MINE, 200, b"mine", False),
        "HTTP/1.0": ("GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + MINE, 200, b"mine", False),
        "left over": ("GET", OK + MINE + NEXT, 200, b"mine", False),
        "left over after chunks": ("GET", CHUNKED + b"4\r\nmine\r\n0\r\n\r\n" + NEXT, 200, b"mine", False),
        "garbage after chunks": ("GET", CHUNKED + b"4\r\nmine\r\n0\r\n\r\nx", 200, b"mine", False),
        "lines after chunks": ("GET", CHUNKED + b"4\r\nmine\r\n0\r\n\r\n\r\n\r\n", 200, b"mine", False),
        "a blank before a colon": ("GET", OK + b"X-A : 1\r\n" + MINE, 200, b"mine", False),
        "a length twice": ("GET", OK + b"Content-Length: 4\r\n" + MINE, 200, b"mine", False),
        "lengths in a list": ("GET", OK + b"Content-Length: 4, 4\r\n\r\nmine", 200, b"mine", False),
        "lines that end in LF": ("GET", (OK + MINE).replace(b"\r\n", b"\n"), 200, b"mine", False),
        "one line that ends in LF": ("GET", OK + b"X-A: 1\n" + MINE, 200, b"mine", False),
        "chunks in lines that end in LF": (
            "GET", (CHUNKED + b"4\r\nmine\r\n0\r\n\r\n").replace(b"\r\n", b"\n"), 200, b"mine", False,
        ),
        "chunked twice": (
            "GET", OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n4\r\nmine\r\n0\r\n\r\n", 200, b"mine", False,
        ),
        "blanks after a chunk's size": ("GET", CHUNKED + b"4  \r\nmine\r\n0\r\n\r\n", 200, b"mine", False),
        "a chunk that ends in LF": ("GET", CHUNKED + b"4\r\nmine\n0\r\n\r\n", 200, b"mine", False),
        "a trailer in LF": ("GET", CHUNKED + b"4\r\nmine\r\n0\r\nX-Late: 1\n\r\n", 200, b"mine", False),
        "a control character": ("GET", OK + b"X-A: a\x01b\r\n" + MINE, 200, b"mine", False),
        "a NUL": ("GET", OK + b"X-A: a\0b\r\n" + MINE, 200, b"mine", False),
        "a field without a name": ("GET", OK + b": a\r\n" + MINE, 200, b"mine", False),
        "a name that is no name": ("GET", OK + b"X A: 1\r\n" + MINE, 200, b"mine", False),
        "a body to HEAD": ("HEAD", OK + MINE, 200, b"", False),
        "a body without content": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nmine", 204, b"", False),
    }  # fmt: skip


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("special", bodies())
def test_an_answer_is_read_as_it_is_meant(special: str, slowly: bool) -> None:
    method, raw, status, body, kept = bodies()[special]
    sent = threading.Event()
    play = _sending(raw, sent, slowly=slowly)
    with peer(play, NEXT, NEXT) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        answer = ask(pool, method)
        assert (answer.status, whole(answer)) == (status, body)
        assert answer.read() == b""
        assert answer.field("x-late") is None
        assert "X-Late" not in dict(answer.fields)
        assert sent.wait(20)
        time.sleep(0.05)  # so that what nobody asked for is there
        assert whole(ask(pool)) == b"next"
        assert (there.connections == [1, 1]) is kept


def _sending(raw: bytes, sent: threading.Event, *, slowly: bool) -> Callable[[socket.socket], None]:
    def play(connection: socket.socket) -> None:
        try:
            for piece in [bytes([byte]) for byte in raw] if slowly else [raw]:
                connection.sendall(piece)
                time.sleep(0.0005)
        finally:
            sent.set()

    return play


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    with peer(OK + b"\r\nall of it") as there, closing(Pool("127.0.0.1", there.port)) as pool:
        assert whole(ask(pool)) == b"all of it"


def test_fields_come_in_their_order_with_repeats_and_folded_lines_joined() -> None:
    head = OK + b"X-B: 1\r\nSet-Cookie: a\r\nX-A: \t one\r\n\ttwo \r\n  three\t\r\nset-cookie: \xe9\r\n"
    with peer(head + b"Content-Length: 0\r\n\r\n") as there, closing(Pool("127.0.0.1", there.port)) as pool:
        answer = ask(pool)
    assert answer.fields == [
        ("X-B", "1"), ("Set-Cookie", "a"), ("X-A", "one two three"), ("set-cookie", "é"), ("Content-Length", "0"),
    ]  # fmt: skip
    assert answer.field("set-cookie") == "a, é"
    assert answer.field("x-c") is None


def test_fields_are_bounded_by_their_bytes_and_not_by_their_number() -> None:
    with peer(OK + b"X: y\r\n" * 5000 + MINE, NEXT) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        answer = ask(pool)
        assert (len(answer.fields), whole(answer)) == (5001, b"mine")
        assert whole(ask(pool)) == b"next"
        assert there.connections == [1, 1]


FAULTS: dict[str, tuple[bytes, type[WireError]]] = {
    "nothing": (b"", NoAnswer),
    "half a head": (OK + b"X-A: b\r\n", ConnectionBroken),
    "too few bytes": (OK + b"Content-Length: 9\r\n\r\nmine", ConnectionBroken),
    "cut in a chunk": (CHUNKED + b"9\r\nmine", ConnectionBroken),
    "no last chunk": (CHUNKED + b"4\r\nmine\r\n", ConnectionBroken),
    "no end after the last chunk": (CHUNKED + b"4\r\nmine\r\n0\r\n", ConnectionBroken),
    "no http": (b"SSH-2.0-OpenSSH_9.2\r\n", NotHttp),
    "no http, and no end of it": (b"\x15\x03\x01\x00\x02\x02\x16", NotHttp),
    "another version": (b"HTTP/2.0 200 OK\r\n\r\n", NotHttp),
    "no version": (b"HTTP/1.2 200 OK\r\n\r\n", NotHttp),
    "another protocol": (b"RTSP/1.0 200 OK\r\n\r\n", NotHttp),
    "empty lines first": (b"\r\n\r\n" + NEXT, NotHttp),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", NotHttp),
    "a status below all": (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", NotHttp),
    "a bare CR": (OK + b"X-A: a\rX-B: b\r\n\r\n", NotHttp),
    "a field without a colon": (OK + b"X-A\r\n\r\n", NotHttp),
    "a fold before any field": (OK + b" X-A: a\r\n\r\n", NotHttp),
    "two lengths": (OK + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\nmine", NotHttp),
    "a bare CR that hides a field": (OK + b"X-A: a\rTransfer-Encoding: chunked\r\n" + MINE, NotHttp),
    "a CR before the line's end": (OK + b"X-A: a\r\r\nContent-Length: 4\r\n\r\nmine", NotHttp),
    "a control character in the length": (OK + b"Content-Length: 4\x01\r\n\r\nmine", NotHttp),
    "a control character in a length's name": (OK + b"Content\x01-Length: 4\r\n\r\nmine", NotHttp),
    "a control character in the coding": (OK + b"Content-Encoding: gzip\x01\r\n" + MINE, NotHttp),
    "a coding's name in quotes": (OK + b'"Content-Encoding": gzip\r\nContent-Length: 4\r\n\r\nmine', NotHttp),
    "different lengths in a list": (OK + b"Content-Length: 4, 2\r\n\r\nmine", NotHttp),
    "a length and identity": (OK + b"Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nmine", NotHttp),
    "a word after a chunk's size": (CHUNKED + b"4 x\r\nmine\r\n0\r\n\r\n", NotHttp),
    "a CR in a chunk's extension": (CHUNKED + b"4;a\rb\r\nmine\r\n0\r\n\r\n", NotHttp),
    "a chunk without an end": (CHUNKED + b"4\r\nmine0\r\n\r\n", NotHttp),
    "a trailer without a colon": (CHUNKED + b"4\r\nmine\r\n0\r\nX-Late\r\n\r\n", NotHttp),
    "a chunk's extension without an end": (CHUNKED + b"4;" + b"a" * 200_000, HeadTooLarge),
    "trailers without an end": (CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 20_000, HeadTooLarge),
    "a length below zero": (OK + b"Content-Length: -4\r\n\r\nmine", NotHttp),
    "a length with a sign": (OK + b"Content-Length: +4\r\n\r\nmine", NotHttp),
    "a length beyond counting": (OK + b"Content-Length: 99999999999999999999999\r\n\r\nmine", NotHttp),
    "an empty length": (OK + b"Content-Length: \r\n\r\nmine", NotHttp),
    "length and chunks": (OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NotHttp),
    "another transfer coding": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n", NotHttp),
    "chunked in two lines": (OK + b"Transfer-Encoding: chun\r\n ked\r\n\r\n0\r\n\r\n", NotHttp),
    "a chunk of no size": (CHUNKED + b"zz\r\nmine\r\n0\r\n\r\n", NotHttp),
    "a chunk longer than it says": (CHUNKED + b"2\r\nmine\r\n0\r\n\r\n", NotHttp),
    "a chunk beyond counting": (CHUNKED + b"fffffffffffffffffff\r\nmine\r\n", NotHttp),
    "a switch of protocols": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", NotHttp),
    "a quiet switch of protocols": (b"HTTP/1.1 101 Switching\r\n\r\n" + NEXT, NotHttp),
    "a long field": (OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", HeadTooLarge),
    "a long field without an end": (OK + b"X: " + b"y" * 200_000, HeadTooLarge),
    "many interim answers": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000, HeadTooLarge),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_by_its_kind_and_its_connection_is_not_used_again(fault: str) -> None:
    raw, kind = FAULTS[fault]

    def play(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)

    with peer(play, NEXT) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        with pytest.raises(WireError) as caught:
            whole(ask(pool))
        assert type(caught.value) is kind
        assert caught.value.args == ()
        assert whole(ask(pool)) == b"next"
        assert there.connections == [1, 2]


def test_half_a_body_that_was_read_and_failed_is_no_whole_one_when_asked_again() -> None:
    with peer(OK + b"Content-Length: 9\r\n\r\nmine") as there, closing(Pool("127.0.0.1", there.port)) as pool:
        answer = ask(pool)
        assert answer.read() == b"mine"
        for _ in range(2):
            with pytest.raises(ConnectionBroken):
                answer.read()


def test_a_connection_with_something_of_an_answer_on_it_is_not_used_again() -> None:
    with peer(OK + b"Content-Length: 9\r\n\r\nmine", NEXT) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        ask(pool).close()
        assert whole(ask(pool)) == b"next"
        assert there.connections == [1, 2]


@pytest.mark.parametrize(
    "before", [b"", OK, OK + b"Content-Length: 9\r\n\r\nmine", CHUNKED + b"4\r\nmi", OK + b"\r\nx"]
)
def test_a_peer_that_falls_silent_is_waited_for_no_longer_than_told(before: bytes) -> None:
    with peer(lambda connection: (connection.sendall(before), there.over.wait(10)), b"") as there:  # type: ignore[arg-type, func-returns-value]
        began = time.monotonic()
        with closing(Pool("127.0.0.1", there.port)) as pool, pytest.raises(TimedOut):
            whole(ask(pool, seconds=0.2))
        assert 0.15 < time.monotonic() - began < 5
