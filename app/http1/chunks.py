"""A body that comes in chunks (RFC 9112, section 7.1), piece by piece. Pure.

Read leniently, and told: blanks after a size, an extension of any kind, lines that end with LF alone. Trailers are
looked through and left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from app.http1.errors import HeadTooLarge, NotHttp
from app.http1.head import END, OF_THE_BODY, read_fields

_SIZE: Final = re.compile(rb"0*([0-9A-Fa-f]{1,15})([ \t]*)((?:;[^\r\n]*)?)(\r?)\n")
_WORD: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSION: Final = re.compile(rb'(?:;%b(?:=(?:%b|"[\t !#-\[\]-~\x80-\xff]*"))?)*' % (_WORD, _WORD))
_LARGEST_LINES: Final = 16 * 1024  # a chunk's size and extension, or all trailers
_LAST: Final = b"\n"


class Chunks:
    """The bytes of one body. ``over`` after its end, ``odd`` where it took leniency or something came after its end."""

    __slots__ = ("_at", "_came", "_left", "_step", "odd", "over")

    def __init__(self) -> None:
        self.over = False
        self.odd = False
        self._left = 0
        self._came, self._at = b"", 0
        self._step: Callable[[list[bytes]], bool] = self._read_size

    def body_in(self, data: bytes) -> bytes:
        """Give what of the body is in these bytes. Raises ``NotHttp`` and ``HeadTooLarge``."""
        self._came, self._at = self._came[self._at :] + data, 0
        pieces: list[bytes] = []
        while not self.over and self._step(pieces):
            pass
        if self.over and self._at < len(self._came):
            self.odd = True  # nobody asked for what comes after it
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_size(self, _pieces: list[bytes]) -> bool:
        end = self._came.find(b"\n", self._at) + 1
        if not end:
            return self._wait()
        line = _SIZE.fullmatch(self._came, self._at, end)
        if line is None:
            raise NotHttp
        size, blanks, extension, cr = line.groups()
        self.odd = self.odd or bool(blanks) or not cr or not _EXTENSION.fullmatch(extension)
        self._left = int(size, 16)
        self._step = self._read_piece if self._left else self._read_trailers
        self._at = end if self._left else end - len(_LAST)  # so that no trailers end as trailers do
        return True

    def _read_piece(self, pieces: list[bytes]) -> bool:
        piece = self._came[self._at : self._at + self._left]
        if piece:
            pieces.append(piece)
        self._at += len(piece)
        self._left -= len(piece)
        if self._left:
            return False
        self._step = self._read_end
        return True

    def _read_end(self, _pieces: list[bytes]) -> bool:
        end = self._came[self._at : self._at + 2]
        if end in (b"", b"\r"):
            return False
        strict = end == b"\r\n"
        if not strict and end[:1] != b"\n":
            raise NotHttp
        self.odd = self.odd or not strict
        self._at += 2 if strict else 1
        self._step = self._read_size
        return True

    def _read_trailers(self, _pieces: list[bytes]) -> bool:
        end = END.search(self._came, self._at)
        if end is None:
            return self._wait()
        trailers = self._came[self._at + len(_LAST) : end.end()]
        self._at = end.end()
        names = {name.lower() for name, _ in read_fields(trailers)}
        strict = trailers.count(b"\n") == trailers.count(b"\r\n") and names.isdisjoint({b"", *OF_THE_BODY})
        self.odd = self.odd or not strict
        self.over = True
        return True

    def _wait(self) -> bool:
        if len(self._came) - self._at > _LARGEST_LINES:
            raise HeadTooLarge
        return False
