"""Streams from both sides: upstreams that answer piece by piece, and a client that reads from its raw socket."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.support.service import Service
from tests.support.upstream import Handler, Upstream

CANARY = "sk-canary-7Qx2mPz9LwEr4TyUiOpA"


def add_block(
    service: Service, upstream: Upstream, ws: str, *, timeout: float = 20, user: str = "ada", **more: Any
) -> None:
    secret = {
        "name": "TOKEN",
        "value": CANARY,
        "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }
    made = service.ask("POST", f"/workspaces/{ws}/secrets", secret, user=user)
    assert made.status_code == 201, made.text
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/stream",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "timeout_seconds": timeout,
    }
    made = service.ask(
        "POST", f"/workspaces/{ws}/blocks", {"name": "s", "call": call, "answer": "stream", **more}, user=user
    )
    assert made.status_code == 201, made.text


class Reader:
    """A client that reads a stream from its raw socket."""

    def __init__(
        self, service: Service, path: str, body: object = None, *, token: str | None = None, **headers: str
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        who = {"Authorization": f"Bearer {token or service.platform}"}
        if token is None:
            who["Strongroom-Act-As"] = "ada"
        who |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body or {}).encode()
        lines = [
            f"POST /api/v1{path} HTTP/1.1",
            "Host: x",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in who.items()),
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
        while not self.is_whole and (piece := self.socket.recv(65536)):
            self.came += piece
        return self.came

    def reset(self) -> None:
        """Break the connection off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    @property
    def is_whole(self) -> bool:
        return self.came.endswith(b"0\r\n\r\n")

    def header(self, name: str) -> str | None:
        head = self.came.partition(b"\r\n\r\n")[0].decode("latin-1")
        found = (line.partition(": ") for line in head.split("\r\n"))
        return next((value for each, _, value in found if each.lower() == name.lower()), None)


@contextmanager
def reading(service: Service, ws: str, *, token: str | None = None, **headers: str) -> Iterator[Reader]:
    reader = Reader(service, f"/workspaces/{ws}/blocks/s/run", token=token, **headers)
    with closing(reader.socket):
        yield reader


def events_upstream(
    go: threading.Event, media_type: str = "text/event-stream", first: bytes = b"data: one\n\n"
) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked", "Set-Cookie": "a=b"})
        send_chunk(handler, first)
        go.wait(100)
        send_chunk(handler, b"data: " + (handler.seen.header("Authorization") or "").encode() + b"\n\n")
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def send_chunk(handler: Handler, piece: bytes) -> None:
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


def outcomes(service: Service, ws: str, *, await_end: bool = False, user: str = "ada") -> list[dict[str, Any]]:
    end = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = service.ask("GET", f"/workspaces/{ws}/audit?action=call.run", user=user).json()[
            "items"
        ]
        if not await_end or (found and found[0]["outcome"] in ("done", "failed")) or time.monotonic() > end:
            return found
        time.sleep(0.1)
