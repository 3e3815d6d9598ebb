"""One exchange over a connection of our own: pinned to the address that was checked, and over when its time is.

Of requests it takes the request, the answer and the seam for a transport, and none of what its sessions add: no proxy,
netrc or cookie comes from anywhere, nothing is followed, decoded or tried again. No text of a library's error leaves
this file, since it may hold the URL.
"""

from __future__ import annotations

import io
import logging
import math
import re
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, LineTooLong, parse_headers
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import BaseAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from app.kernel.errors import (
    ResponseTooLarge,
    Stopping,
    StrongroomError,
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
)
from app.outbound import Destination, Origin
from app.outbound.inject import Prepared, authority

_POOLS_KEPT: Final = 512
_CONNECTIONS_PER_POOL: Final = 64
_CHUNK: Final = 64 * 1024
_LOOKS_UP_EVERY: Final = 0.5
_LARGEST_HEAD: Final = 256 * 1024
_WORTH_READING: Final = 64 * 1024  # of an answer that nobody wants, so that its connection can be kept
_OURS: Final = {"Accept-Encoding": "gzip, deflate, br, zstd", "User-Agent": "strongroom"}
_NO_BODY_STATUS: Final = (204, 304)
_FOLD: Final = re.compile(r"[ \t]*\r?\n[ \t]*")  # a header in several lines is one (RFC 9112, section 5.2)

# It logs URLs at DEBUG, whatever the application's own level is.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Answer:
    """An answer as it came: its head is there, its body still on the way. Not redacted, so it stays in this room."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, method: str, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline
        self._has_body = method != "HEAD" and raw.status not in _NO_BODY_STATUS
        self.status = raw.status
        self.headers = tuple((name, _FOLD.sub(" ", value)) for name, value in raw.headers.items())

    def header(self, name: str) -> str | None:
        """Return a header's value, several lines of it joined."""
        return self._raw.headers.get(name)

    def content(self) -> Iterator[bytes]:
        """Give the body, still encoded. Raises any ``UpstreamError``."""
        try:
            while self._has_body and (chunk := self._raw.read1(_CHUNK)):
                yield chunk
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise _named(error, self._deadline) from None

    def in_time(self) -> None:
        """Raise ``UpstreamTimeout`` where the call's time is over, whatever it was spent with."""
        if time.monotonic() > self._deadline:
            raise _too_slow()

    def discard(self) -> None:
        """Close it, a short body read to its end first, so that the connection can be used again."""
        length = self.header("Content-Length") or ""
        with closing(self):
            if length.isdecimal() and len(length) < 10 and int(length) <= _WORTH_READING:
                for _ in self.content():
                    pass

    def close(self) -> None:
        """Let the connection go: back to its pool, or shut where something is left on it."""
        self._raw.close()

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class Wire:
    """Connections by workspace, origin and address; none is ever shared between two of these. Safe to share."""

    def __init__(self, ca_file: str | None) -> None:
        self._tls = _tls_context(ca_file)
        self._stop = _Stop()
        self._ways: OrderedDict[tuple[str, Origin, str], _PinnedAdapter] = OrderedDict()
        self._lock = threading.Lock()

    def exchange(self, request: Prepared, destination: Destination, *, workspace: str, deadline: float) -> Answer:
        """Send a request and wait for the answer's head; where one address can't be reached, the next is tried.

        Raises any ``UpstreamError``, or ``Stopping``.
        """
        *others, last = destination.addresses
        for position, address in enumerate(others):
            try:
                share = len(destination.addresses) - position
                return self._exchange(request, destination.origin, address, workspace, deadline, share)
            except UpstreamUnreachable:
                continue
        return self._exchange(request, destination.origin, last, workspace, deadline, 1)

    def _exchange(
        self, request: Prepared, origin: Origin, address: str, workspace: str, deadline: float, share: int
    ) -> Answer:
        _DEADLINE.moment, _DEADLINE.stop = deadline, self._stop
        try:
            left = _DEADLINE.left()
            way = self._way(workspace, origin, address)
            raw = way.send(_as_sent(request, origin), timeout=(left / share, left)).raw
        except Exception as error:
            raise _named(error, deadline) from None
        answer = Answer(raw, request.method, deadline)
        if sum(len(name) + len(value) for name, value in answer.headers) > _LARGEST_HEAD:
            answer.close()
            raise _head_too_large()
        return answer

    def _way(self, workspace: str, origin: Origin, address: str) -> _PinnedAdapter:
        key = (workspace, origin, address)
        with self._lock:
            way = self._ways.get(key)
            if way is None:
                way = self._ways[key] = _PinnedAdapter(origin, address, self._tls)
            self._ways.move_to_end(key)
            while len(self._ways) > _POOLS_KEPT:
                self._ways.popitem(last=False)[1].close()
        return way

    def stop_at(self, moment: float) -> None:
        """Break off what is under way at this moment of the monotonic clock."""
        self._stop.moment = moment

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for way in self._ways.values():
                way.close()
            self._ways.clear()


class _PinnedAdapter(BaseAdapter):
    """requests' transport, to one origin at one address, over kept connections."""

    def __init__(self, origin: Origin, address: str, tls: ssl.SSLContext) -> None:
        super().__init__()
        common: dict[str, Any] = {"maxsize": _CONNECTIONS_PER_POOL, "block": False, "retries": False}
        if origin.scheme == "http":
            self._pool: urllib3.HTTPConnectionPool = urllib3.HTTPConnectionPool(address, origin.port, **common)
            self._pool.ConnectionCls = _Connection
        else:
            # The name stays for TLS, whatever address it is that is connected to.
            common |= {"ssl_context": tls, "server_hostname": origin.host, "assert_hostname": origin.host}
            self._pool = urllib3.HTTPSConnectionPool(address, origin.port, **common)
            self._pool.ConnectionCls = _TlsConnection

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        """Send as it stands; ``timeout`` is for connecting and for reading, the other options are what we never do."""
        connect, read = options["timeout"]
        response = requests.Response()
        response.request = request
        response.raw = self._pool.urlopen(
            method=cast(str, request.method),
            url="/" + cast(str, request.url).split("://", 1)[1].partition("/")[2],
            body=cast("bytes | None", request.body),
            headers=cast("Mapping[str, str]", request.headers),
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=False,
            timeout=urllib3.Timeout(connect=connect, read=read),
        )
        response.status_code = response.raw.status
        return response

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _as_sent(request: Prepared, origin: Origin) -> requests.PreparedRequest:
    """Make requests' own request of what is ready to go out; its ``prepare`` would write the URL and headers anew."""
    sent = requests.PreparedRequest()
    sent.method, sent.url, sent.body = request.method, request.url, request.body
    sent.headers = requests.structures.CaseInsensitiveDict(_headers(request, origin))
    return sent


def _headers(request: Prepared, origin: Origin) -> dict[str, str]:
    given = {name.lower() for name, _ in request.headers}
    headers = {"Host": authority(origin)}
    headers |= {name: value for name, value in _OURS.items() if name.lower() not in given}
    headers |= dict(request.headers)
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(request.body or b""))
    return headers


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.keylog_filename = cast("str", None)  # the environment's SSLKEYLOGFILE would have every session's keys
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


# --- time -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Stop:
    """The moment, on the monotonic clock, at which every call is broken off."""

    moment: float = math.inf


class _Deadline(threading.local):
    moment: float = 0.0
    stop: _Stop = _Stop()

    def left(self) -> float:
        seconds = min(self.moment, self.stop.moment) - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


_DEADLINE: Final = _Deadline()  # of the call that this thread is making


class _TimedFile(io.RawIOBase):
    """A socket's bytes, each read within what is left of the call's whole time, so that drips end too."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # In short waits, so that a stop which was told meanwhile is seen.
        while True:
            self._sock.settimeout(min(_DEADLINE.left(), _LOOKS_UP_EVERY))
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                _DEADLINE.left()


class _TimedSocket:
    """Stands for the socket where the response is parsed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedFile(self._sock), _CHUNK)


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast("socket.socket", _TimedSocket(sock)), *args, **kwargs)

    def _read_status(self) -> tuple[str, int, str]:
        """Pass over what comes before the answer (103 Early Hints and its like).

        The base class would take it for the answer, and the answer for the next call's.
        """
        while True:
            version, status, reason = cast("tuple[str, int, str]", super()._read_status())  # type: ignore[misc]
            if not 100 < status < 200:
                return version, status, reason
            parse_headers(self.fp)


class _TimedSending:
    """Sends within what is left, to a peer that takes it slowly too."""

    sock: Any

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(_DEADLINE.left())
        super().send(data)  # type: ignore[misc]


class _Connection(_TimedSending, HTTPConnection):
    response_class = _TimedResponse


class _TlsConnection(_TimedSending, HTTPSConnection):
    response_class = _TimedResponse


# --- what went wrong --------------------------------------------------------------------------------------------------


def _named(error: Exception, deadline: float) -> StrongroomError:
    """Name a library's error; its text stays here, since it may quote the request."""
    causes = list(_causes(error))
    if time.monotonic() >= _DEADLINE.stop.moment:
        return Stopping("The service is stopping; the call was broken off, and may have reached the upstream.")
    if any(isinstance(each, ssl.SSLError | ssl.CertificateError | urllib3.exceptions.SSLError) for each in causes):
        return UpstreamTls("The upstream's certificate or TLS version isn't acceptable.")
    late = time.monotonic() > deadline
    # urllib3 counts a refused connection among its timeouts, so this comes first.
    refused = any(isinstance(each, urllib3.exceptions.NewConnectionError | ConnectionRefusedError) for each in causes)
    # One address of several has a share of the time only.
    if refused or (not late and any(isinstance(each, urllib3.exceptions.ConnectTimeoutError) for each in causes)):
        return UpstreamUnreachable("The upstream can't be reached.")
    if any(isinstance(each, LineTooLong) or type(each) is HTTPException for each in causes):
        return _head_too_large()
    if late or any(isinstance(each, TimeoutError | urllib3.exceptions.TimeoutError) for each in causes):
        return _too_slow()
    return UpstreamProtocol("The upstream broke off, or doesn't speak HTTP as it should.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
        seen += 1


def _too_slow() -> UpstreamTimeout:
    return UpstreamTimeout("The upstream took longer than the call allows.")


def _head_too_large() -> ResponseTooLarge:
    return ResponseTooLarge("The upstream's answer has more or longer headers than are read here.")
