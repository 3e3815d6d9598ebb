r"""Escapes: what JSON, programming languages, URLs, HTML and mail write for a character, undone by one layer. Pure.

Sources: RFC 8259 section 7 (JSON), ECMA-262 section 12.9.4 and Annex B.2.1 (``\x``, ``\u{}``, ``escape``'s ``%u``),
Python's and C's string literals (octal, ``\U``), RFC 3986 section 2.1, the HTML standard's character references,
RFC 2045 section 6.7 (quoted-printable). What isn't a whole escape stays as it is. ``+`` for a blank is no escape here:
``search`` takes the two for one.
"""

from __future__ import annotations

from collections.abc import Callable
from html.entities import html5
from typing import Final

import numpy as np

from app.redaction.escapes import DIGIT, NO_DIGIT, Found, Reader, escaping, table_of
from app.redaction.search import Bytes
from app.redaction.views import Edits, Places

_WIDTH: Final = 8  # bytes that an escape stands for at most: two characters that an HTML name stands for
_LETTERS: Final = {
    ord("n"): 10,
    ord("r"): 13,
    ord("t"): 9,
    ord("b"): 8,
    ord("f"): 12,
    ord("v"): 11,
    ord("a"): 7,
    ord("e"): 27,
}
SHORT_ESCAPES: Final = _LETTERS | {code: code for code in range(0x20, 0x7F) if not chr(code).isalnum()}
"""What a character behind a backslash stands for."""
_SHORT: Final = table_of(SHORT_ESCAPES)


def backslashes(text: Bytes) -> Edits:
    r"""Read ``\n``, ``\"``, ``\u0041``, ``\u{41}``, ``\U00000041``, ``\x41`` and ``\101``, the last two as bytes."""
    return _backslashes(text, as_bytes=True)


def backslashed_points(text: Bytes) -> Edits:
    r"""Read the same where ``\xe9`` is a character of Latin-1, as in JavaScript and Python's ``repr``."""
    return _backslashes(text, as_bytes=False)


def _backslashes(text: Bytes, *, as_bytes: bool) -> Edits:
    at = escaping(np.flatnonzero(text == ord("\\")))
    at = at[at + 1 < len(text)]
    read, found = Reader(text), Found()
    char = read(at + 1)
    if not as_bytes and not _has_high(char, read(at + 2)):
        return found.edits()  # it would be the same once more
    short = _SHORT[char]
    found.bytes_(short != NO_DIGIT, at, 2, short)
    found.nothing(char == 10, at, 2)
    found.nothing((char == 13) & (read(at + 2) == 10), at, 3)
    for letter, digits in ((ord("u"), 4), (ord("U"), 8), (ord("x"), 2)):
        mine = at[char == letter]
        value, good = read.hexadecimal(mine + 2, digits)
        if letter == ord("x") and as_bytes:
            found.bytes_(good, mine, 2 + digits, value)
        else:
            found.points(good, mine, 2 + digits, value)
        if letter != ord("U"):
            value, size = read.number(mine + 3, 16, 8)
            closed = (read(mine + 2) == ord("{")) & (size > 0) & (read(mine + 3 + size) == ord("}"))
            found.points(closed, mine, size + 4, value)
    octal = at[(char >= ord("0")) & (char <= ord("7"))]
    value, size = read.number(octal + 1, 8, 3)
    add = found.bytes_ if as_bytes else found.points
    add(value < 256, octal, size + 1, value)
    return found.edits()


def _has_high(char: Bytes, digit: Bytes) -> bool:
    hexadecimal = (char == ord("x")) & (DIGIT[digit] > 7)
    octal = (char == ord("2")) | (char == ord("3"))
    return bool((hexadecimal | octal).any())


def percents(text: Bytes) -> Edits:
    """Read ``%41``, as bytes."""
    at = np.flatnonzero(text == ord("%"))
    read, found = Reader(text), Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    return found.edits()


def percented_points(text: Bytes) -> Edits:
    """Read what JavaScript's ``escape`` writes: ``%u20AC``, and ``%e9`` for a character of Latin-1."""
    at = np.flatnonzero(text == ord("%"))
    read, found = Reader(text), Found()
    value, good = read.hexadecimal(at + 2, 4)
    good &= read(at + 1) == ord("u")
    if good.any():
        found.points(good, at, 6, value)
        value, good = read.hexadecimal(at + 1, 2)
        found.points(good, at, 3, value)
    return found.edits()


def quoted_printable(text: Bytes) -> Edits:
    """Read ``=41``, and a line that was broken with ``=`` as one."""
    at = np.flatnonzero(text == ord("="))
    read, found = Reader(text), Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    after = read(at + 1)
    found.nothing((after == 10) & (at + 1 < len(text)), at, 2)
    found.nothing((after == 13) & (read(at + 2) == 10), at, 3)
    return found.edits()


def references(text: Bytes) -> Edits:
    """Read HTML's ``&#65;``, ``&#x41;`` and ``&amp;``, also without the semicolon where browsers read that."""
    at = np.flatnonzero(text == ord("&"))
    read, found = Reader(text, 64), Found()
    number = at[read(at + 1) == ord("#")]
    hexadecimal = (read(number + 2) | 0x20) == ord("x")
    for mine, ahead, base in ((number[~hexadecimal], 2, 10), (number[hexadecimal], 3, 16)):
        if not len(mine):
            continue
        value, size = read.number(mine + ahead, base, 16)
        closed = read(mine + ahead + size) == ord(";")
        found.points((size > 0) & (value > 0), mine, ahead + size + closed, value)
    _names(at, read, found)
    return found.edits()


def surrogates(text: Bytes) -> Edits:
    """Join the two halves of a character that were escaped each by itself (CESU-8)."""
    at = np.flatnonzero(text == 0xED)
    read, found = Reader(text), Found()
    halves = [(read(at + ahead).astype(np.int64) & 0xFF) for ahead in range(6)]
    pair = (halves[1] >> 4 == 0xA) & (halves[3] == 0xED) & (halves[4] >> 4 == 0xB)
    pair &= (halves[2] >> 6 == 2) & (halves[5] >> 6 == 2)
    high, low = ((halves[1 + ahead] & 0xF) << 6 | (halves[2 + ahead] & 0x3F) for ahead in (0, 3))
    found.points(pair, at, 6, 0x10000 + (high << 10) + low)
    return found.edits()


# --- names ------------------------------------------------------------------------------------------------------------

_SPICE: Final = np.uint64(0x9E3779B97F4A7C15)


def _hash_of(name: str) -> int:
    value = 0
    for char in name.encode():
        value = (value * int(_SPICE) + char + 1) % 2**64
    return value


# All but two, which stand for more bytes than they have themselves: what was undone never grows.
_NAMES: Final = sorted(
    (_hash_of(name), name, text) for name, text in html5.items() if len(text.encode()) <= len(name) + 1
)
NAMED: Final = {name.encode(): text.encode() for _, name, text in _NAMES}
"""What each of HTML's names stands for, with its semicolon where it needs one."""
_NAME_HASHES: Final = np.array([number for number, _, _ in _NAMES], np.uint64)
_NAME_COUNT: Final = np.array([len(text.encode()) for _, _, text in _NAMES], np.intp)
_NAME_OUT: Final = np.zeros((len(_NAMES), _WIDTH), np.uint8)
for _row, (_number, _name, _stands_for) in enumerate(_NAMES):
    _NAME_OUT[_row, : len(_stands_for.encode())] = np.frombuffer(_stands_for.encode(), np.uint8)
_LONGEST_NAME: Final = max(map(len, html5))
_LONGEST_OPEN: Final = max(len(name) for name in html5 if not name.endswith(";"))


def _names(at: Places, read: Reader, found: Found) -> None:
    """Take the longest name that stands at each place."""
    best, size = np.full(len(at), -1), np.zeros(len(at), np.intp)
    going, hashes = np.arange(len(at)), np.zeros(len(at), np.uint64)
    for length in range(1, _LONGEST_NAME + 1):
        char = read(at[going] + length)
        alnum = ((char >= 48) & (char <= 57)) | (((char | 0x20) >= 97) & ((char | 0x20) <= 122))
        on = alnum | (char == ord(";"))
        going, char, hashes = going[on], char[on], hashes[on]
        if not len(going):
            break
        hashes = hashes * _SPICE + char + np.uint64(1)
        closed = char == ord(";")
        asked = np.ones(len(going), np.bool_) if length <= _LONGEST_OPEN else closed
        row = np.minimum(np.searchsorted(_NAME_HASHES, hashes[asked]), len(_NAMES) - 1)
        known = _NAME_HASHES[row] == hashes[asked]
        best[going[asked][known]] = row[known]
        size[going[asked][known]] = length + 1
        going, hashes = going[~closed], hashes[~closed]
    named = best >= 0
    found.add(named, at, size, _NAME_OUT[best[named]], _NAME_COUNT[best[named]])


# --- all of them ------------------------------------------------------------------------------------------------------

Undo = Callable[[Bytes], Edits]
USUAL: Final[tuple[tuple[tuple[bytes, ...], Undo], ...]] = (
    ((b"\\",), backslashes),
    ((b"\\",), backslashed_points),
    ((b"%",), percents),
    ((b"%u",), percented_points),
    ((b"&",), references),
    ((b"=",), quoted_printable),
    ((b"\xed",), surrogates),
)
"""The kinds that a value's own forms are undone by (see ``receiver_forms``): verdicts count on this list."""
