"""Sending a call: inject, send, redact. The only HTTP client, and it connects to the address that was checked.

requests' habits that would give a value away are off: no environment proxies, netrc or cookies, no redirects of its
own, no retries; no text of an exception of its leaves this room, since it may hold the URL.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from app.kernel.errors import (
    PayloadTooLarge,
    ResponseNotReadable,
    ResponseTooLarge,
    StrongroomError,
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
)
from app.kernel.secret import SecretValue
from app.outbound import Call, Destination, Origin, OutboundRules, Preview, Reply, UsedSecret
from app.outbound.decode import decoder
from app.outbound.guard import Guard
from app.outbound.inject import Prepared, authority, inject, preview
from app.outbound.redact import RedactionStream, Redactor

_POOLS_KEPT: Final = 512
_CONNECTIONS_PER_POOL: Final = 64
_CHUNK: Final = 64 * 1024
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MEASURES: Final = frozenset(
    {"content-length", "etag", "digest", "content-digest", "repr-digest", "content-md5", "signature", "signature-input"}
)
_NO_BODY_STATUS: Final = (204, 304)

# Both log URLs and header names at DEBUG, whatever the application's own level is.
for _library in ("urllib3", "requests"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class OutboundClient:
    """Implements ``app.outbound.Outbound``; safe to share among threads."""

    def __init__(self, rules: OutboundRules) -> None:
        self._rules = rules
        self._guard = Guard(rules)
        self._tls = _tls_context(rules.ca_file)
        self._sessions: OrderedDict[tuple[str, Origin, str], requests.Session] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, call: Call, secrets: Sequence[UsedSecret]) -> Destination:
        """See ``Outbound.check``."""
        return self._guard.check(call.origin, secrets)

    def preview(self, call: Call) -> Preview:
        """See ``Outbound.preview``."""
        return preview(call)

    def send(self, call: Call, destination: Destination, values: Mapping[str, SecretValue], *, workspace: str) -> Reply:
        """See ``Outbound.send``."""
        prepared = inject(call, values)
        if prepared.body is not None and len(prepared.body) > self._rules.max_request_bytes:
            raise PayloadTooLarge(f"The call's body has more than {self._rules.max_request_bytes} bytes.")
        began = time.monotonic()
        deadline = began + call.timeout_seconds
        with closing(self._exchange(prepared, call, destination, workspace, deadline)) as response:
            return _reply(response, prepared, Redactor(values), self._rules.max_response_bytes, began, deadline)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _exchange(
        self, prepared: Prepared, call: Call, destination: Destination, workspace: str, deadline: float
    ) -> requests.Response:
        session = self._session(workspace, destination)
        request = requests.PreparedRequest()
        request.method, request.url = prepared.method, prepared.url
        request.headers = requests.structures.CaseInsensitiveDict(
            {"Host": authority(call.origin), "Accept-Encoding": "gzip, deflate", "User-Agent": "strongroom"}
        )
        for name, value in prepared.headers:
            request.headers[name] = value
        request.body = prepared.body
        if prepared.body is not None or prepared.method in ("POST", "PUT", "PATCH"):
            request.headers["Content-Length"] = str(len(prepared.body or b""))
        _DEADLINE.moment = deadline
        try:
            return session.get_adapter(prepared.url).send(request, stream=True, timeout=call.timeout_seconds)
        except Exception as error:
            raise _named(error, deadline) from None

    def _session(self, workspace: str, destination: Destination) -> requests.Session:
        key = (workspace, destination.origin, destination.addresses[0])
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = self._new_session(destination)
            self._sessions.move_to_end(key)
            while len(self._sessions) > _POOLS_KEPT:
                self._sessions.popitem(last=False)[1].close()
        return session

    def _new_session(self, destination: Destination) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount(f"{destination.origin.scheme}://", _PinnedAdapter(destination, self._tls))
        return session


class _PinnedAdapter(HTTPAdapter):
    """Sends to one origin at one address; the name stays for TLS and the Host header."""

    def __init__(self, destination: Destination, tls: ssl.SSLContext) -> None:
        origin, address = destination.origin, destination.addresses[0]
        common: dict[str, Any] = {"maxsize": _CONNECTIONS_PER_POOL, "block": False, "retries": False}
        if origin.scheme == "https":
            self._pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
                address,
                origin.port,
                ssl_context=tls,
                server_hostname=origin.host,
                assert_hostname=origin.host,
                **common,
            )
            self._pool.ConnectionCls = _TlsConnection
        else:
            self._pool = urllib3.HTTPConnectionPool(address, origin.port, **common)
            self._pool.ConnectionCls = _Connection
        super().__init__(max_retries=0)

    def send(  # type: ignore[override]  # the rest of its parameters is for what we never do
        self, request: requests.PreparedRequest, stream: bool = True, timeout: float = 10.0
    ) -> requests.Response:
        """Send on the pinned pool; nothing is decoded, followed, stored or tried again."""
        raw = self._pool.urlopen(
            method=str(request.method),
            url=_target(str(request.url)),
            body=cast("Any", request.body),
            headers=cast("Any", request.headers),
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
        )
        return self.build_response(request, raw)

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()
        super().close()


def _target(url: str) -> str:
    return "/" + url.split("://", 1)[1].partition("/")[2]


class _Deadline(threading.local):
    moment: float = 0.0


_DEADLINE: Final = _Deadline()


class _TimedFile(io.RawIOBase):
    """A socket's bytes, each read within what is left of the call's whole time, so that drips end too."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait for it as long as the call has left."""
        left = _DEADLINE.moment - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """Stands for the socket where the response is parsed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the bytes, under the deadline."""
        return io.BufferedReader(_TimedFile(self._sock), _CHUNK)


def _timed_response(sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
    return HTTPResponse(_TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = staticmethod(_timed_response)  # type: ignore[assignment]


class _TlsConnection(HTTPSConnection):
    response_class = staticmethod(_timed_response)  # type: ignore[assignment]


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _reply(
    response: requests.Response, prepared: Prepared, redactor: Redactor, limit: int, began: float, deadline: float
) -> Reply:
    stream = redactor.stream()
    received = 0
    kept: list[bytes] = []
    size = 0
    for raw, piece in _decoded(response, prepared.method, deadline):
        received += raw
        safe = stream.feed(piece)
        size += len(safe)
        if size > limit:
            raise _too_large(limit)
        kept.append(safe)
    kept.append(stream.finish())
    if size + len(kept[-1]) > limit:
        raise _too_large(limit)
    headers, count = _headers(response, redactor, stream)
    media_type, charset = _content_type(headers)
    return Reply(
        status=response.status_code,
        headers=headers,
        body=b"".join(kept),
        media_type=media_type,
        charset=charset,
        redactions=count,
        elapsed_ms=round((time.monotonic() - began) * 1000, 1),
        sent_bytes=len(prepared.body or b""),
        received_bytes=received,
        hops=0,
    )


def _decoded(response: requests.Response, method: str, deadline: float) -> Iterator[tuple[int, bytes]]:
    """Give the body's pieces decoded, each with how many bytes came over the wire for it."""
    if method == "HEAD" or response.status_code in _NO_BODY_STATUS:
        return
    decode = decoder(response.headers.get("Content-Encoding"))
    try:
        while chunk := response.raw.read1(_CHUNK):
            wire = len(chunk)
            for piece in decode.feed(chunk):
                if time.monotonic() > deadline:
                    raise _too_slow()
                yield wire, piece
                wire = 0
        for piece in decode.finish():
            yield 0, piece
    except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        raise _named(error, deadline) from None


def _headers(
    response: requests.Response, redactor: Redactor, body: RedactionStream
) -> tuple[tuple[tuple[str, str], ...], int]:
    headers, count = [], body.count
    for name, value in response.raw.headers.items():
        if name.lower() in _HOP_BY_HOP or name.lower() == "content-encoding":
            continue
        (shown_name, in_name), (shown, in_value) = redactor.text(name), redactor.text(value)
        count += in_name + in_value
        headers.append((shown_name, shown))
    if count:
        headers = [(name, value) for name, value in headers if name.lower() not in _MEASURES]
    return tuple(headers), count


def _content_type(headers: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    told = next((value for name, value in headers if name.lower() == "content-type"), None)
    if told is None:
        return None, None
    media_type, *parameters = (part.strip() for part in told.split(";"))
    charset = next((part[8:].strip('"') for part in parameters if part.lower().startswith("charset=")), None)
    return media_type.lower(), charset


def _too_large(limit: int) -> ResponseTooLarge:
    return ResponseTooLarge(f"The upstream's answer has more than {limit} bytes.")


def _too_slow() -> UpstreamTimeout:
    return UpstreamTimeout("The upstream took longer than the call allows.")


def _named(error: Exception, deadline: float) -> StrongroomError:
    """Name a library's error; its text stays here, since it may quote the request."""
    causes = list(_causes(error))
    if any(isinstance(each, ssl.SSLError | ssl.CertificateError | urllib3.exceptions.SSLError) for each in causes):
        return UpstreamTls("The upstream's certificate or TLS version isn't acceptable.")
    # urllib3 counts a refused connection among its timeouts, so this comes first.
    if any(isinstance(each, urllib3.exceptions.NewConnectionError | ConnectionRefusedError) for each in causes):
        return UpstreamUnreachable("The upstream can't be reached.")
    late = time.monotonic() > deadline
    if late or any(isinstance(each, TimeoutError | urllib3.exceptions.TimeoutError) for each in causes):
        return _too_slow()
    if isinstance(error, ResponseNotReadable):
        return error
    return UpstreamProtocol("The upstream broke off, or doesn't speak HTTP as it should.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
        seen += 1
