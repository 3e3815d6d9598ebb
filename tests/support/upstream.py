"""A real upstream, over HTTP or HTTPS: remembers what it received, and answers as a test told it to."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    client: tuple[str, int] = ("", 0)

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)


Script = Callable[["Handler"], None]


@dataclass
class Upstream:
    """Where it listens, what it saw, and how it answers: by path, else with an echo. ``released`` ends its stalls."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait for the first request: whoever sent it may have given it up before it is looked at here."""
        end = time.monotonic() + 10
        while not self.seen and time.monotonic() < end:
            time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: Upstream

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.seen = Seen(self.command, self.path, list(self.headers.items()), body, self.client_address)
        self.upstream.seen.append(self.seen)
        script = self.upstream.scripts.get(self.path.partition("?")[0], echo)
        script(self)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def answer(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a body of known length."""
        self.head(status, {"Content-Type": "application/json", "Content-Length": str(len(body))} | dict(headers or {}))
        if self.command != "HEAD":
            self.wfile.write(body)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def answer_in_chunks(
        self, pieces: Iterable[bytes], headers: Mapping[str, str] | None = None, trailers: bytes = b""
    ) -> None:
        """Answer chunk by chunk, each of them sent for itself."""
        self.head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"} | dict(headers or {}))
        for piece in filter(None, pieces):
            self.wfile.write(b"%x;note=%d\r\n%b\r\n" % (len(piece), len(piece), piece))
        self.wfile.write(b"0\r\n" + trailers + b"\r\n")

    def answer_raw(self, raw: bytes) -> None:
        """Send these very bytes, and hang up."""
        self.wfile.write(raw)
        self.close_connection = True

    def drip(self, raw: bytes = b"x" * 1000, seconds: float = 0.05) -> None:
        """Send one byte at a time, until the other side has enough of it."""
        self.close_connection = True
        for byte in raw:
            self.wfile.write(bytes([byte]))
            if self.upstream.released.wait(seconds):
                return

    def stall(self) -> None:
        """Say nothing until the test is over."""
        self.close_connection = True
        self.upstream.released.wait(20)

    def reset(self) -> None:
        """Break the connection off with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


def echo(handler: Handler) -> None:
    """Give everything back that came."""
    seen = handler.seen
    told = {"method": seen.method, "path": seen.path, "headers": seen.headers, "body": seen.body.decode("latin-1")}
    handler.answer(json.dumps(told).encode())


@contextmanager
def upstream(tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Upstream]:
    told = Upstream()
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"upstream": told}))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no news
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class Authority:
    """A certificate authority of the tests' own, and its certificate as a file that settings can name."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.path = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.path)

    def tls(self, *names: str, **more: object) -> ssl.SSLContext:
        """Make a server's context, with a certificate for these names; ``more`` as ``trustme.CA.issue_cert`` has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names, **more).configure_cert(context)  # type: ignore[arg-type]
        return context
