"""A whole request as WSGI's environment, and what Flask answers to it, in a thread.

The environment is built from nothing but the request: not from the process's own, and header by header as they came.
Source: PEP 3333; ASGI's HTTP specification.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from app.kernel.errors import StrongroomError

Headers = Sequence[tuple[bytes, bytes]]
Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_ONCE: Final = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"if-match", b"x-request-id"}
)
_OURS: Final = b"strongroom-"
_BARE: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


class AmbiguousHeader(StrongroomError, party="caller", code="bad_request", title="Bad request"):
    """A header that decides something came twice, or with a byte beyond ASCII."""


@dataclass(frozen=True, slots=True)
class WsgiResponse:
    """What Flask answered: its head, and its body, either whole or as pieces that come one by one."""

    status: int
    headers: list[tuple[bytes, bytes]]
    pieces: Iterable[bytes]
    whole: bool

    def close(self) -> None:
        """Let go of what the body is read from."""
        close = getattr(self.pieces, "close", None)
        if close is not None:
            close()


def require_plain_headers(headers: Headers) -> None:
    """Refuse a header of ours, or one that decides who asks for what, that reads differently to different readers.

    Raises:
        AmbiguousHeader
    """
    seen = set()
    for name, value in headers:
        if name in _ONCE or name.startswith(_OURS):
            if name in seen:
                raise AmbiguousHeader(f"The header {name.decode('ascii')} came twice.")
            if name != b"authorization" and not value.isascii():  # such a token proves nothing: 401
                raise AmbiguousHeader(f"The header {name.decode('ascii')} has a character beyond ASCII.")
            seen.add(name)


def header_of(scope: dict[str, Any], wanted: bytes) -> str | None:
    """Return a header's value, the first where there are several; None where there is none."""
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return None


def size_of_head(scope: dict[str, Any]) -> int:
    """Return how many bytes a request's head has, about as it was sent."""
    headers = sum([len(name) + len(value) + 4 for name, value in scope["headers"]])  # a list: no generator to resume
    return len(scope["raw_path"]) + len(scope["query_string"]) + headers


def environ_of(scope: dict[str, Any], body: bytes) -> Environ:
    """Return WSGI's environment of a request whose body is there whole, without headers that have an underscore."""
    address, port = scope.get("server") or ("", "")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(address),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str((scope.get("client") or ("",))[0]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"transfer-encoding":
            continue
        key = _key_of(name)
        text = str(value, "latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if name == b'cookie' else ','}{text}"
        environ[key] = text
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


@lru_cache(maxsize=256)  # the same few names, and no more of those that a stranger makes up
def _key_of(name: bytes) -> str:
    return _BARE.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")


def run(app: WsgiApp, environ: Environ) -> WsgiResponse:
    """Have the application answer; of what comes in pieces none is taken yet."""
    head: list[Any] = []

    def _start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        head[:] = [int(status[:3]), [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]]

    pieces = app(environ, _start_response)
    status, headers = head
    whole = environ["REQUEST_METHOD"] == "HEAD" or any(name == b"content-length" for name, _ in headers)
    return WsgiResponse(status, headers, pieces, whole or status in (204, 304))
