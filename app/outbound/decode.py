"""Content decoding, in bounded pieces, so that a bomb never unfolds in memory: gzip, deflate, br, zstd. Pure.

Sources: RFC 9110, section 8.4; RFC 7932 (br); RFC 8878 and RFC 9659 (zstd, and how much memory it may ask for).
Whatever else an upstream applies is refused, never let through unread. What follows a finished gzip or deflate body
(zeros, a line's end) is left out, as browsers do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import brotli
import zstandard

from app.kernel.errors import ResponseNotReadable
from app.redaction.charsets import codec_of

_PIECE: Final = 64 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16
_ZSTD_WINDOW: Final = 8 * 1024 * 1024
# A block of four bytes may unfold to 128 KiB, and the library gives all that its input unfolds to at once.
_ZSTD_SLICE: Final = 256
_MOST_CODINGS: Final = 4
_MEMBER: Final = b"\x1f\x8b"  # how a further gzip member begins
# What some servers write where no coding is applied; so do others with the name of a charset.
_NO_CODINGS: Final = frozenset({"", "identity", "none", "binary", "7bit", "8bit", "aws-chunked"})


class Decoder(Protocol):
    """Undoes a content coding, or several."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give what these bytes unfold to, piece by piece.

        Raises:
            ResponseNotReadable: the bytes are not what the header says.
        """

    def finish(self) -> Iterator[bytes]:
        """Give the rest. Raises ``ResponseNotReadable`` where the end is missing; no bytes at all are no fault."""


def decoder(content_encoding: str | None) -> Decoder:
    """Return what undoes a ``Content-Encoding``. Raises ``ResponseNotReadable`` for one that isn't known."""
    codings = [coding.strip().lower() for coding in (content_encoding or "").split(",")]
    applied = [coding for coding in codings if coding not in _NO_CODINGS and codec_of(coding) is None]
    if len(applied) > _MOST_CODINGS or any(coding not in _DECODERS for coding in applied):
        raise ResponseNotReadable("The upstream's answer has a content coding that can't be read here.")
    return _Chain([_DECODERS[coding]() for coding in reversed(applied)])


class _Chain:
    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        return self._through(chunk, 0)

    def _through(self, chunk: bytes, first: int) -> Iterator[bytes]:
        if first == len(self._decoders):
            yield chunk
            return
        for piece in self._decoders[first].feed(chunk):
            yield from self._through(piece, first + 1)

    def finish(self) -> Iterator[bytes]:
        for position, each in enumerate(self._decoders):
            for piece in each.finish():
                yield from self._through(piece, position + 1)


class _Gzip:
    """RFC 1952; there may be several members, one after the other."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)
        self._began = False
        self._after = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        waiting = chunk
        while waiting:
            if self._inflate.eof:
                waiting = self._after = self._after + waiting
                if not self._begins_anew(waiting):
                    return
            yield self._unfold(waiting)
            waiting = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _begins_anew(self, waiting: bytes) -> bool:
        """Begin the next member, where what follows the last one is one; two bytes tell, and stay told."""
        self._after = waiting[: len(_MEMBER)]
        if self._after != _MEMBER:
            return False
        self._inflate, self._after = zlib.decompressobj(_GZIP), b""
        return True

    def _unfold(self, waiting: bytes) -> bytes:
        try:
            piece = self._inflate.decompress(waiting, _PIECE)
        except zlib.error:
            raise _unreadable() from None
        self._began = True
        return piece

    def finish(self) -> Iterator[bytes]:
        while self._began and not self._inflate.eof:
            piece = self._unfold(b"")
            if not piece:
                raise _unreadable()
            yield piece


class _Deflate(_Gzip):
    """zlib's format (RFC 1950), or without its frame, as many servers send it."""

    def __init__(self) -> None:
        super().__init__()
        self._inflate = zlib.decompressobj()
        self._first = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if not self._began and len(self._first) < 2:
            chunk = self._first = self._first + chunk
            if len(chunk) < 2:
                return
            framed = chunk[0] & 0x0F == zlib.DEFLATED and int.from_bytes(chunk[:2], "big") % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if framed else -zlib.MAX_WBITS)
        yield from super().feed(chunk)

    def _begins_anew(self, waiting: bytes) -> bool:
        return False

    def finish(self) -> Iterator[bytes]:
        if len(self._first) == 1:
            raise _unreadable()
        return super().finish()


class _Brotli:
    def __init__(self) -> None:
        self._brotli = brotli.Decompressor()
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if self._brotli.is_finished() and chunk:
            raise _unreadable()
        piece = self._unfold(chunk)
        while piece:
            yield piece
            piece = self._unfold(b"")

    def _unfold(self, waiting: bytes) -> bytes:
        self._began = True
        try:
            return bytes(self._brotli.process(waiting, output_buffer_limit=_PIECE))
        except brotli.error:
            raise _unreadable() from None

    def finish(self) -> Iterator[bytes]:
        if self._began and not self._brotli.is_finished():
            raise _unreadable()
        yield from ()


class _Zstd:
    """There may be several frames, one after the other."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._zstd.decompressobj()
        self._began = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for at in range(0, len(chunk), _ZSTD_SLICE):
            waiting = chunk[at : at + _ZSTD_SLICE]
            while waiting:
                if self._frame.eof:
                    self._frame = self._zstd.decompressobj()
                self._began = True
                try:
                    yield self._frame.decompress(waiting)
                except zstandard.ZstdError:
                    raise _unreadable() from None
                waiting = self._frame.unused_data

    def finish(self) -> Iterator[bytes]:
        if self._began and not self._frame.eof:
            raise _unreadable()
        yield from ()


_DECODERS: Final[dict[str, type[Decoder]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _unreadable() -> ResponseNotReadable:
    return ResponseNotReadable("The upstream's answer isn't in the content coding that it claims.")
