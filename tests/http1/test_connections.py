"""Which connection is used, what goes out on it, and what becomes of one that ends."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.http1.connection import tls_context
from app.http1.errors import (
    CertificateRefused,
    ConnectionBroken,
    NotConnectedInTime,
    TimedOut,
    TlsFailed,
    Unreachable,
    Unsendable,
)
from app.http1.pool import MOST_KEPT, Pool, request_head
from tests.http1.conftest import Play, ask, peer, whole
from tests.support.upstream import Authority

MINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"


# --- what goes out


@pytest.mark.parametrize("end", ["\r\nX: y", "\n", "\r", "\0", "\x7f", "\x0b", "\x1f"])
def test_nothing_that_ends_a_line_is_ever_written(end: str) -> None:
    for method, target, field in (
        (f"GET{end}", "/", ("A", "b")),
        ("GET", f"/{end}", ("A", "b")),
        ("GET", "/", (f"A{end}", "b")),
        ("GET", "/", ("A", f"b{end}")),
    ):
        with pytest.raises(Unsendable) as caught:
            request_head(method, target, [("Host", "peer.test"), field, ("C", "d")])
        assert caught.value.args == ()


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [("GET /", "/", "A"), ("", "/", "A"), ("GET", "/a b", "A"), ("GET", "", "A"), ("GET", "a", "A"), ("GET", "/é", "A"),
     ("GET", "/", "A:"), ("GET", "/", "A B"), ("GET", "/", ""), ("GET", "/", "é")],
)  # fmt: skip
def test_nothing_that_moves_a_words_bounds_is_ever_written(method: str, target: str, name: str) -> None:
    with pytest.raises(Unsendable):
        request_head(method, target, [(name, "b")])


def test_a_request_goes_out_as_it_was_written() -> None:
    with peer(MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        assert whole(ask(pool, "POST", body=b"\0\r\n\r\n\xff")) == b"mine"
    assert there.requests == [b"POST / HTTP/1.1\r\nHost: peer.test\r\nContent-Length: 6\r\n\r\n\0\r\n\r\n\xff"]


def test_a_large_body_goes_out_whole_to_one_that_takes_it_slowly() -> None:
    body = bytes(range(256)) * 40_000
    with peer(MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        assert whole(ask(pool, "POST", body=body, seconds=30)) == b"mine"
    assert there.requests[0].endswith(body)


def test_one_that_takes_nothing_is_waited_for_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with closing(Pool("127.0.0.1", port)) as pool, pytest.raises(TimedOut):
            ask(pool, "POST", body=b"x" * 30_000_000, seconds=0.3)


def test_an_answer_to_half_a_request_is_read_and_its_connection_is_not_used_again() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(refusal)  # and hangs up on the rest of it

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with closing(Pool("127.0.0.1", server.getsockname()[1])) as pool:
            answer = ask(pool, "POST", body=b"x" * 5_000_000)
            assert (answer.status, whole(answer)) == (413, b"much")
            assert pool._kept == []
        thread.join(5)


# --- which connection


def test_one_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def play(connection: socket.socket) -> None:
        connection.sendall(MINE)
        connection.shutdown(socket.SHUT_WR)
        closed.set()

    with peer(play, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        whole(ask(pool))
        assert closed.wait(20)
        time.sleep(0.05)
        assert whole(ask(pool)) == b"mine"
        assert there.connections == [1, 2]


def test_one_that_says_something_unasked_is_not_used() -> None:
    read, said = threading.Event(), threading.Event()

    def play(connection: socket.socket) -> None:
        connection.sendall(MINE)
        read.wait(20)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nqueued")
        said.set()

    with peer(play, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        whole(ask(pool))
        read.set()
        assert said.wait(20)
        time.sleep(0.05)
        assert whole(ask(pool)) == b"mine"
        assert there.connections == [1, 2]


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("end", [lambda connection: connection.close(), _reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_safe_request_on_a_kept_connection_that_ends_unanswered_is_sent_once_more(method: str, end: Play) -> None:
    with peer(MINE, end, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        whole(ask(pool))
        answer = ask(pool, method)
        assert (answer.status, whole(answer)) == (200, b"mine" if method == "GET" else b"")
        assert there.connections == [1, 1, 2]
        assert there.requests[1] == there.requests[2]


def test_a_request_is_sent_a_second_time_and_no_third(authority: Authority) -> None:
    plays = (MINE, _hang_up, _hang_up, MINE)
    with peer(*plays, tls=authority.tls("peer.test")) as there, closing(secured(authority, there.port)) as pool:
        whole(ask(pool))
        with pytest.raises(ConnectionBroken):
            ask(pool)
        assert there.connections == [1, 1, 2]


def _hang_up(connection: socket.socket) -> None:
    connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_other_request_whose_answer_is_missing_is_not_sent_again(method: str) -> None:
    with peer(MINE, _hang_up, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        whole(ask(pool))
        with pytest.raises(ConnectionBroken):
            ask(pool, method)
        assert len(there.requests) == 2


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmine"])
def test_a_request_whose_answer_began_is_not_sent_again(begun: bytes) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(begun)
        connection.close()

    with peer(MINE, cut, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        whole(ask(pool))
        with pytest.raises(ConnectionBroken):
            whole(ask(pool))
        assert len(there.requests) == 2


def test_a_request_on_a_new_connection_is_not_sent_again() -> None:
    with peer(_hang_up, MINE) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        with pytest.raises(ConnectionBroken):
            ask(pool)
        assert len(there.requests) == 1


def test_many_at_once_have_one_each_and_a_bounded_number_is_kept() -> None:
    count = MOST_KEPT + 6
    with peer(*[MINE] * (count + 2)) as there, closing(Pool("127.0.0.1", there.port)) as pool:
        answers = []
        for _ in range(count):
            answers.append(ask(pool))
        assert len(set(there.connections)) == count
        for answer in answers:
            assert whole(answer) == b"mine"
        assert len(pool._kept) == MOST_KEPT
        whole(ask(pool))
        assert there.connections[-1] == MOST_KEPT  # the one that was used last


def test_a_closed_pool_keeps_nothing() -> None:
    with peer(MINE, MINE) as there:
        pool = Pool("127.0.0.1", there.port)
        answer = ask(pool)
        pool.close()
        assert whole(answer) == b"mine"
        assert pool._kept == []


# --- no connection


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable):
        ask(Pool("127.0.0.1", port))
    with pytest.raises(Unreachable):
        ask(Pool("no-such-host.invalid", 80))


def test_each_address_of_a_name_is_tried() -> None:
    with peer(MINE) as there, closing(Pool("localhost", there.port)) as pool:  # ::1 comes first, where there is one
        assert whole(ask(pool)) == b"mine"


def test_one_that_never_accepts_is_waited_for_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(NotConnectedInTime):
                ask(Pool("127.0.0.1", port), seconds=0.3)
        finally:
            for filler in fillers:
                filler.close()


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secured(authority: Authority, port: int, name: str = "peer.test") -> Pool:
    return Pool("127.0.0.1", port, tls=tls_context(authority.path), name=name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_connections_are_kept_under_tls_too(authority: Authority, version: ssl.TLSVersion) -> None:
    tls = authority.tls("peer.test")
    tls.minimum_version = tls.maximum_version = version
    with peer(*[MINE] * 4, tls=tls) as there, closing(secured(authority, there.port)) as pool:
        for _ in range(3):
            assert whole(ask(pool, "POST", body=b"x" * 300_000)) == b"mine"
        assert there.connections == [1, 1, 1]


def test_one_that_tls_ended_meanwhile_is_not_used(authority: Authority) -> None:
    ended = threading.Event()

    def end(connection: socket.socket) -> None:
        connection.sendall(MINE)
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(0.05)  # the other side doesn't say that it has ended, too
            with suppress(OSError):
                connection.unwrap()
        ended.set()
        there.over.wait(10)

    with peer(end, MINE, tls=authority.tls("peer.test")) as there, closing(secured(authority, there.port)) as pool:
        whole(ask(pool))
        assert ended.wait(20)
        time.sleep(0.05)
        assert whole(ask(pool)) == b"mine"
        assert there.connections == [1, 2]


def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(authority: Authority) -> None:
    with peer(MINE, tls=authority.tls("other.test")) as there:
        with pytest.raises(CertificateRefused):
            ask(secured(authority, there.port))
        assert there.requests == []


def test_what_speaks_no_tls_is_refused_before_anything_is_sent(authority: Authority) -> None:
    def talk(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(MINE)
            connection.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server,), daemon=True)
        thread.start()
        with pytest.raises(TlsFailed):
            ask(secured(authority, server.getsockname()[1]))
        thread.join(5)


def test_a_body_without_a_length_that_somebody_cut_off_is_no_whole_one(authority: Authority) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        time.sleep(0.05)
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TCP's end without TLS's

    with peer(cut, tls=authority.tls("peer.test")) as there, closing(secured(authority, there.port)) as pool:
        answer = ask(pool)
        with pytest.raises(ConnectionBroken):
            whole(answer)
