"""Lists of numbers that each have a mark of their base or type, whatever words stand around them. Pure.

``(byte) 0x73, (byte) 0x6b``, ``chr(0x73).chr(0x6b)``, ``#x73 #x6b``, ``115u8, 107u8``, ``1.15e+02``: as an escape
(``rare_escapes.literals``) such a number leaves behind what stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from app.redaction.lists import read_numbers
from app.redaction.views import View

_PREFIXES: Final = (b"0x", b"0X", b"&H", b"&h", b"#x", b"#$", b"'h0", b'x"0', b"0o0", b"U+")
_SIGNS: Final = (
    *_PREFIXES,
    *(b"0u0", b"0_u0", b"0u,", b"0U,", b"0i0", b"0n,", b"0L,", b"0l,", b"0UL", b"0ei0", b"0e+0"),
)
"""What so many of them have, each digit written as a nought."""
_LARGE: Final = 64 * 1024
"""In larger texts there are enough digits for some to stand before such letters by chance."""
_ONE_DIGIT: Final = bytes.maketrans(b"123456789", b"0" * 9)
_MARKED: Final = re.compile(
    rb"(?:0[xX]|&[hH]|#[xX$]|'[hH]|\bx\"|\\char\"|[uU]\+)([0-9A-Fa-f]{1,8}+)"
    rb"|0[oO]([0-7]{1,7}+)"
    rb"|(?<![0-9A-Za-z.])i?([0-9]{1,7}+)(?:_?[iu](?:8|16|32)|[uU]?[lL]{1,2}|[nuU])(?![A-Za-z0-9])"
    rb"|i([0-9]{1,7})e(?![a-df-hj-z0-9])"
    rb"|(?<![0-9.])([0-9]\.[0-9]{1,17}[eE][+-]?[0-9]{1,2})(?![0-9])"
)
_FEWEST_DIFFERENT: Final = 4
"""Of fewer, a list is a pattern: what it reads as would read as another one, and so on."""
_BASES: Final = (16, 8, 10, 10)


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
    found = [match for match in _MARKED.finditer(view.raw) if match.lastindex]
    if len(found) < fewest:
        return
    begins = np.array([match.start(match.lastindex or 0) for match in found], np.intp)
    ends = np.array([match.end(match.lastindex or 0) for match in found], np.intp)
    value = np.array([_value_of(match) for match in found], np.int64)
    if len(np.unique(value)) >= _FEWEST_DIFFERENT:
        yield from read_numbers(view, begins, ends, value, fewest, 0x7F if ascii_only else 0x10FFFF)


def _value_of(match: re.Match[bytes]) -> int:
    text = match[match.lastindex or 0]
    if b"." not in text:
        return int(text, _BASES[(match.lastindex or 1) - 1])
    number = float(text)
    return int(number) if number.is_integer() else 0
