"""An answer as it comes: its head first, then its body piece by piece.

Source: RFC 9112, sections 6 (where a body ends), 9.3 and 9.6 (which connection is kept).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.http1.chunks import Chunks
from app.http1.connection import Connection
from app.http1.errors import ConnectionBroken, HeadTooLarge, NoAnswer, NotHttp, Seconds, WouldBlock
from app.http1.head import END, STARTS, Head

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a head that are read, those of interim answers before it included."""
_CHUNK: Final = 64 * 1024
_LONGEST_END: Final = 3
_NO_BODY: Final = (204, 304)
_SWITCHING: Final = 101


class WireResponse:
    """One answer: ``read`` it to its end, or ``close`` it. ``release`` is given a connection that can be kept."""

    __slots__ = (
        "_chunks",
        "_connection",
        "_head",
        "_keep",
        "_left",
        "_release",
        "_rest",
        "_seconds",
        "_waits",
        "fields",
        "status",
    )

    def __init__(
        self, connection: Connection, seconds: Seconds, release: Callable[[Connection], None], *, to_head: bool
    ) -> None:
        self._connection: Connection | None = connection
        self._seconds = seconds
        self._release = release
        self._waits = True
        self._head, self._rest = _final_head(connection, seconds)
        self.status: int = self._head.status
        self.fields: list[tuple[str, str]] = self._head.fields
        self._keep = connection.whole and self._head.keeps
        self._left = 0 if to_head or self.status in _NO_BODY else self._head.length
        self._chunks = Chunks() if self._head.chunked else None
        if self._left is not None and len(self._rest) > self._left:
            self._keep = False  # nobody asked for what comes after it
            self._rest = self._rest[: self._left]
        if self._left == 0:
            self._end(connection)

    def field(self, name: str) -> str | None:
        """Return what a field says, several of one name joined; the name is given in lower case."""
        return self._head.joined.get(name)

    def read(self) -> bytes:
        """Give the next bytes of the body, none at its end. Raises ``WireError``; half a body is never all of it."""
        self._waits = True
        return self._read()

    def read_now(self) -> bytes:
        """Do what ``read`` does without waiting. Raises ``WouldBlock`` where no byte is there, and can go on then."""
        self._waits = False
        return self._read()

    def fileno(self) -> int:
        """Return the number of the socket that the rest comes from; -1 where nothing is to come."""
        return -1 if self._connection is None else self._connection.fileno()

    def _read(self) -> bytes:
        if self._left == 0:
            return b""
        connection = self._connection
        if connection is None:
            raise ConnectionBroken
        try:
            if self._left is not None:
                return self._by_length(connection, self._left)
            if self._chunks is not None:
                return self._by_chunks(connection, self._chunks)
            return self._until_close(connection)
        except WouldBlock:
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go, and shut it where something of the answer is still on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _by_length(self, connection: Connection, left: int) -> bytes:
        piece = self._more(connection, left)
        if not piece:
            raise ConnectionBroken
        self._left = left - len(piece)
        if not self._left:
            self._end(connection)
        return piece

    def _by_chunks(self, connection: Connection, chunks: Chunks) -> bytes:
        piece = b""
        while not piece and not chunks.over:
            data = self._more(connection)
            if not data:
                raise ConnectionBroken
            piece = chunks.body_in(data)
        if chunks.over:
            self._keep = self._keep and not chunks.odd
            self._end(connection)
        return piece

    def _until_close(self, connection: Connection) -> bytes:
        piece = self._more(connection)
        if not piece:
            self._keep = False
            self._end(connection)
        return piece

    def _more(self, connection: Connection, most: int = _CHUNK) -> bytes:
        waiting, self._rest = self._rest, b""
        if waiting:
            return waiting
        most = min(most, _CHUNK)
        return connection.receive(most, self._seconds) if self._waits else connection.receive_now(most)

    def _end(self, connection: Connection) -> None:
        self._left, self._connection = 0, None
        if self._keep:
            self._release(connection)
        else:
            connection.close()


def _final_head(connection: Connection, seconds: Seconds) -> tuple[Head, bytes]:
    """Read heads until one isn't interim (103 Early Hints and its like): the message, and what came after its head."""
    came, room = _first_bytes(connection, seconds), LARGEST_HEAD
    while True:
        raw, came = _next_head(connection, seconds, came, room)
        room -= len(raw)
        head = Head(raw)
        if head.status < 100 or head.status == _SWITCHING:
            raise NotHttp  # nobody asked for another protocol
        if head.status >= 200:
            return head, came


def _first_bytes(connection: Connection, seconds: Seconds) -> bytes:
    try:
        came = connection.receive(_CHUNK, seconds)
    except ConnectionBroken:
        raise NoAnswer from None
    if not came:
        raise NoAnswer
    return came


def _next_head(connection: Connection, seconds: Seconds, came: bytes, room: int) -> tuple[bytes, bytes]:
    end = END.search(came)
    if end is None:
        came, at = _gather(connection, seconds, came, room)
    else:
        at = end.end()
    if at > room:
        raise HeadTooLarge
    return came[:at], came[at:]


def _gather(connection: Connection, seconds: Seconds, came: bytes, room: int) -> tuple[bytes, int]:
    gathered = bytearray(came)
    while True:
        start = bytes(gathered[: len(STARTS[0])])
        if not any(each.startswith(start) for each in STARTS):
            raise NotHttp
        if len(gathered) > room:
            raise HeadTooLarge
        came = connection.receive(_CHUNK, seconds)
        if not came:
            raise ConnectionBroken
        gathered += came
        end = END.search(gathered, max(0, len(gathered) - len(came) - _LONGEST_END))
        if end is not None:
            return bytes(gathered), end.end()
