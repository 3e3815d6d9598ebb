r"""Rarer escapes: of stylesheets, directories, names of hosts, mail, JSON Pointers and numbers with a prefix. Pure.

They are undone only where nothing was unpacked before (see ``View.settled``): in bytes that were no text before, each
would make noise of its own.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

import numpy as np

from app.redaction.encodings import USUAL
from app.redaction.escapes import Found, Reader, escaping
from app.redaction.search import Bytes
from app.redaction.views import Edits


def pointers(text: Bytes) -> Edits:
    """Read ``~0`` and ``~1``, as JSON Pointers write a tilde and a slash (RFC 6901, section 3)."""
    at = np.flatnonzero(text == ord("~"))
    read, found = Reader(text), Found()
    for digit, stands_for in ((ord("0"), ord("~")), (ord("1"), ord("/"))):
        found.bytes_(read(at + 1) == digit, at, 2, np.full(len(at), stands_for))
    return found.edits()


def code_points(text: Bytes) -> Edits:
    """Read ``U+0041``."""
    at = np.flatnonzero((text | 0x20) == ord("u"))
    read, found = Reader(text), Found()
    at = at[read(at + 1) == ord("+")]
    value, size = read.number(at + 2, 16, 6)
    found.points(size >= 4, at, size + 2, value)
    return found.edits()


def literals(text: Bytes) -> Edits:
    """Read ``0o101``, ``0b1000001`` and ``0x41``, as a byte each."""
    at = np.flatnonzero(text == ord("0"))
    read, found = Reader(text), Found()
    for letter, base, most in ((ord("o"), 8, 4), (ord("b"), 2, 8), (ord("x"), 16, 3)):
        mine = at[(read(at + 1) | 0x20) == letter]
        value, size = read.number(mine + 2, base, most)
        found.bytes_((size > 0) & (value < 256) & ((size < 3) | (base < 16)), mine, size + 2, value)
    return found.edits()


_LITERAL: Final = re.compile(rb"0(?:[xX][0-9A-Fa-f]|[bB][01]|[oO][0-7])")
_FEWEST_LITERALS: Final = 4


def may_hold_literals(raw: bytes) -> bool:
    """Tell whether there are several numbers with a prefix: nobody writes a single byte of a text as one."""
    return next(islice(_LITERAL.finditer(raw), _FEWEST_LITERALS - 1, None), None) is not None


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
    fits = (sizes > 3) & (sizes < 9)
    at, size = begins[fits], sizes[fits]
    read, found = Reader(text), Found()
    value, _ = read.number(at, 2, 8)
    found.bytes_(np.ones(len(at), np.bool_), at, size, value)
    return found.edits()


_MAIL_WORD: Final = re.compile(rb"(?:\?=[ \t\r\n]*)?=\?[A-Za-z0-9_*-]{1,40}\?[bBqQ]\?|\?=(?=[^A-Za-z0-9]|\Z)")


def mail_words(text: Bytes) -> Edits:
    """Leave out what stands around and between the words of a mail's header: ``=?utf-8?b?`` (RFC 2047)."""
    spans = [match.span() for match in _MAIL_WORD.finditer(text.tobytes())]
    at = np.array([first for first, _ in spans], np.intp)
    size = np.array([last - first for first, last in spans], np.intp)
    found = Found()
    found.nothing(np.ones(len(at), np.bool_), at, size)
    return found.edits()


def sections(text: Bytes) -> Edits:
    """Leave out what stands around XML's ``<![CDATA[…]]>``, of which a text may be written as several."""
    at, found = np.flatnonzero(text == ord("]")), Found()
    read = Reader(text)
    found.nothing((read(at + 1) == ord("]")) & (read(at + 2) == ord(">")), at, 3)
    at = np.flatnonzero(text == ord("<"))
    begins = np.ones(len(at), np.bool_)
    for ahead, char in enumerate(_SECTION):
        begins &= read(at + ahead) == char
    found.nothing(begins, at, len(_SECTION))
    return found.edits()


_SECTION: Final = b"<![CDATA["


def terminals(text: Bytes) -> Edits:
    """Leave out what colours a terminal's text: ``ESC [ 1 ; 31 m`` (ECMA-48, section 5.4)."""
    at = np.flatnonzero(text == 0x1B)
    read, found = Reader(text), Found()
    at = at[read(at + 1) == ord("[")]
    size = np.full(len(at), 2, np.intp)
    for _ in range(_MOST_PARAMETERS):
        size += read(at + size) >> 4 == 3
    found.nothing((read(at + size) >= ord("@")) & (read(at + size) <= ord("~")), at, size + 1)
    return found.edits()


_MOST_PARAMETERS: Final = 16


def backslashed_hexadecimal(text: Bytes) -> Edits:
    r"""Read ``\2d``, as LDAP writes a byte (RFC 4515, section 3)."""
    at = escaping(np.flatnonzero(text == ord("\\")))
    read, found = Reader(text), Found()
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good, at, 3, value)
    return found.edits()


def backslashed_css(text: Bytes) -> Edits:
    r"""Read ``\2d `` and ``\00002d``, as CSS writes a character (CSS Syntax, section 4.3.7)."""
    at = escaping(np.flatnonzero(text == ord("\\")))
    read, found = Reader(text), Found()
    value, size = read.number(at + 1, 16, 6)
    blank = read(at + 1 + size) == ord(" ")
    found.points((size > 1) | (blank & (size == 1)), at, size + 1 + blank, value)
    return found.edits()


def backslashed_decimal(text: Bytes) -> Edits:
    r"""Read ``\115`` as DNS and Lua write a byte, ``\0163`` as ``echo`` reads it, ``\o{163}`` and RTF's ``\u115?``."""
    at = escaping(np.flatnonzero(text == ord("\\")))
    read, found = Reader(text), Found()
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


ESCAPES: Final = (
    *USUAL,
    ((b"~0", b"~1"), pointers),
    ((b"U+", b"u+"), code_points),
    ((b"0o", b"0b", b"0x", b"0O", b"0B", b"0X"), literals),
    ((b"01", b"10", b"11"), binaries),
    ((b"=?",), mail_words),
    ((_SECTION,), sections),
    ((b"\x1b[",), terminals),
    ((b"\\",), backslashed_hexadecimal),
    ((b"\\",), backslashed_css),
    ((b"\\",), backslashed_decimal),
)
"""Each kind of escapes, with what escapes of its kind have one of."""
