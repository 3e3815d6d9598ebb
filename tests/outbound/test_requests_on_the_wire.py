"""Which requests a secret may ride, judged by the raw bytes that an upstream saw."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import unquote

import pytest

from app.calls.definition import WrittenCall
from app.calls.template import parse_call, resolve
from app.kernel.errors import StrongroomError, ValueNotAllowedHere
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import OutboundRules, UsedSecret
from app.outbound.requests_allowed import request_line, require_request
from tests.outbound.test_requests_allowed import PAIRS, allowed, call_to


@dataclass
class Recorder:
    """A server that keeps the first line of each request as it came, and answers by script."""

    port: int
    lines: list[bytes] = field(default_factory=list)
    location: str | None = None

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (chunk := connection.recv(65536)):
                    head += chunk
                self.lines.append(head.split(b"\r\n", 1)[0])
                status = f"302 Found\r\nLocation: {self.location}" if self.location else "200 OK"
                self.location = None
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        recorder = Recorder(listener.getsockname()[1])
        thread = threading.Thread(target=recorder.serve, args=(listener,), daemon=True)
        thread.start()
        yield recorder
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture(scope="module")
def client() -> Iterator[OutboundClient]:
    with closing(OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True))) as client:
        yield client


def _decoded(path: str) -> str:
    """What a server makes of a path that decodes until there is nothing left to decode."""
    while (again := unquote(path)) != path:
        path = again
    return path


@pytest.mark.parametrize(("pattern", "target", "fits"), [pair for pair in PAIRS if pair[2]])
def test_what_an_upstream_sees_is_what_was_allowed(
    client: OutboundClient, recorder: Recorder, pattern: str, target: str, fits: bool
) -> None:
    requests, call = allowed((None, pattern)), call_to(recorder.port, target)
    recorder.lines.clear()
    require_request("TOKEN", requests, request_line(call))
    secret = UsedSecret("TOKEN", (f"127.0.0.1:{recorder.port}",), allowed_requests=requests)
    client.send(call, client.check(call, [secret]), {"TOKEN": SecretValue("a-value-to-send")}, workspace="acme")
    # The very bytes, and whatever a lenient server makes of them lies where the pattern's author meant it.
    assert recorder.lines == [f"GET {target.removesuffix('?')} HTTP/1.1".encode()]
    seen = _decoded(recorder.lines[0].decode().split(" ")[1].partition("?")[0])
    assert seen.startswith(_decoded(pattern.partition("*")[0]))
    assert not {".", ".."} & {segment.strip() for segment in seen.replace("\\", "/").replace(";", "/").split("/")}


def test_a_value_in_the_path_is_looked_at_once_more(client: OutboundClient, recorder: Recorder) -> None:
    requests = allowed((None, "/hooks/*"))
    written = WrittenCall("GET", f"http://127.0.0.1:{recorder.port}/hooks/{{{{secrets.HOOK}}}}")
    call = resolve(parse_call(written), {})
    require_request("HOOK", requests, request_line(call))
    secret = UsedSecret("HOOK", (f"127.0.0.1:{recorder.port}",), allowed_requests=requests)
    recorder.lines.clear()
    for value in ("T01/B01/x8Fq", "%2e%2e"):
        with pytest.raises(ValueNotAllowedHere):
            client.send(call, client.check(call, [secret]), {"HOOK": SecretValue(value)}, workspace="acme")
    assert recorder.lines == []
    client.send(call, client.check(call, [secret]), {"HOOK": SecretValue("x8Fq-plain")}, workspace="acme")
    assert recorder.lines == [b"GET /hooks/x8Fq-plain HTTP/1.1"]


@pytest.mark.parametrize(
    ("location", "fits"),
    [
        ("/a/c", True),
        ("/b", False),
        ("/a/../b", False),
        ("/a/%2e%2e/b", False),
        ("/a/c?_method=PUT", False),
    ],
)
def test_each_hop_is_matched_anew(client: OutboundClient, recorder: Recorder, location: str, fits: bool) -> None:
    requests = allowed(("GET", "/a/**"))
    call = call_to(recorder.port, "/a/b", follow_redirects=True)
    secret = UsedSecret("TOKEN", (f"127.0.0.1:{recorder.port}",), allowed_requests=requests)
    recorder.lines.clear()
    recorder.location = location
    try:
        client.send(call, client.check(call, [secret]), {"TOKEN": SecretValue("a-value-to-send")}, workspace="acme")
        followed = True
    except StrongroomError:
        followed = False
    assert followed is fits
    assert len(recorder.lines) == (2 if fits else 1)
