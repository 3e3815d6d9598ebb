"""A proxy between us and one or more real Vault nodes, that can be slow, lie, hang up, and find the active node."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.support.hashicorp_shape import HashicorpShape

Kind = Literal["answer", "cut before", "cut after", "delay", "answer late"]
_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"}


@dataclass
class Fault:
    """What happens to the requests that match: so many of them, or all while it lasts."""

    kind: Kind
    method: str | None = None
    path: str = ""
    status: int = 500
    content: bytes = b'{"errors": ["canary of Vault\'s own words"]}'
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int | None = None
    then: Callable[[], None] = lambda: None
    seen: int = 0

    def takes(self, method: str, path: str) -> bool:
        if self.method not in (None, method) or self.path not in path or self.seen == self.times:
            return False
        self.seen += 1
        return True


@dataclass
class VaultProxy:
    """A running proxy. ``fault`` is what is wrong with it at the moment; ``away`` refuses every connection."""

    backends: Sequence[str]
    port: int = 0
    fault: Fault | None = None
    away: bool = False
    in_turn: bool = False
    """Ask one node after the other, whichever is the active one."""
    without: Sequence[str] = ()
    """Fields, in lower case, that are taken out of every request."""
    shape: HashicorpShape | None = None
    cacert: str | None = None
    _asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.cacert)

    def order(self) -> Sequence[str]:
        """Return the nodes in the order to try them in."""
        if not self.in_turn:
            return self.backends
        with self._lock:
            self._asked += 1
            first = self._asked % len(self.backends)
        return [*self.backends[first:], *self.backends[:first]]

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[Fault]:
        self.fault = fault
        try:
            yield fault
        finally:
            self.fault = None

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self._lock:
            return self.fault if self.fault is not None and self.fault.takes(method, path) else None


def _is_active(backend: str) -> bool:
    """Ask as a load balancer does: Vault says 200 of the active node alone."""
    connection = http.client.HTTPConnection(urlsplit(backend).netloc, timeout=2)
    try:
        connection.request("GET", "/v1/sys/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a content waits 40 ms until the client has acknowledged its head
    proxy: VaultProxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.proxy.away:
            self._hang_up()
            return
        fault = self.proxy.fault_for(self.command, self.path)
        if fault is not None and fault.kind == "cut before":
            fault.then()
            self._hang_up()
            return
        if fault is not None and fault.kind == "answer":
            self._answer(fault.status, fault.content, dict(fault.headers))
            return
        if fault is not None and fault.kind == "delay":
            fault.then()
            time.sleep(fault.seconds)
        shape = self.proxy.shape
        refused = None if shape is None else shape.refuse(self.path, dict(self.headers))
        if refused is not None:
            self._answer(refused[0], refused[2], refused[1])
            return
        status, headers, content = self._forward(
            body if shape is None else shape.request(self.command, self.path, body)
        )
        if shape is not None:
            status, headers, content = shape.answer(self.path, status, headers, content)
        if fault is not None and fault.kind == "cut after":
            fault.then()
            self._hang_up()
            return
        if fault is not None and fault.kind == "answer late":
            fault.then()
        self._answer(status, content, headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = handle_any  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send the request to the node, of several to the active one; one that breaks in the middle is an error."""
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in {*_HOP, *self.proxy.without}
        }
        several = len(self.proxy.backends) > 1 and not self.proxy.in_turn
        for backend in self.proxy.order():
            if several and not _is_active(backend):
                continue
            connection = self._connection(backend)
            try:
                connection.connect()
            except OSError:
                continue
            try:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except (OSError, http.client.HTTPException):
                return 502, {}, b""
            finally:
                connection.close()
        return 502, {}, b""

    def _connection(self, backend: str) -> http.client.HTTPConnection:
        parts = urlsplit(backend)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=30)
        return http.client.HTTPSConnection(parts.netloc, timeout=30, context=self.proxy.trust)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP or name.lower() == "date":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def vault_proxy(
    *backends: str, in_turn: bool = False, shape: HashicorpShape | None = None, cacert: str | None = None
) -> Iterator[VaultProxy]:
    proxy = VaultProxy(backends, in_turn=in_turn, shape=shape, cacert=cacert)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no news
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
