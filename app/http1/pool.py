"""Connections to one address that are kept, and requests over them.

Nothing is sent twice, but for a GET or HEAD whose kept connection turns out to have ended (RFC 9110, section 9.2.2).
"""

from __future__ import annotations

import re
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Final

from app.http1.connection import Connection, connect
from app.http1.errors import NoAnswer, Seconds, Unsendable
from app.http1.response import WireResponse

MOST_KEPT: Final = 64
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"/[\x21-\x7e]*")
_SAFE: Final = (b"GET ", b"HEAD ")
_NO_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\U0010ffff]")


def request_head(method: str, target: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a request's head. Raises ``Unsendable`` for what would end its line or field: a last line of defence."""
    lines = [f"{method} {target} HTTP/1.1"]
    proper = bool(_TOKEN.fullmatch(method) and _TARGET.fullmatch(target))
    for name, value in fields:
        proper = proper and bool(_TOKEN.fullmatch(name)) and not _NO_VALUE.search(value)
        lines.append(f"{name}: {value}")
    if not proper:
        raise Unsendable
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Pool:
    """Connections to one host and port, perhaps under TLS. Safe to share among threads.

    ``name`` is what the certificate has to be for. The connection that was used last is used first, so that those
    which aren't needed any more grow old, and the other side closes them.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, name: str = "") -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._name = name
        self._kept: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        weakref.finalize(self, _close_all, self._kept)

    def exchange(
        self, head: bytes, body: bytes | None, *, connecting: Callable[[], Seconds], waiting: Seconds
    ) -> WireResponse:
        """Send a request, whose head ``request_head`` wrote, and give its answer as soon as its head is there.

        ``connecting`` begins the time for each address that is tried, ``waiting`` is the time for all that comes after.

        Raises:
            WireError: as its tree says.
        """
        kept = self._quiet_one()
        if kept is not None:
            try:
                return self._exchange_over(kept, head, body, waiting)
            except NoAnswer:  # it had ended, and nobody saw that yet
                if not head.startswith(_SAFE):
                    raise
        fresh = connect(self._host, self._port, connecting, tls=self._tls, name=self._name)
        return self._exchange_over(fresh, head, body, waiting)

    def _exchange_over(self, connection: Connection, head: bytes, body: bytes | None, waiting: Seconds) -> WireResponse:
        try:
            connection.send(head, body, waiting)
            return WireResponse(connection, waiting, self._keep, to_head=head.startswith(b"HEAD "))
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close what is kept, and keep nothing any more."""
        with self._lock:
            self._closed = True
            _close_all(self._kept)

    def _quiet_one(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._kept:
                    return None
                connection = self._kept.pop()
            if connection.is_quiet():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed and len(self._kept) < MOST_KEPT:
                self._kept.append(connection)
                return
        connection.close()


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
