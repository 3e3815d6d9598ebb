"""A peer on a real socket that answers with whatever bytes a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from app.http1.errors import deadline
from app.http1.pool import Pool, request_head
from app.http1.response import WireResponse

Play = Callable[[socket.socket], None]


@dataclass
class Peer:
    """Where it listens, each request as it came, and over which of its connections."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peer(*plays: bytes | Play, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Answer each request with the next play: these bytes, or what a function does. After the last it hangs up."""
    told, left, lock = Peer(), list(plays), threading.Lock()

    def converse(connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                while request := _request(connection):
                    with lock:
                        told.requests.append(request)
                        told.connections.append(number)
                        play = left.pop(0) if left else b""
                    if callable(play):
                        play(connection)
                    else:
                        connection.sendall(play)
                    if not left:
                        return

    def accept(server: socket.socket) -> None:
        number = 0
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                number += 1
                threading.Thread(target=converse, args=(connection, number), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        told.port = server.getsockname()[1]
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        yield told
        told.over.set()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _request(connection: socket.socket) -> bytes:
    came = b""
    while b"\r\n\r\n" not in came:
        more = connection.recv(65536)
        if not more:
            return b""
        came += more
    head, _, body = came.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def ask(pool: Pool, method: str = "GET", *, body: bytes | None = None, seconds: float = 5.0) -> WireResponse:
    """Send a request and give its answer, the body of which is still on the way."""
    fields = [("Host", "peer.test")] + ([] if body is None else [("Content-Length", str(len(body)))])
    head = request_head(method, "/", fields)
    return pool.exchange(head, body, connecting=partial(deadline, seconds), waiting=deadline(seconds))


def whole(answer: WireResponse) -> bytes:
    """Read a body to its end."""
    return b"".join(iter(answer.read, b""))
