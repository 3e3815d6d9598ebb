"""Lists of numbers that each have a mark of their base or type, whatever words stand around them. Pure.

``(byte) 0x73, (byte) 0x6b``, ``chr(0x73).chr(0x6b)``, ``#x73 #x6b``, ``115u8, 107u8``, ``1.15e+02``: as an escape
(``rare_escapes.literals``) such a number leaves behind what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.escapes import Reader
from app.redaction.lists import read_numbers
from app.redaction.search import Bytes
from app.redaction.views import ALNUM, Flags, Places, View, flags_of

_PREFIXES: Final = (b"0x", b"0X", b"&H", b"&h", b"#x", b"#$", b"'h0", b'x"0', b"0o0", b"U+")
_SIGNS: Final = (
    *_PREFIXES,
    *(b"0u0", b"0_u0", b"0u,", b"0U,", b"0i0", b"0n,", b"0L,", b"0l,", b"0UL", b"0ei0", b"0e+0"),
)
"""What so many of them have, each digit written as a nought."""
_LARGE: Final = 64 * 1024
"""In larger texts there are enough digits for some to stand before such letters by chance."""
_ONE_DIGIT: Final = bytes.maketrans(b"123456789", b"0" * 9)
_MOST_DIGITS: Final = 17
"""Behind a number's point."""
_FEWEST_DIFFERENT: Final = 4
"""Of fewer, a list is a pattern: what it reads as would read as another one, and so on."""
_IS_ALNUM: Final = flags_of(ALNUM)
_IS_DIGIT: Final = flags_of(b"0123456789")
_GOES_ON: Final = flags_of(ALNUM + b".")
"""What a number with a suffix, or a point, doesn't stand behind."""
_IN_NAME: Final = flags_of(ALNUM + b"_")
_BEHIND_BENCODE: Final = ~flags_of(bytes(code for code in b"abcdefghijklmnopqrstuvwxyz0123456789" if code not in b"ei"))
_IN_DECIMAL: Final = flags_of(b"0123456789.")
_IS_SIGNED: Final = flags_of(b"iu")
_IS_LONG: Final = flags_of(b"lL")
_IS_UNSIGNED: Final = flags_of(b"uUn")
_WIDTHS: Final = (b"8", b"16", b"32")


def may_hold_marked(raw: bytes, fewest: int) -> bool:
    """Tell whether there are as many such numbers as a text has characters."""
    if len(raw) < 2:
        return False
    folded = raw.translate(_ONE_DIGIT)
    pairs = np.ndarray((len(raw) - 1,), "<u2", folded, strides=(1,))
    if np.count_nonzero(_BEGINS_SIGN.take(pairs)) < fewest - 1:
        return False
    return any(folded.count(sign) >= fewest - 1 for sign in _SIGNS)


_BEGINS_SIGN: Final = np.zeros(1 << 16, np.bool_)
_BEGINS_SIGN[[sign[0] | sign[1] << 8 for sign in _SIGNS]] = True


def unpack_marked(view: View, *, fewest: int, ascii_only: bool) -> Iterator[View]:
    """Give what such numbers read as. See ``lists.may_hold_lists`` for what is asked."""
    if len(view.raw) > _LARGE and not any(view.holds(sign[:2]) for sign in _PREFIXES):
        return
    if not may_hold_marked(view.raw, fewest):
        return
    # As many bytes before the first and behind the last as any number is looked at with.
    text = np.concatenate((np.zeros(_BEFORE, np.uint8), view.text, np.zeros(_BEYOND, np.uint8)))
    parts = [part for part in (*_behind_prefixes(text), *_before_suffixes(text), _scientific(text)) if len(part[0])]
    if sum(len(begins) for begins, _, _ in parts) < fewest:
        return
    begins, ends, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(begins, kind="stable")
    begins, ends, value = begins[order] - _BEFORE, ends[order] - _BEFORE, value[order]
    apart = np.concatenate(([True], begins[1:] >= np.maximum.accumulate(ends)[:-1]))
    begins, ends, value = begins[apart], ends[apart], value[apart]
    if len(begins) >= fewest and _count_different(value) >= _FEWEST_DIFFERENT:
        yield from read_numbers(view, begins, ends, value, fewest, 0x7F if ascii_only else 0x10FFFF)


def _count_different(value: NDArray[np.int64]) -> int:
    """Count different numbers; numpy's own way loads what nothing else needs."""
    return 1 + int(np.count_nonzero(np.diff(np.sort(value))))


Numbers = tuple[Places, Places, NDArray[np.int64]]
"""Where numbers begin, where they end, and what they are."""


def _behind_prefixes(text: Bytes) -> Iterator[Numbers]:
    r"""Give numbers behind ``0x``, ``&H``, ``#x``, ``#$``, ``'h``, ``x"``, ``\char"`` and ``U+``, and behind ``0o``."""
    pairs = _PREFIX[text[:-1], text[1:]]
    at = np.flatnonzero(pairs[: len(text) - _BEYOND]) + 2
    kind, read = pairs[at - 2], Reader(text, 0)
    in_quotes = at[kind == _QUOTED]
    named = ~_IN_NAME[text[in_quotes - 3]]
    after_char = np.ones(len(in_quotes), np.bool_)
    for back, char in enumerate(reversed(b"\\char"), 2):
        after_char &= text[in_quotes - back] == char
    good = np.where(text[in_quotes - 2] == ord("r"), after_char, named)
    for places, base, most in ((at[kind == _HEXADECIMAL], 16, 8), (in_quotes[good], 16, 8), (at[kind == _OCTAL], 8, 7)):
        value, size = read.number(places, base, most)
        yield places[size > 0], (places + size)[size > 0], value[size > 0]


def _before_suffixes(text: Bytes) -> Iterator[Numbers]:
    """Give decimal numbers with a suffix (``115u8``, ``115UL``, ``115n``), and bencode's (``i115e``)."""
    digit = _IS_DIGIT[text]
    edges = np.flatnonzero(digit[1:] != digit[:-1]) + 1
    first, ends = edges[::2], edges[1::2]
    is_marked = text[first - 1] == ord("i")
    free = ~_GOES_ON[text[first - 1]] | (is_marked & ~_GOES_ON[text[first - 2]])
    # Most numbers have neither: they are told by what stands behind the digits.
    char = text[ends]
    bencode = is_marked & (char == ord("e")) & _BEHIND_BENCODE[text[ends + 1]]
    may = (free & (_IS_SIGNED[char] | _IS_LONG[char] | _IS_UNSIGNED[char] | (char == ord("_")))) | bencode
    may &= ends - first <= _LONGEST
    first, ends, bencode = first[may], ends[may], bencode[may]
    good = bencode | _has_suffix(text, ends)
    first, ends = first[good], ends[good]
    value, size = Reader(text, 0).number(first, 10, _LONGEST)
    yield first, first + size, value


def _has_suffix(text: Bytes, ends: Places) -> Flags:
    """Tell behind which numbers a suffix stands that nothing goes on with."""
    good = np.zeros(len(ends), np.bool_)
    typed = ends + (text[ends] == ord("_"))
    signed = _IS_SIGNED[text[typed]]
    for width in _WIDTHS:
        same = signed.copy()
        for ahead, char in enumerate(width, 1):
            same &= text[typed + ahead] == char
        good |= same & ~_IS_ALNUM[text[typed + len(width) + 1]]
    good |= _IS_UNSIGNED[text[ends]] & ~_IS_ALNUM[text[ends + 1]]
    long = ends + (text[ends] | 0x20 == ord("u"))
    once, twice = _IS_LONG[text[long]], _IS_LONG[text[long]] & _IS_LONG[text[long + 1]]
    good |= (once & ~_IS_ALNUM[text[long + 1]]) | (twice & ~_IS_ALNUM[text[long + 2]])
    return good


def _scientific(text: Bytes) -> Numbers:
    """Return numbers as ``1.15e+02``; what is no whole number stands for nothing."""
    at = np.flatnonzero(_IS_DIGIT[text[:-1]] & (text[1:] == ord(".")))
    at = at[at < len(text) - _BEYOND]
    at = at[~_IN_DECIMAL[text[at - 1]]]
    value, ends, decimals = text[at].astype(np.int64) - ord("0"), at + 2, np.zeros(len(at), np.int64)
    for _ in range(_MOST_DIGITS):
        more = _IS_DIGIT[text[ends]]
        if not more.any():
            break
        value[more] = 10 * value[more] + text[ends[more]] - ord("0")
        decimals += more
        ends = ends + more
    signed = ends + 1 + ((text[ends + 1] == ord("+")) | (text[ends + 1] == ord("-")))
    exponent, size = Reader(text, 0).number(signed, 10, 2)
    good = (decimals > 0) & (text[ends] | 0x20 == ord("e")) & (size > 0) & ~_IS_DIGIT[text[signed + size]]
    at, value, decimals, exponent, ends = at[good], value[good], decimals[good], exponent[good], (signed + size)[good]
    exponent[text[ends - size[good] - 1] == ord("-")] *= -1
    shift = np.clip(exponent - decimals, -_MOST_DIGITS, _MOST_DIGITS)
    divisor = 10 ** np.maximum(-shift, 0)
    good = (value % divisor == 0) & (value // divisor <= _HIGHEST) & (shift <= _LONGEST)
    return at, ends, np.where(good, value // divisor * 10 ** np.clip(shift, 0, _LONGEST), 0)


_BEFORE: Final = 8
_BEYOND: Final = 32
_LONGEST: Final = 7
"""The digits of the largest number."""
_HIGHEST: Final = 0x10FFFF
_HEXADECIMAL, _QUOTED, _OCTAL = 1, 2, 3


def _prefixes() -> Bytes:
    """Return for each two bytes in a row what kind of prefix they are, or end."""
    kinds = np.zeros((256, 256), np.uint8)
    for kind, first, second in (
        (_HEXADECIMAL, b"0", b"xX"),
        (_HEXADECIMAL, b"&", b"hH"),
        (_HEXADECIMAL, b"#", b"xX$"),
        (_HEXADECIMAL, b"'", b"hH"),
        (_HEXADECIMAL, b"uU", b"+"),
        (_QUOTED, b"xr", b'"'),
        (_OCTAL, b"0", b"oO"),
    ):
        kinds[np.ix_(list(first), list(second))] = kind
    return kinds


_PREFIX: Final = _prefixes()
