"""Content decoding, in bounded pieces, so that a bomb never unfolds in memory: gzip and deflate. Pure.

Source: RFC 9110, section 8.4. Whatever else an upstream applies is refused, never let through unread.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from app.kernel.errors import ResponseNotReadable

_PIECE: Final = 64 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16


class Decoder:
    """Undoes one content coding."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(_GZIP if coding == "gzip" else zlib.MAX_WBITS)
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give what these bytes unfold to, at most 64 KiB at a time.

        Raises:
            ResponseNotReadable: the bytes are not what the header says.
        """
        waiting = chunk
        while waiting:
            if self._inflate.eof:
                if self._coding != "gzip":
                    raise _unreadable()
                self._inflate = zlib.decompressobj(_GZIP)  # gzip may have several members
            yield self._unfold(waiting)
            waiting = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _unfold(self, waiting: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(waiting, _PIECE)
        except zlib.error:
            if self._began or self._coding != "deflate":
                raise _unreadable() from None
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # many servers leave zlib's own frame out
            try:
                piece = self._inflate.decompress(waiting, _PIECE)
            except zlib.error:
                raise _unreadable() from None
        self._began = True
        return piece

    def finish(self) -> Iterator[bytes]:
        """Give the rest. Raises ``ResponseNotReadable`` where the end is missing."""
        while self._began and not self._inflate.eof:
            piece = self._inflate.decompress(self._inflate.unconsumed_tail, _PIECE)
            if not piece:
                raise _unreadable()
            yield piece


class Identity:
    """Leaves content as it is."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the bytes themselves."""
        yield chunk

    def finish(self) -> Iterator[bytes]:
        """Give nothing more."""
        yield from ()


def decoder(content_encoding: str | None) -> Decoder | Identity:
    """Return what undoes a ``Content-Encoding``. Raises ``ResponseNotReadable`` for one that isn't known."""
    coding = (content_encoding or "identity").strip().lower()
    if coding == "identity":
        return Identity()
    if coding in ("gzip", "x-gzip", "deflate"):
        return Decoder(coding.removeprefix("x-"))
    raise ResponseNotReadable("The upstream's answer has a content coding that can't be read here.")


def _unreadable() -> ResponseNotReadable:
    return ResponseNotReadable("The upstream's answer isn't in the content coding that it claims.")
