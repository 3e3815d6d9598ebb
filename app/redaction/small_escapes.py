"""The commonest escapes, undone in a small text: where no way back to its bytes is needed, that is far cheaper. Pure.

What is undone here is what ``encodings`` undoes, by the same rules; ``signs_in`` tells which kinds a text holds, and
whether it holds any that only the long way knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.encodings import NAMED, SHORT_ESCAPES
from app.redaction.joins import CUTS, OPERATORS
from app.redaction.markup import SIGNS as MARKUP_SIGNS
from app.redaction.rare_escapes import TEXT_SIGNS

UNDONE_BY_THE_LONG_WAY: Final = 1
"""Of ``LITERAL``, too, where ``rare_escapes.may_hold_literals`` says so."""
_BACKSLASH: Final = 2
_PERCENT: Final = 4
_EQUALS: Final = 8
_AMPERSAND: Final = 16
LITERAL: Final = 32
RARE: Final = 64
"""Of kinds that only the long way knows, and that aren't undone in what was unpacked."""
OPERATOR: Final = 128
"""Beside a quote or a blank, as between two strings."""
MARKUP: Final = 256
"""Of any kind; of tags, what one that ends begins with."""

_HEXADECIMAL: Final = b"0123456789abcdefABCDEF"
_LETTERS: Final = bytes(code for code in range(128) if chr(code).isalpha())
_LONGEST_OPEN: Final = max(len(name) for name in NAMED if not name.endswith(b";"))


def _signs() -> NDArray[np.uint16]:
    """Return for each two bytes in a row what they may begin, or end."""
    signs = np.zeros((256, 256), np.uint16)  # by the first byte, and by the second

    def mark(sign: int, first: bytes, second: bytes) -> None:
        signs[np.ix_(list(first), list(second))] |= sign

    mark(UNDONE_BY_THE_LONG_WAY, b"\xed", bytes(range(0xA0, 0xC0)))  # of half a character
    mark(UNDONE_BY_THE_LONG_WAY, b"\\", bytes(set(range(256)) - set(SHORT_ESCAPES) | set(_HEXADECIMAL) | set(b"\\")))
    mark(UNDONE_BY_THE_LONG_WAY, b"%", b"u")
    mark(RARE, b"=", b"?")
    mark(RARE, b"~", b"01")
    mark(RARE, b"uU", b"+")
    mark(LITERAL, b"0", b"oObBxX")
    mark(RARE, b"!\x1b", b"[")  # of a section in XML, and of what colours a terminal's text
    mark(RARE, b"_", b"xX")
    mark(RARE, b"%", b"1")
    mark(RARE, b"&", b"hH")
    mark(RARE, b"xX", b"'")
    mark(RARE, b"[", b"/")  # of BBCode, at a tag's end
    signs[ord("\\"), ord("u")] = _BACKSLASH
    mark(_BACKSLASH, b"\\", bytes(SHORT_ESCAPES))
    mark(_PERCENT, b"%", _HEXADECIMAL)
    mark(_EQUALS, b"=", _HEXADECIMAL + b"\r\n")
    mark(_AMPERSAND, b"&", b"#" + _LETTERS)
    mark(OPERATOR, CUTS + OPERATORS, OPERATORS)
    for sign in (*TEXT_SIGNS, *MARKUP_SIGNS, b"</"):
        mark(MARKUP, sign[:1], sign[1:2] or bytes(range(256)))
        if len(sign) == 1:
            mark(MARKUP, bytes(range(256)), sign)
    return signs.T.ravel().copy()  # as a number of two bytes in a row, the second counts 256 times


_SIGNS: Final = _signs()


def signs_in(raw: bytes) -> int:
    """Return the bits of all signs that a text holds."""
    if len(raw) < 2:
        return signs_in(raw + b"\n\n") if raw else 0
    pairs = np.ndarray((len(raw) - 1,), "<u2", raw, strides=(1,))
    return int(np.bitwise_or.reduce(_SIGNS.take(pairs)))


_BACKSLASHED: Final = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_NO_UNIT: Final = re.compile(rb"\\u(?![0-9A-Fa-f]{4})|\\u[0-9]{1,7}\?")


def _backslashes(raw: bytes) -> bytes | None:
    if _NO_UNIT.search(raw):
        return None
    return _BACKSLASHED.sub(_unescape, raw)


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode("utf-8", "surrogatepass")
    code = match[2][0]
    return bytes((SHORT_ESCAPES[code],)) if code in SHORT_ESCAPES else match[0]


_PERCENTED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def _percents(raw: bytes) -> bytes:
    return _PERCENTED.sub(lambda match: bytes.fromhex(match[1].decode()), raw)


_QUOTED: Final = re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n)")


def _quoted_printable(raw: bytes) -> bytes:
    return _QUOTED.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"", raw)


_REFERENCE: Final = re.compile(rb"&(?:#([0-9]{1,16});?|#[xX]([0-9A-Fa-f]{1,16});?|([A-Za-z][A-Za-z0-9]{0,31};?))")


def _references(raw: bytes) -> bytes:
    return _REFERENCE.sub(_refer, raw)


def _refer(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = match.groups()
    if name is None:
        point = int(decimal) if decimal else int(hexadecimal, 16)
        return chr(point).encode("utf-8", "surrogatepass") if 0 < point <= 0x10FFFF else match[0]
    for size in (len(name), *range(min(len(name) - 1, _LONGEST_OPEN), 1, -1)):
        if (text := NAMED.get(name[:size])) is not None:
            return text + name[size:]
    return match[0]


ESCAPES: Final[tuple[tuple[int, bytes, Callable[[bytes], bytes | None]], ...]] = (
    (_BACKSLASH, b"\\", _backslashes),
    (_PERCENT, b"%", _percents),
    (_EQUALS, b"=", _quoted_printable),
    (_AMPERSAND, b"&", _references),
)
"""Each kind's sign, the character that it begins with, and what undoes one layer; None where only the long way does."""
