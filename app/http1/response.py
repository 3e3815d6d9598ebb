"""An answer as it comes: llhttp parses its head, in C and strictly; its body is given piece by piece.

Source: RFC 9112, sections 5.2 (folded lines), 6 (where a body ends), 9.3 and 9.6 (which connection is kept).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.http1.connection import Connection
from app.http1.errors import Broken, HeadTooLarge, NothingYet, NotHttp, Seconds

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a head that are read, those of interim answers before it included."""
MOST_FIELDS: Final = 100
_CHUNK: Final = 64 * 1024
_END: Final = b"\r\n\r\n"
_STARTS: Final = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_FOLD: Final = re.compile(rb"[ \t]*\r\n[ \t]+")
_NO_BODY: Final = (204, 304)
_SWITCHING: Final = 101


class Answer:
    """One answer: ``read`` it to its end, or ``close`` it. ``release`` is given a connection that can be kept."""

    __slots__ = (
        "_connection",
        "_keep",
        "_left",
        "_message",
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
        self._message, self._rest = _final_head(connection, seconds)
        self.status: int = self._message.status
        self.fields: list[tuple[str, str]] = self._message.fields
        self._keep = connection.whole and self._message.keeps
        self._left = 0 if to_head or self.status in _NO_BODY else self._message.length()
        if self._left is not None and len(self._rest) > self._left:
            self._keep = False  # nobody asked for what comes after it
            self._rest = self._rest[: self._left]
        if self._left == 0:
            self._end(connection)

    def field(self, name: str) -> str | None:
        """Return what a field says, several of one name joined; the name is given in lower case."""
        return self._message.joined.get(name)

    def read(self) -> bytes:
        """Give the next bytes of the body, none at its end. Raises ``WireError``; half a body is never all of it."""
        self._waits = True
        return self._read()

    def read_now(self) -> bytes:
        """Do what ``read`` does without waiting. Raises ``NothingYet`` where no byte is there, and can go on then."""
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
            raise Broken
        try:
            if self._left is not None:
                return self._by_length(connection, self._left)
            return self._by_chunks(connection) if self._message.chunked else self._until_close(connection)
        except NothingYet:
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
            raise Broken
        self._left = left - len(piece)
        if not self._left:
            self._end(connection)
        return piece

    def _by_chunks(self, connection: Connection) -> bytes:
        piece = b""
        while not piece and not self._message.over:
            data = self._more(connection)
            if not data:
                raise Broken
            piece = self._message.body_in(data)
        if self._message.over:
            self._keep = self._keep and self._message.ends_cleanly
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


def _final_head(connection: Connection, seconds: Seconds) -> tuple[_Message, bytes]:
    """Read heads until one isn't interim (103 Early Hints and its like): the message, and what came after its head."""
    came, room = b"", LARGEST_HEAD
    while True:
        head, came = _next_head(connection, seconds, came, room)
        room -= len(head)
        message = _Message(head)
        if message.status < 100 or message.status == _SWITCHING:
            raise NotHttp  # nobody asked for another protocol
        if message.status >= 200:
            return message, came


def _next_head(connection: Connection, seconds: Seconds, came: bytes, room: int) -> tuple[bytes, bytes]:
    if not came:
        came = connection.receive(_CHUNK, seconds)
    end = came.find(_END)
    if end < 0:
        came, end = _gather(connection, seconds, came, room)
    end += len(_END)
    if end > room:
        raise HeadTooLarge
    return came[:end], came[end:]


def _gather(connection: Connection, seconds: Seconds, came: bytes, room: int) -> tuple[bytes, int]:
    gathered = bytearray(came)
    while (end := gathered.find(_END, max(0, len(gathered) - len(came) - len(_END)))) < 0:
        if not came:
            raise Broken
        start = bytes(gathered[: len(_STARTS[0])])
        if not any(each.startswith(start) for each in _STARTS):
            raise NotHttp
        if len(gathered) > room:
            raise HeadTooLarge
        came = connection.receive(_CHUNK, seconds)
        gathered += came
    return bytes(gathered), end


class _Events:
    """What llhttp calls: it notes fields, and pieces of a chunked body."""

    __slots__ = ("begun", "fields", "over", "pieces", "whole_head")

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []
        self.begun = self.whole_head = self.over = False

    def on_message_begin(self) -> None:
        if self.begun:
            raise NotHttp  # another answer, that nobody asked for
        self.begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.whole_head:  # a trailer is no part of an answer
            self.fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.whole_head = True

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.over = True


class _Message:
    """A head that was read, and the parser that goes on with the body where that is chunked."""

    __slots__ = ("_events", "_last", "_parser", "fields", "joined", "keeps", "status")

    def __init__(self, head: bytes) -> None:
        if not head.startswith(_STARTS):
            raise NotHttp
        self._events = _Events()
        self._parser = HttpResponseParser(self._events)
        self._last = b""
        try:
            self._parser.feed_data(_unfold(head))
        except (HttpParserError, HttpParserUpgrade):
            raise NotHttp from None
        if not self._events.whole_head:
            raise NotHttp
        self.status: int = self._parser.get_status_code()
        self.fields = self._events.fields
        if len(self.fields) > MOST_FIELDS:
            raise HeadTooLarge
        self.joined = _join(self.fields)
        said = [word.strip() for word in self.joined.get("connection", "").lower().split(",")]
        self.keeps = head.startswith(_STARTS[0]) and "close" not in said

    @property
    def chunked(self) -> bool:
        """Tell whether the body comes in chunks."""
        return "transfer-encoding" in self.joined

    @property
    def over(self) -> bool:
        """Tell whether the last chunk was there."""
        return self._events.over

    @property
    def ends_cleanly(self) -> bool:
        """Tell whether nothing came after the last chunk: an empty line ends it, and no other comes before that one."""
        return self._last.endswith(_END) and not self._last.endswith(b"\r\n" + _END)

    def length(self) -> int | None:
        """Return the body's length, None where chunks or the connection's end tell it."""
        if self.chunked:
            if self.joined["transfer-encoding"].lower() != "chunked":
                raise NotHttp  # what comes would not be the body's own bytes
            return None
        length = self.joined.get("content-length")
        return None if length is None else int(length)

    def body_in(self, data: bytes) -> bytes:
        """Give what of the body is in these bytes."""
        self._last = (self._last + data[-len(_END) - 2 :])[-len(_END) - 2 :]
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if not self.over:
                raise NotHttp from None
            self._last = b""
        pieces = self._events.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body


def _unfold(head: bytes) -> bytes:
    """Make a field in several lines one, as the standard asks of a client; llhttp refuses it."""
    if b"\r\n " not in head and b"\r\n\t" not in head:
        return head
    first, end, fields = head.partition(b"\r\n")
    return first + end + _FOLD.sub(b" ", fields)


def _join(fields: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
