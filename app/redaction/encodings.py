r"""Escapes: what JSON, programming languages, URLs, HTML and mail write for a character, undone by one layer. Pure.

Sources: RFC 8259 section 7 (JSON), ECMA-262 section 12.9.4 and Annex B.2.1 (``\x``, ``\u{}``, ``escape``'s ``%u``),
Python's and C's string literals (octal, ``\U``), RFC 3986 section 2.1, the HTML standard's character references,
RFC 2045 section 6.7 (quoted-printable). What isn't a whole escape stays as it is. ``+`` for a blank is no escape here:
``search`` takes the two for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.search import Bytes
from app.redaction.views import Edits, Flags, Places

Numbers = NDArray[np.int64]

_NONE: Final = 0xFF
_WIDTH: Final = 8  # bytes that an escape stands for at most: two characters that an HTML name stands for


def _table(pairs: dict[int, int], otherwise: int = _NONE) -> Bytes:
    table = np.full(256, otherwise, np.uint8)
    for key, value in pairs.items():
        table[key] = value
    return table


_DIGIT: Final = _table({ord(char): int(char, 16) for char in "0123456789abcdefABCDEF"})
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
_SHORT: Final = _table(_LETTERS | {code: code for code in range(0x20, 0x7F) if not chr(code).isalnum()})


def utf8(points: Numbers) -> tuple[Bytes, Places]:
    """Encode code points: a row of bytes for each, and how many of them count. Surrogates are encoded alike."""
    out = np.zeros((len(points), 4), np.uint8)
    count = 1 + (points > 0x7F).astype(np.intp) + (points > 0x7FF) + (points > 0xFFFF)
    lead = np.array([0, 0, 0xC0, 0xE0, 0xF0])
    for size in range(1, 5):
        mine = count == size
        if mine.any():
            these = points[mine]
            rows = [(these >> 6 * (size - 1)) | lead[size]]
            rows += [((these >> 6 * (size - 1 - place)) & 0x3F) | 0x80 for place in range(1, size)]
            out[mine, :size] = np.stack(rows, axis=1)
    return out, count


class _Reader:
    """A view's bytes at places that may lie behind its end, where zeros are."""

    def __init__(self, text: Bytes, beyond: int = 40) -> None:
        self._text = np.concatenate((text, np.zeros(beyond, np.uint8)))

    def __call__(self, places: Places) -> Bytes:
        return self._text[places]

    def hexadecimal(self, places: Places, digits: int) -> tuple[Numbers, Flags]:
        """Read numbers of so many digits: what they are, and where they are numbers."""
        value, good = np.zeros(len(places), np.int64), np.ones(len(places), np.bool_)
        for ahead in range(digits):
            digit = _DIGIT[self(places + ahead)]
            good &= digit != _NONE
            value = value * 16 + digit
        return value, good

    def number(self, places: Places, base: int, most: int) -> tuple[Numbers, Places]:
        """Read numbers of up to ``most`` digits: what they are, and how many digits they have."""
        value, size = np.zeros(len(places), np.int64), np.zeros(len(places), np.intp)
        for ahead in range(most):
            digit = _DIGIT[self(places + ahead)]
            more = (digit < base) & (size == ahead)
            if not more.any():
                break
            value[more] = value[more] * base + digit[more]
            size[more] += 1
        return value, size


class _Found:
    """The escapes of a layer, gathered kind by kind."""

    def __init__(self) -> None:
        self._parts: list[tuple[Places, Places, Bytes, Places]] = []

    def points(self, which: Flags, at: Places, size: Places | int, points: Numbers) -> None:
        """Add escapes that stand for code points."""
        which = which & (points <= 0x10FFFF)
        if which.any():
            self.add(which, at, size, *utf8(points[which]))

    def bytes_(self, which: Flags, at: Places, size: Places | int, values: NDArray[np.integer]) -> None:
        """Add escapes that stand for a byte each."""
        out = values[which].astype(np.uint8)[:, None]
        self.add(which, at, size, out, np.ones(len(out), np.intp))

    def nothing(self, which: Flags, at: Places, size: Places | int) -> None:
        """Add what stands for nothing."""
        count = int(which.sum())
        self.add(which, at, size, np.zeros((count, 1), np.uint8), np.zeros(count, np.intp))

    def add(self, which: Flags, at: Places, size: Places | int, out: Bytes, count: Places) -> None:
        """Add escapes, each with a row of bytes of which ``count`` count."""
        if len(out):
            sizes = np.full(len(out), size, np.intp) if isinstance(size, int) else size[which]
            self._parts.append((at[which], sizes, out, count))

    def edits(self) -> Edits:
        """Return them from left to right."""
        if len(self._parts) == 1:
            return Edits(*self._parts[0])
        if not self._parts:
            nobody = np.zeros(0, np.intp)
            return Edits(nobody, nobody, np.zeros((0, 1), np.uint8), nobody)
        width = max(out.shape[1] for _, _, out, _ in self._parts)
        wide = [(at, size, np.pad(out, ((0, 0), (0, width - out.shape[1]))), n) for at, size, out, n in self._parts]
        at, size, out, count = (np.concatenate(column) for column in zip(*wide, strict=True))
        order = np.argsort(at, kind="stable")
        return Edits(at[order], size[order], out[order], count[order])


def backslashes(text: Bytes) -> Edits:
    r"""Read ``\n``, ``\"``, ``\u0041``, ``\u{41}``, ``\U00000041``, ``\x41`` and ``\101``, the last two as bytes."""
    return _backslashes(text, as_bytes=True)


def backslashed_points(text: Bytes) -> Edits:
    r"""Read the same where ``\xe9`` is a character of Latin-1, as in JavaScript and Python's ``repr``."""
    return _backslashes(text, as_bytes=False)


def _backslashes(text: Bytes, *, as_bytes: bool) -> Edits:
    at = _escaping(np.flatnonzero(text == ord("\\")))
    at = at[at + 1 < len(text)]
    read, found = _Reader(text), _Found()
    char = read(at + 1)
    if not as_bytes and not _has_high(char, read(at + 2)):
        return found.edits()  # it would be the same once more
    short = _SHORT[char]
    found.bytes_(short != _NONE, at, 2, short)
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
    hexadecimal = (char == ord("x")) & (_DIGIT[digit] > 7)
    octal = (char == ord("2")) | (char == ord("3"))
    return bool((hexadecimal | octal).any())


def _escaping(places: Places) -> Places:
    r"""Leave out of all backslashes those that are escaped themselves: every second one of a run."""
    if not len(places):
        return places
    first = np.concatenate(([True], np.diff(places) != 1))
    begins = places[np.maximum.accumulate(np.where(first, np.arange(len(places)), 0))]
    escaping: Places = places[(places - begins) % 2 == 0]
    return escaping


def percents(text: Bytes) -> Edits:
    """Read ``%41``, as bytes."""
    at = np.flatnonzero(text == ord("%"))
    read, found = _Reader(text), _Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    return found.edits()


def percented_points(text: Bytes) -> Edits:
    """Read what JavaScript's ``escape`` writes: ``%u20AC``, and ``%e9`` for a character of Latin-1."""
    at = np.flatnonzero(text == ord("%"))
    read, found = _Reader(text), _Found()
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
    read, found = _Reader(text), _Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    after = read(at + 1)
    found.nothing((after == 10) & (at + 1 < len(text)), at, 2)
    found.nothing((after == 13) & (read(at + 2) == 10), at, 3)
    return found.edits()


def references(text: Bytes) -> Edits:
    """Read HTML's ``&#65;``, ``&#x41;`` and ``&amp;``, also without the semicolon where browsers read that."""
    at = np.flatnonzero(text == ord("&"))
    read, found = _Reader(text, 64), _Found()
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
    read, found = _Reader(text), _Found()
    halves = [(read(at + ahead).astype(np.int64) & 0xFF) for ahead in range(6)]
    pair = (halves[1] >> 4 == 0xA) & (halves[3] == 0xED) & (halves[4] >> 4 == 0xB)
    high, low = ((halves[1 + ahead] & 0xF) << 6 | (halves[2 + ahead] & 0x3F) for ahead in (0, 3))
    found.points(pair, at, 6, 0x10000 + (high << 10) + low)
    return found.edits()


def pointers(text: Bytes) -> Edits:
    """Read ``~0`` and ``~1``, as JSON Pointers write a tilde and a slash (RFC 6901, section 3)."""
    at = np.flatnonzero(text == ord("~"))
    read, found = _Reader(text), _Found()
    for digit, stands_for in ((ord("0"), ord("~")), (ord("1"), ord("/"))):
        found.bytes_(read(at + 1) == digit, at, 2, np.full(len(at), stands_for))
    return found.edits()


def code_points(text: Bytes) -> Edits:
    """Read ``U+0041``."""
    at = np.flatnonzero((text | 0x20) == ord("u"))
    read, found = _Reader(text), _Found()
    at = at[read(at + 1) == ord("+")]
    value, size = read.number(at + 2, 16, 6)
    found.points(size >= 4, at, size + 2, value)
    return found.edits()


def literals(text: Bytes) -> Edits:
    """Read ``0o101`` and ``0b1000001``, as a byte each."""
    at = np.flatnonzero(text == ord("0"))
    read, found = _Reader(text), _Found()
    for letter, base, most in ((ord("o"), 8, 4), (ord("b"), 2, 8)):
        mine = at[(read(at + 1) | 0x20) == letter]
        value, size = read.number(mine + 2, base, most)
        found.bytes_((size > 1) & (value < 256), mine, size + 2, value)
    return found.edits()


_BINARY: Final = bytes(
    ord("x") if code in b"01" else ord("a") if code > 127 or chr(code).isalnum() else ord(" ") for code in range(256)
)


def may_hold_binaries(raw: bytes) -> bool:
    """Tell whether two numbers of six to eight binary digits follow one another."""
    return b"xxxxxx" in (shape := raw.translate(_BINARY)) and _TWO_BINARIES.search(shape) is not None


_TWO_BINARIES: Final = re.compile(rb"x{6,8} {1,4}x{6,8} ")


def binaries(text: Bytes) -> Edits:
    """Read numbers of up to eight binary digits, as a byte each."""
    digit = (text | 1) == ord("1")
    edges = np.flatnonzero(np.diff(np.concatenate(([False], digit, [False])).view(np.int8)))
    begins, sizes = edges[::2], edges[1::2] - edges[::2]
    fits = (sizes > 4) & (sizes < 9)
    at, size = begins[fits], sizes[fits]
    read, found = _Reader(text), _Found()
    value, _ = read.number(at, 2, 8)
    found.bytes_(np.ones(len(at), np.bool_), at, size, value)
    return found.edits()


_MAIL_WORD: Final = re.compile(rb"(?:\?=[ \t\r\n]*)?=\?[A-Za-z0-9_*-]{1,40}\?[bBqQ]\?|\?=(?=[^A-Za-z0-9]|\Z)")


def mail_words(text: Bytes) -> Edits:
    """Leave out what stands around and between the words of a mail's header: ``=?utf-8?b?`` (RFC 2047)."""
    spans = [match.span() for match in _MAIL_WORD.finditer(text.tobytes())]
    at = np.array([first for first, _ in spans], np.intp)
    size = np.array([last - first for first, last in spans], np.intp)
    found = _Found()
    found.nothing(np.ones(len(at), np.bool_), at, size)
    return found.edits()


def backslashed_hexadecimal(text: Bytes) -> Edits:
    r"""Read ``\2d``, as LDAP writes a byte (RFC 4515, section 3)."""
    at = _escaping(np.flatnonzero(text == ord("\\")))
    read, found = _Reader(text), _Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    return found.edits()


def backslashed_css(text: Bytes) -> Edits:
    r"""Read ``\2d `` and ``\00002d``, as CSS writes a character (CSS Syntax, section 4.3.7)."""
    at = _escaping(np.flatnonzero(text == ord("\\")))
    read, found = _Reader(text), _Found()
    value, size = read.number(at + 1, 16, 6)
    blank = read(at + 1 + size) == ord(" ")
    found.points(size > 1, at, size + 1 + blank, value)
    return found.edits()


def backslashed_decimal(text: Bytes) -> Edits:
    r"""Read ``\115`` as DNS and Lua write a byte, ``\0163`` as ``echo`` reads it, ``\o{163}`` and RTF's ``\u115?``."""
    at = _escaping(np.flatnonzero(text == ord("\\")))
    read, found = _Reader(text), _Found()
    char = read(at + 1)
    decimal, octal = at[(char >= ord("0")) & (char <= ord("9"))], at[char == ord("0")]
    value, size = read.number(octal + 2, 8, 3)
    zero = size == 3
    found.bytes_(zero & (value < 256), octal, 5, value)
    decimal = np.setdiff1d(decimal, octal[zero], assume_unique=True)
    value, size = read.number(decimal + 1, 10, 3)
    found.bytes_((size > 1) & (value < 256), decimal, size + 1, value)
    braced = at[(char == ord("o")) & (read(at + 2) == ord("{"))]
    value, size = read.number(braced + 3, 8, 7)
    found.points((size > 0) & (read(braced + 3 + size) == ord("}")), braced, size + 4, value)
    marked = at[char == ord("u")]
    value, size = read.number(marked + 2, 10, 7)
    closed = read(marked + 2 + size) == ord("?")
    found.points((size > 0) & closed, marked, size + 3, value)
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
_NAME_HASHES: Final = np.array([number for number, _, _ in _NAMES], np.uint64)
_NAME_COUNT: Final = np.array([len(text.encode()) for _, _, text in _NAMES], np.intp)
_NAME_OUT: Final = np.zeros((len(_NAMES), _WIDTH), np.uint8)
for _row, (_number, _name, _stands_for) in enumerate(_NAMES):
    _NAME_OUT[_row, : len(_stands_for.encode())] = np.frombuffer(_stands_for.encode(), np.uint8)
_LONGEST_NAME: Final = max(map(len, html5))
_LONGEST_OPEN: Final = max(len(name) for name in html5 if not name.endswith(";"))


def _names(at: Places, read: _Reader, found: _Found) -> None:
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
ESCAPES: Final = (
    *USUAL,
    ((b"~0", b"~1"), pointers),
    ((b"U+", b"u+"), code_points),
    ((b"0o", b"0b", b"0O", b"0B"), literals),
    ((b"01", b"10", b"11"), binaries),
    ((b"=?",), mail_words),
    ((b"\\",), backslashed_hexadecimal),
    ((b"\\",), backslashed_css),
    ((b"\\",), backslashed_decimal),
)
"""Each kind of escapes, with what escapes of its kind have one of."""
