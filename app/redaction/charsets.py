"""The charsets in which text may come back. Pure.

Only those in which a character is its code: a decoder that undoes an encoding besides (UTF-7, Punycode, escapes) would
put a value together that nobody could see in the bytes, after they had been looked through.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.redaction.frames import RedactionStream
from app.redaction.markers import splice
from app.redaction.redactor import Redactor

# What `Redactor` knows as bytes; in the others a value is looked for once more when the text is read.
_SEEN_AS_BYTES: Final = frozenset({"utf-8", "ascii"})
# Besides these, in an answer that streams: a value's bytes in them are looked for too.
_SEEN_IN_STREAMS: Final = _SEEN_AS_BYTES | {
    "utf-8-sig",
    "iso8859-1",
    "cp1252",
    *(f"utf-{unit}{order}" for unit in (16, 32) for order in ("", "-le", "-be")),
}
_READABLE: Final = _SEEN_AS_BYTES | frozenset(
    {
        "utf-8-sig",
        *(f"utf-{unit}{order}" for unit in (16, 32) for order in ("", "-le", "-be")),
        *("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "iso2022_jp"),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp866", "cp874"),
        *(f"iso8859-{part}" for part in range(1, 17)),
        *(f"cp125{page}" for page in range(9)),
    }
)
# What a label means to a browser, where that isn't what Python takes it for. Source: WHATWG Encoding, section 4.2.
_LABELS: Final = {
    "tis-620": "iso8859-11",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_SYNONYMS: Final = {
    "x-sjis": "cp932",
    "ms_kanji": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gb18030",
    "x-x-big5": "big5hkscs",
    "windows-949": "cp949",
    "ks_c_5601-1987": "cp949",
    "x-cp1252": "cp1252",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
    "unicode": "utf-16-le",
    "utf-16": "utf-16",
    "utf8mb4": "utf-8",  # MySQL's names
    "utf8mb3": "utf-8",
}


_STATEFUL: Final = frozenset({"iso2022_jp"})  # what a byte means there goes by what stands before it
_ASCII_SET: Final = b"\x1b(B"
_SET: Final = re.compile(rb"\x1b(?:\$?\([@-~]|\$[@-B])")
"""What chooses a set of characters. Source: RFC 1468, and ISO 2022."""
_ORDER_MARKS: Final = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
)
# Markers get no byte order mark of their own.
_MARKED: Final = {
    ("utf-16", codecs.BOM_UTF16_BE): "utf-16-be",
    ("utf-16", codecs.BOM_UTF16_LE): "utf-16-le",
    ("utf-32", codecs.BOM_UTF32_BE[:2]): "utf-32-be",
    ("utf-32", codecs.BOM_UTF32_LE[:2]): "utf-32-le",
}
_NO_MARK: Final = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def codec_of(charset: str | None) -> str | None:
    """Return Python's name for a charset (UTF-8 where none is told), or None for one that isn't read."""
    label = (charset or "utf-8").strip().lower()
    try:
        name = codecs.lookup(_SYNONYMS.get(label, label)).name
    except (LookupError, ValueError):
        return None
    name = _LABELS.get(name, name)
    return name if name in _READABLE else None


def is_seen_as_bytes(charset: str | None) -> bool:
    """Tell whether a body in this charset, or in none that is read, is looked through as it is."""
    codec = codec_of(charset)
    return codec is None or codec in _SEEN_AS_BYTES


def charset_in(body: bytes, told: str | None) -> str | None:
    """Return the charset that a body's own byte order mark names, otherwise the one that was told.

    Only marks that no UTF-8 begins with count. Source: WHATWG Encoding, section 6, "BOM sniff".
    """
    return next((charset for mark, charset in _MARKS if body.startswith(mark)), told)


def redact_text(body: bytes, charset: str | None, redactor: Redactor) -> tuple[bytes, int]:
    """Take values out of a body in a charset whose bytes aren't UTF-8's; all other bytes stay as they are.

    What isn't in the charset that it claims stays as it is: nobody reads it as text either.

    Returns:
        What is left, in the same charset, and how many places were redacted.
    """
    codec = codec_of(charset)
    if codec is None or codec in _SEEN_AS_BYTES:
        return body, 0
    try:
        text = body.decode(codec)
        utf8 = text.encode()
    except UnicodeError:
        return body, 0
    markers = redactor.markers(utf8)
    if not markers:
        return body, 0
    edges = sorted({edge for start, end, _ in markers for edge in (start, end)})
    offsets = dict(zip(edges, _offsets_in(body, codec, _characters_before(utf8, edges)), strict=True))
    unmarked = _MARKED.get((codec, body[:2]), _NO_MARK.get(codec, codec))
    pieces = [(offsets[start], offsets[end], marker.decode().encode(unmarked)) for start, end, marker in markers]
    return splice(body, [_in_ascii(body, *piece) for piece in pieces] if codec in _STATEFUL else pieces), len(markers)


def _in_ascii(body: bytes, start: int, end: int, marker: bytes) -> tuple[int, int, bytes]:
    """Give a marker that begins and ends in the set of characters that stands before and behind its place."""
    before, behind = ((_ASCII_SET, *_SET.findall(body, 0, offset))[-1] for offset in (start, end))
    to_ascii, from_ascii = (b"" if each == _ASCII_SET else each for each in (before, behind))
    return start, end, (to_ascii and _ASCII_SET) + marker + from_ascii


def _characters_before(utf8: bytes, edges: Sequence[int]) -> Iterator[int]:
    """Give how many characters stand before each place of a text in UTF-8."""
    count = done = 0
    for edge in edges:
        count, done = count + len(utf8[done:edge].decode()), edge
        yield count


def _offsets_in(body: bytes, codec: str, counts: Iterable[int]) -> Iterator[int]:
    """Give after how many bytes of a body so many characters have been read, for counts in rising order."""
    decoder = codecs.getincrementaldecoder(codec)()
    read = at = 0
    for count in counts:
        while read < count:
            read += len(decoder.decode(body[at : at + 1]))
            at += 1
        if not at and body.startswith(_ORDER_MARKS):
            yield next(len(mark) for mark in _ORDER_MARKS if body.startswith(mark))
        else:
            yield at


class RedactedText:
    """An answer on its way, in a charset: looked through as the bytes that it has, and as the text that they are.

    Args:
        charset: What the answer says that it is in.
        media_type: See ``Redactor.stream``.
    """

    def __init__(self, redactor: Redactor, charset: str | None, media_type: str | None) -> None:
        self._bytes = redactor.stream(media_type)
        codec = codec_of(charset)
        read = codec is not None and codec not in _SEEN_IN_STREAMS and redactor.longest > 0
        self._text = _Recoded(redactor.stream(media_type), codec) if read and codec is not None else None

    @property
    def count(self) -> int:
        """How many markers there are so far."""
        return self._bytes.count + (self._text.count if self._text else 0)

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Take the next bytes; see ``RedactionStream.feed``.

        Raises:
            OutOfBudgetError, FrameTooLargeError
        """
        pieces = self._bytes.feed(chunk)
        return pieces if self._text is None else list(self._text.feed(pieces))

    def finish(self) -> Sequence[bytes]:
        """Give the redacted rest. Raises what ``feed`` does."""
        pieces = self._bytes.finish()
        return pieces if self._text is None else [*self._text.feed(pieces), *self._text.finish()]


class _Recoded:
    """A stream in a charset, redacted as UTF-8 and written in that charset again; what isn't in it stays as it is."""

    def __init__(self, stream: RedactionStream, codec: str) -> None:
        self._stream = stream
        self._read = codecs.getincrementaldecoder(codec)("surrogateescape")
        self._reader = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._writer = codecs.getincrementalencoder(codec)("surrogateescape")

    @property
    def count(self) -> int:
        return self._stream.count

    def feed(self, pieces: Sequence[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield from self._encode(self._stream.feed(self._read.decode(piece).encode("utf-8", "surrogatepass")))

    def finish(self) -> Iterator[bytes]:
        last = self._read.decode(b"", True).encode("utf-8", "surrogatepass")
        yield from self._encode([*self._stream.feed(last), *self._stream.finish()])
        yield self._writer.encode("", True)

    def _encode(self, pieces: Sequence[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield self._writer.encode(self._reader.decode(piece))
