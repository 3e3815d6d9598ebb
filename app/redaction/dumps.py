"""Dumps: bytes in lines, each with its address and often its text beside it (``xxd``, ``od``). Pure.

A line's number counts as its address: ``12: ``, ``[12] ``, ``#12 ``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from app.redaction.search import Bytes
from app.redaction.views import Flags, Places, View, flags_of, span_places

_ADDRESS: Final = re.compile(
    rb"\n[ \t]*(?:(?:0[xX])?[0-9A-Fa-f]{4,16}[: \t]|[\[(#L]?[0-9]{1,7}(?:[\]):.|][ \t]|[ \t]))"
)
# An x for what an address, or a number, begins with: most lines begin with something else.
_SHAPE: Final = bytes(
    code if code == 10 else ord("x" if code in b"0123456789abcdefABCDEF[(#L" else "-") for code in range(256)
)
_BEGINS: Final = b"\nx"
_MOST_PAIRS: Final = 32
_HEXADECIMAL: Final = flags_of(b"0123456789abcdefABCDEF")
_DECIMAL: Final = flags_of(b"0123456789")
_BLANK: Final = flags_of(b" \t")
_OPENS: Final = flags_of(b"[(#L")
_CLOSES: Final = flags_of(b"]):.|")
_BARS: Final = flags_of(b" \t|")
_BEFORE: Final = flags_of(b"\n\"'>`=([{,")
"""What a dump's first line may follow in a document."""
_BEYOND: Final = 24


def may_hold_dump(raw: bytes) -> bool:
    """Tell whether a line begins with an address."""
    return b"\n" in raw and _BEGINS in raw.translate(_SHAPE, b" \t") and _ADDRESS.search(raw) is not None


def without_columns(view: View, *, order: int) -> Iterator[View]:
    """Give a dump's lines without their addresses: whole, the digits alone, and the text beside them alone.

    Args:
        order: See ``joins.rejoin``.
    """
    if not may_hold_dump(view.raw):
        return
    text = np.concatenate((view.text, np.full(_BEYOND, ord("\n"), np.uint8)))
    begins, stops = _lines(text, len(view.text))
    digits, texts = _columns(text, begins)
    texts = np.minimum(texts, stops)
    for first, end in ((digits, stops), (digits, texts), (texts, stops)):
        if int((end - first).sum()):
            yield _pick(view, first, end, order)


def _lines(text: Bytes, size: int) -> tuple[Places, Places]:
    """Return where lines begin and end that may be a dump's."""
    ends = np.append(np.flatnonzero(text[:size] == ord("\n")) + 1, size)
    begins = np.append(np.flatnonzero(_BEFORE[text[:size]]) + 1, 0)
    begins = np.sort(begins[begins < size])
    begins = _skip(text, begins, _BLANK, 8)
    begins, is_address = _addresses(text, begins, size)
    begins = _skip(text, begins[is_address], _BARS, 8)
    begins = np.minimum(begins, size)
    stops = ends[np.searchsorted(ends, begins, "right").clip(0, len(ends) - 1)]
    # None reaches beyond the next address, so that all of them together are no longer than the body.
    stops[:-1] = np.minimum(stops[:-1], begins[1:])
    return begins, stops


def _addresses(text: Bytes, begins: Places, size: int) -> tuple[Places, Flags]:
    """Return where each line goes on behind its address or number, and whether it has one."""
    prefixed = np.minimum(begins + 2 * ((text[begins] == ord("0")) & (text[begins + 1] | 0x20 == ord("x"))), size)
    address = _skip(text, prefixed, _HEXADECIMAL, 16)
    is_address = (address - prefixed >= 4) & (_BLANK[text[address]] | (text[address] == ord(":")))
    opened = begins + _OPENS[text[begins]]
    number = _skip(text, opened, _DECIMAL, 7)
    closed = number + _CLOSES[text[number]]
    is_number = (number > opened) & _BLANK[text[closed]]
    return np.where(is_address, address + 1, closed + 1), is_address | is_number


def _columns(text: Bytes, begins: Places) -> tuple[Places, Places]:
    """Return where each line's digits begin, and where they end: pairs of digits, with up to two blanks between."""
    at = begins
    for _ in range(_MOST_PAIRS):
        pair = _HEXADECIMAL[text[at]] & _HEXADECIMAL[text[at + 1]]
        if not pair.any():
            break
        at = np.where(pair, np.minimum(_skip(text, np.minimum(at + 2, len(text) - 3), _BLANK, 2), len(text) - 3), at)
    return begins, at


def _skip(text: Bytes, at: Places, kind: Flags, most: int) -> Places:
    """Go past up to so many bytes of a kind."""
    last = len(text) - 1
    for _ in range(most):
        more = kind[text[at]]
        if not more.any():
            break
        at = np.minimum(at + more, last)
    return at


def _pick(view: View, first: Places, end: Places, order: int) -> View:
    places = span_places(first, np.maximum(first, end))
    fresh = np.concatenate(([False], np.diff(places) > 1))
    return view.pick(places, order=order, fresh=fresh)
