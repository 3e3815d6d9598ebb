"""One exchange over a connection of our own: pinned to the address that was checked, and over when its time is.

Of requests it takes the request, the answer and the seam for a transport, and none of what its sessions add: no proxy,
netrc or cookie comes from anywhere, nothing is followed, decoded or tried again. What goes over the connection is
``app.http1``'s, whose errors hold no text.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import requests
from requests.adapters import BaseAdapter

from app.http1 import errors as http1
from app.http1 import response as wired
from app.http1.connection import system_tls_context, tls_context
from app.http1.pool import Pool, request_head
from app.kernel.errors import (
    ClientGone,
    ResponseTooLarge,
    Stopping,
    StrongroomError,
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
    ValueNotAllowedHere,
)
from app.outbound.inject import authority
from app.outbound.model import Destination, Origin, Prepared

_POOLS_KEPT: Final = 512
_LOOKS_UP_EVERY: Final = 0.5  # seconds, to see whether the service is to stop
_WORTH_READING: Final = 64 * 1024  # of an answer that nobody wants, so that its connection can be kept
_OURS: Final = {"Accept-Encoding": "gzip, deflate, br, zstd", "User-Agent": "strongroom"}


class UpstreamResponse:
    """An answer as it came: its head is there, its body still on the way. Not redacted, so it stays in this room."""

    def __init__(self, raw: wired.WireResponse, clock: _Clock) -> None:
        self._raw = raw
        self._clock = clock
        self.status = raw.status
        self.headers = tuple(raw.fields)

    def header(self, name: str) -> str | None:
        """Return a header's value, several lines of it joined."""
        return self._raw.field(name.lower())

    def lines(self, name: str) -> list[str]:
        """Return a header's values, one for each line of it."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def content(self) -> Iterator[bytes]:
        """Give the body, still encoded. Raises any ``UpstreamError``."""
        try:
            while chunk := self._raw.read():
                yield chunk
        except http1.WireError as error:
            raise _as_our_error(error, self._clock) from None

    def read_now(self) -> bytes | None:
        """Give what of the body is there already, still encoded: nothing at its end, None where none came yet.

        Raises:
            UpstreamError, Stopping
        """
        self.require_running()
        try:
            return self._raw.read_now()
        except http1.WouldBlock:
            return None
        except http1.WireError as error:
            raise _as_our_error(error, self._clock) from None

    def require_running(self) -> None:
        """Raise ``Stopping`` where the service's time is over."""
        if self._clock.stopped:
            raise _stopping()

    def fileno(self) -> int:
        """Return the number of the socket that the rest comes from; -1 where nothing is to come."""
        return self._raw.fileno()

    def in_time(self) -> None:
        """Raise ``UpstreamTimeout`` where the call's time is over, whatever it was spent with."""
        if self._clock.late:
            raise _too_slow()

    def discard(self) -> None:
        """Close it, a short body read to its end first, so that the connection can be used again."""
        length = self.header("Content-Length") or ""
        with closing(self):
            if length.isdecimal() and int(length) <= _WORTH_READING:
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
        self._tls = system_tls_context()
        if ca_file is not None:
            self._tls = tls_context()
            self._tls.load_verify_locations(ca_file)
        self._stop = _Stop()
        self._ways: OrderedDict[tuple[str, Origin, str], _PinnedAdapter] = OrderedDict()
        self._lock = threading.Lock()

    def exchange(
        self,
        request: Prepared,
        destination: Destination,
        *,
        workspace: str,
        deadline: float,
        is_awaited: Callable[[], bool],
    ) -> UpstreamResponse:
        """Send a request and wait for the answer's head; where one address can't be reached, the next is tried.

        Raises any ``UpstreamError``, ``Stopping``, or ``ClientGone``.
        """
        clock = _Clock(deadline, self._stop, is_awaited)
        *others, last = destination.addresses
        for position, address in enumerate(others):
            try:
                share = len(destination.addresses) - position
                return self._exchange(request, destination.origin, address, workspace, clock, share)
            except UpstreamUnreachable:
                continue
        return self._exchange(request, destination.origin, last, workspace, clock, 1)

    def _exchange(
        self, request: Prepared, origin: Origin, address: str, workspace: str, clock: _Clock, share: int
    ) -> UpstreamResponse:
        way = self._way(workspace, origin, address)
        try:
            if clock() <= 0:
                raise http1.TimedOut
            return UpstreamResponse(way.send(_as_sent(request, origin), timeout=(clock.part(share), clock)).raw, clock)
        except http1.WireError as error:
            raise _as_our_error(error, clock) from None

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
        # The name stays for TLS, whatever address it is that is connected to.
        secured = {"tls": tls, "name": origin.host} if origin.scheme == "https" else {}
        self._pool = Pool(address, origin.port, **cast("Any", secured))

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        """Send as it stands; ``timeout`` is for connecting and for the rest, the other options are what we never do."""
        connecting, waiting = options["timeout"]
        target = "/" + cast(str, request.url).split("://", 1)[1].partition("/")[2]
        head = request_head(cast(str, request.method), target, cast("Any", request.headers.items()))
        response = requests.Response()
        response.request = request
        response.raw = self._pool.exchange(
            head, cast("bytes | None", request.body), connecting=connecting, waiting=waiting
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


# --- time -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Stop:
    """The moment, on the monotonic clock, at which every call is broken off."""

    moment: float = math.inf


class _Clock:
    """How long one call may wait: short enough each time that what ends it meanwhile is seen."""

    __slots__ = ("_deadline", "_stop", "is_awaited")

    def __init__(self, deadline: float, stop: _Stop, is_awaited: Callable[[], bool]) -> None:
        self._deadline = deadline
        self._stop = stop
        self.is_awaited = is_awaited

    def __call__(self) -> float:
        """See ``app.http1.Seconds``."""
        if not self.is_awaited():
            return 0.0
        return min(min(self._deadline, self._stop.moment) - time.monotonic(), _LOOKS_UP_EVERY)

    def part(self, share: int) -> Callable[[], _Clock]:
        """Begin a share of what is left, for one of several addresses."""
        now = time.monotonic()
        return partial(_Clock, now + (self._deadline - now) / share, self._stop, self.is_awaited)

    @property
    def late(self) -> bool:
        """Tell whether the call's time is over."""
        return time.monotonic() > self._deadline

    @property
    def stopped(self) -> bool:
        """Tell whether the service's time is over."""
        return time.monotonic() >= self._stop.moment


# --- what went wrong --------------------------------------------------------------------------------------------------


def _as_our_error(error: http1.WireError, clock: _Clock) -> StrongroomError:
    """Give an error of the wire its name among ours."""
    if clock.stopped:
        return _stopping()
    if not clock.is_awaited():
        return ClientGone("Nobody waits for the answer any more; the call was broken off.")
    # One address of several has a share of the time only.
    if isinstance(error, http1.TimedOut) or (isinstance(error, http1.NotConnectedInTime) and clock.late):
        return _too_slow()
    return next(make() for kind, make in _NAMES.items() if isinstance(error, kind))


def _stopping() -> Stopping:
    return Stopping("The service is stopping; the call was broken off, and may have reached the upstream.")


def _too_slow() -> UpstreamTimeout:
    return UpstreamTimeout("The upstream took longer than the call allows.")


_NAMES: Final[dict[type[http1.WireError], Callable[[], StrongroomError]]] = {
    http1.Unsendable: lambda: ValueNotAllowedHere("The call has a character that no URL or header can hold."),
    http1.NotSent: lambda: UpstreamUnreachable("The upstream can't be reached."),
    http1.TlsFailed: lambda: UpstreamTls("The upstream's certificate or TLS version isn't acceptable."),
    http1.HeadTooLarge: lambda: ResponseTooLarge("The upstream's answer has more headers than are read here."),
    http1.WireError: lambda: UpstreamProtocol("The upstream broke off, or doesn't speak HTTP as it should."),
}
