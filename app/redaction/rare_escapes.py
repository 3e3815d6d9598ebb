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
from app.redaction.escapes import Found, Reader, escaping, without
from app.redaction.markup import MARKUP
from app.redaction.search import Bytes
from app.redaction.views import Edits, flags_of


def pointers(text: Bytes) -> Edits:
    """Read ``~0`` and ``~1``, as JSON Pointers write a tilde and a slash (RFC 6901, section 3)."""
    at = np.flatnonzero(text == ord("~"))
    read, found = Reader(text), Found()
    for digit, stands_for in ((ord("0"), ord("~")), (ord("1"), ord("/"))):
        found.bytes_(read(at + 1) == digit, at, 2, np.full(len(at), stands_for))
    return found.edits()


def code_points(text: Bytes) -> Edits:
    r"""Read ``U+0041``, Perl's ``\N{U+41}`` and R's ``<U+0041>``."""
    at = np.flatnonzero((text | 0x20) == ord("u"))
    read, found = Reader(text), Found()
    at = at[read(at + 1) == ord("+")]
    value, size = read.number(at + 2, 16, 6)
    before, behind = read(np.maximum(at - 1, 0)), read(at + 2 + size)
    braced = (before == ord("{")) & (behind == ord("}")) & (at > 2)
    braced &= (read(np.maximum(at - 2, 0)) == ord("N")) & (read(np.maximum(at - 3, 0)) == ord("\\"))
    angled = (before == ord("<")) & (behind == ord(">")) & (at > 0)
    ahead = np.where(braced, 3, angled.astype(np.intp))
    found.points((size >= 4) | (braced & (size > 0)), at - ahead, size + 2 + ahead + (ahead > 0), value)
    return found.edits()


def underscores(text: Bytes) -> Edits:
    """Read ``_x0041_``, as names in XML have it (ECMA-376, part 1, section 22.4.2.4)."""
    at = np.flatnonzero(text == ord("_"))
    read, found = Reader(text), Found()
    value, good = read.hexadecimal(at + 2, 4)
    found.points(good & ((read(at + 1) | 0x20) == ord("x")) & (read(at + 6) == ord("_")), at, 7, value)
    return found.edits()


def literals(text: Bytes) -> Edits:
    """Read ``0o101``, ``0b1000001`` and ``0x41`` (also ``0x41u``), as a byte each."""
    at = np.flatnonzero(text == ord("0"))
    read, found = Reader(text), Found()
    for letter, base, most in ((ord("o"), 8, 4), (ord("b"), 2, 8), (ord("x"), 16, 3)):
        mine = at[(read(at + 1) | 0x20) == letter]
        value, size = read.number(mine + 2, base, most)
        unsigned = (read(mine + 2 + size) | 0x20) == ord("u")
        found.bytes_((size > 0) & (value < 256) & ((size < 3) | (base < 16)), mine, size + 2 + unsigned, value)
    return found.edits()


_PERCENTED_DECIMAL: Final = re.compile(rb"%1[0-2][0-9](?![0-9A-Fa-f])")
"""A small letter's number, which no ``%41`` is."""


def marked_numbers(text: Bytes) -> Edits:
    """Read ``%115`` in decimal digits, and what Basic and SQL write: ``&H41``, ``x'41'``."""
    read, found = Reader(text), Found()
    if _PERCENTED_DECIMAL.search(text.tobytes()):
        at = np.flatnonzero(text == ord("%"))
        value, size = read.number(at + 1, 10, 3)
        found.bytes_((size > 1) & (value < 256), at, size + 1, value)
    at = np.flatnonzero((text | 0x20) == ord("h"))
    value, good = read.hexadecimal(at + 1, 2)
    found.bytes_(good & (read(at - 1) == ord("&")) & (at > 0), at - 1, 4, value)
    at = np.flatnonzero((text | 0x20) == ord("x"))
    value, good = read.hexadecimal(at + 2, 2)
    found.bytes_(good & (read(at + 1) == ord("'")) & (read(at + 4) == ord("'")), at, 5, value)
    return found.edits()


_SUFFIXED: Final = bytes(
    code
    if code in b"0hH"
    else ord("x")
    if code in b"123456789abcdefABCDEF"
    else ord("a")
    if code > 127 or chr(code).isalnum()
    else ord(" ")
    for code in range(256)
).replace(b"H", b"h")
# "h " stands there letter by letter: that is looked for far sooner than a blank.
_TWO_SUFFIXED: Final = re.compile(rb"h (?:(?<= [x0][x0]h )|(?<= 0x[x0]h )) {0,3}(?:0?x|0)[x0]h ")


def may_hold_suffixed(raw: bytes) -> bool:
    """Tell whether two bytes as an assembler writes them follow one another: ``73h, 0b3h``."""
    return _TWO_SUFFIXED.search(b" %b " % raw.translate(_SUFFIXED)) is not None


_IS_ALNUM: Final = ~flags_of(bytes(code for code in range(128) if not chr(code).isalnum()))


def suffixed_numbers(text: Bytes) -> Edits:
    """Read ``41h`` and ``0b3h``; asked only where two of them follow one another."""
    found = Found()
    padded = np.concatenate((np.full(4, ord(" "), np.uint8), text))
    read = Reader(padded)
    ends = np.flatnonzero((padded | 0x20) == ord("h"))
    value, good = read.hexadecimal(ends - 2, 2)
    good &= ~_IS_ALNUM[read(ends + 1)]
    nought = (read(ends - 3) == ord("0")) & ~_IS_ALNUM[read(ends - 4)]
    found.bytes_(good & (nought | ~_IS_ALNUM[read(ends - 3)]), ends - 6 - nought, 3 + nought, value)
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
    return b"xxxxxx " in (shape := raw.translate(_BINARY)) and _TWO_BINARIES.search(shape) is not None


# What a search begins with stands there letter by letter: that is looked for far sooner.
_TWO_BINARIES: Final = re.compile(rb"xxxxxx {1,4}x{6,8} ")


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


_BRACKETED: Final = re.compile(rb"\[(?:/|/?[A-Za-z*][^\[\]\n]{0,80})\]")
_END_BRACKETED: Final = re.compile(rb"\[/[A-Za-z*]{0,32}\]")
_SHOWN: Final = re.compile(
    rb"\)[ \t\r\n]{0,8}(?:-?[0-9.]{1,10}[ \t\r\n]{0,8}|T[jJ*'\"][^()]{0,120}|\][ \t\r\n]{0,8}TJ[^()]{0,120})\("
    rb"|>[ \t\r\n]{0,8}-?[0-9.]{1,10}[ \t\r\n]{0,8}<"
)
_RICH_TEXT: Final = re.compile(rb"[{}]|\\[a-z]{1,32}-?[0-9]{0,10} ?")
_RTF: Final = b"{\\rtf"
_SHOWS: Final = (b"Tj", b"TJ")
TEXT_SIGNS: Final = (_RTF, *_SHOWS)
"""What a text in RTF or PDF has one of."""


def may_hold_markup(raw: bytes) -> bool:
    """Tell whether a text may be written in PDF or RTF."""
    return _RTF in raw or (any(sign in raw for sign in _SHOWS) and _SHOWN.search(raw) is not None)


def may_hold_bracketed(raw: bytes) -> bool:
    """Tell whether a tag of BBCode ends: in source code, all that stands in brackets looks like one that begins."""
    return _END_BRACKETED.search(raw) is not None


def bracketed_tags(text: Bytes) -> Edits:
    """Leave out BBCode's tags, and a terminal's written like these: ``[b]``, ``[/b]``, ``[/]``."""
    return without(text, _BRACKETED, (b"[/",))


def shown_text(text: Bytes) -> Edits:
    """Leave out what stands between the strings that a page in PDF shows (ISO 32000-1, section 9.4.3)."""
    return without(text, _SHOWN, _SHOWS)


def rich_text(text: Bytes) -> Edits:
    """Leave out RTF's groups and control words."""
    return without(text, _RICH_TEXT, (_RTF,))


_MAIL_WORD_BEGINS: Final = re.compile(rb"=\?[A-Za-z0-9_*-]{1,40}\?[bBqQ]\?")
_MAIL_WORD: Final = re.compile(rb"(?:\?=[ \t\r\n]*)?=\?[A-Za-z0-9_*-]{1,40}\?[bBqQ]\?|\?=(?=[^A-Za-z0-9]|\Z)")


def may_hold_mail_words(raw: bytes) -> bool:
    """Tell whether a word of a mail's header begins."""
    return _MAIL_WORD_BEGINS.search(raw) is not None


def mail_words(text: Bytes) -> Edits:
    """Leave out what stands around and between the words of a mail's header: ``=?utf-8?b?`` (RFC 2047)."""
    return without(text, _MAIL_WORD, (b"=?", b"?="))


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


def backslashed_units(text: Bytes) -> Edits:
    r"""Read ``\002d`` of four digits and ``\+00002d`` of six, as SQL's ``U&'…'`` writes a character."""
    at = escaping(np.flatnonzero(text == ord("\\")))
    read, found = Reader(text), Found()
    for sign, digits in ((0, 4), (1, 6)):
        value, good = read.hexadecimal(at + 1 + sign, digits)
        found.points(good & ((read(at + 1) == ord("+")) == bool(sign)), at, 1 + sign + digits, value)
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
    ((b"_x", b"_X"), underscores),
    ((b"%1", b"&H", b"&h", b"x'", b"X'"), marked_numbers),
    ((b"h", b"H"), suffixed_numbers),
    ((b"[/",), bracketed_tags),
    (_SHOWS, shown_text),
    ((_RTF,), rich_text),
    ((b"\\",), backslashed_hexadecimal),
    ((b"\\",), backslashed_units),
    ((b"\\",), backslashed_css),
    ((b"\\",), backslashed_decimal),
    *MARKUP,
)
"""Each kind of escapes, with what escapes of its kind have one of."""
