"""A socket, perhaps under TLS, on which every wait is bounded.

It never blocks by itself: what can't be done at once is waited for with ``poll``, as long as the caller says.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, cast

from app.http1.errors import (
    CertificateRefused,
    ConnectionBroken,
    NotConnectedInTime,
    NotSent,
    Seconds,
    TimedOut,
    TlsFailed,
    Unreachable,
    WireError,
    WouldBlock,
)
from app.kernel.turns import yield_turn

_ONE_SEND: Final = 64 * 1024  # a body up to this size goes out together with its head
_WANTS: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def tls_context(ca_file: str | None = None, *, ca_pem: str | None = None) -> ssl.SSLContext:
    """Make a context that verifies names and certificates.

    ``ca_file``, or the PEM text ``ca_pem``, stands in for the system's authorities.

    Raises ``OSError`` where they can't be used.
    """
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    context.keylog_filename = cast("str", None)  # the environment's SSLKEYLOGFILE would have every session's keys
    return context


@cache
def system_tls_context() -> ssl.SSLContext:
    """Return the context that trusts the system's authorities: one for a process and for all that are forked from it.

    What the authorities take, some 9 MiB, is there once then. It is nobody's to change.
    """
    return tls_context()


class Connection:
    """A connection that is open. For one thread at a time."""

    __slots__ = ("_readable", "_sock", "_tls", "whole")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self.whole = True
        """Whether every request went out whole; if not, the other side has ended, and there is one answer at most."""

    def is_quiet(self) -> bool:
        """Tell whether it is still open and nothing came that nobody asked for."""
        try:
            if not self._readable.poll(0):
                return True
            if self._tls:  # what came may be TLS's own: a new session ticket, say
                self._sock.recv(1)
        except _WANTS:
            return True
        except (OSError, ValueError):
            return False
        return False

    def send(self, head: bytes, body: bytes | None, seconds: Seconds) -> None:
        """Send a request. Where the other side takes no more of it, it may have answered.

        Raises:
            TlsFailed: TLS broke.
            TimedOut: Time was over.
        """
        try:
            if body and len(body) > _ONE_SEND:
                self._send(head, seconds)
                self._send(body, seconds)
            else:
                self._send(head + body if body else head, seconds)
        except ssl.SSLError:
            raise TlsFailed from None
        except OSError:
            self.whole = False

    def _send(self, content: bytes | memoryview, seconds: Seconds) -> None:
        while True:
            try:
                sent = self._sock.send(content)
            except _WANTS as want:
                _wait(self._sock, _event_to_wait_for(want, select.POLLOUT), seconds)
                continue
            if sent == len(content):
                return
            content = memoryview(content)[sent:]

    def receive(self, most: int, seconds: Seconds) -> bytes:
        """Give the next bytes, none where the other side has ended. Raises ``WireError``."""
        if not self._tls:
            _until(self._readable, seconds)
        while True:
            try:
                return self.receive_now(most)
            except WouldBlock as nothing:
                _wait(self._sock, nothing.event, seconds)

    def receive_now(self, most: int) -> bytes:
        """Give the bytes that are there, none where the other side has ended, without waiting.

        Raises:
            WouldBlock: None are there.
            ConnectionBroken, TlsFailed
        """
        try:
            return self._sock.recv(most)
        except _WANTS as want:
            raise WouldBlock(_event_to_wait_for(want, select.POLLIN)) from None
        except ssl.SSLEOFError:  # an end that TLS knows nothing of: anybody may have cut it
            raise ConnectionBroken from None
        except ssl.SSLError:
            raise TlsFailed from None
        except OSError:
            raise ConnectionBroken from None

    def fileno(self) -> int:
        """Return the socket's number, to wait for it elsewhere."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close it."""
        with suppress(OSError):
            self._sock.close()


def connect(
    host: str, port: int, connecting: Callable[[], Seconds], *, tls: ssl.SSLContext | None = None, name: str = ""
) -> Connection:
    """Connect to a host, trying each of its addresses; ``connecting`` begins the time for one of them.

    ``name`` is what the certificate has to be for. Raises ``NotSent`` or ``TlsFailed``.
    """
    problem: WireError = Unreachable()
    for family, address in _places(host, port):
        try:
            return _connect_to(family, address, connecting(), tls, name)
        except NotSent as reason:
            problem = reason
    raise problem from None


def _places(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable from None
    return [(family, address) for family, _, _, _, address in found]


def _connect_to(
    family: socket.AddressFamily, address: Any, seconds: Seconds, tls: ssl.SSLContext | None, name: str
) -> Connection:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _connect(sock, address, seconds)
        if tls is not None:
            sock = _under_tls(sock, tls, name)
            _shake_hands(sock, seconds)
        return Connection(sock)
    except BaseException as error:
        sock.close()
        if isinstance(error, TimedOut):
            raise NotConnectedInTime from None
        if isinstance(error, OSError):
            raise Unreachable from None
        raise


def _connect(sock: socket.socket, address: Any, seconds: Seconds) -> None:
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        _wait(sock, select.POLLOUT, seconds)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise Unreachable


def _under_tls(sock: socket.socket, tls: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    try:
        return tls.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False, suppress_ragged_eofs=False)
    except ValueError:  # a name that no certificate can have
        raise TlsFailed from None


def _shake_hands(sock: ssl.SSLSocket, seconds: Seconds) -> None:
    while True:
        try:
            return sock.do_handshake()
        except _WANTS as want:
            _wait(sock, _event_to_wait_for(want, select.POLLIN), seconds)
        except ssl.SSLCertVerificationError:
            raise CertificateRefused from None
        except ssl.SSLError:
            raise TlsFailed from None


def _event_to_wait_for(want: OSError, otherwise: int) -> int:
    """Return what has to be waited for; under TLS a read may have to write first, and the other way round."""
    if isinstance(want, ssl.SSLWantReadError):
        return select.POLLIN
    return select.POLLOUT if isinstance(want, ssl.SSLWantWriteError) else otherwise


def _wait(sock: socket.socket, event: int, seconds: Seconds) -> None:
    poll = select.poll()
    poll.register(sock, event)
    _until(poll, seconds)


def _until(poll: select.poll, seconds: Seconds) -> None:
    with yield_turn():
        while (left := seconds()) > 0:
            if poll.poll(left * 1000):
                return
    raise TimedOut
