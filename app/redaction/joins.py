"""Texts that a writer cut: by quotes, blanks and line ends, by operators between strings, by lines' prefixes. Pure.

What cuts is left out, of the body and of the text that is looked for alike, so that how it was cut doesn't matter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from app.redaction.search import Bytes
from app.redaction.views import Flags, Places, View

_SPACES: Final = b" \t\r\n\\"
_QUOTES: Final = b"\"'`"
_OPERATORS: Final = b"+.&|~<>"
_PREFIXES: Final = b">#|*;/%+-:"
_LISTED: Final = ((b'","', b'""'), (b"','", b"''"), (b"`,`", b"``"))


def _flags(codes: bytes) -> Flags:
    return np.array([code in codes for code in range(256)])


_IS_SPACE: Final = _flags(_SPACES)
_IS_QUOTE: Final = _flags(_QUOTES)
_IS_OPERATOR: Final = _flags(_OPERATORS)
_IS_PREFIX: Final = _flags(_PREFIXES)


def join(text: bytes) -> bytes:
    """Leave out what cuts a text: blanks, line ends, quotes, backslashes, commas and operators between quotes."""
    view = np.frombuffer(text, np.uint8)
    if _has_operator(view):
        return view[_joined_places(view)].tobytes()
    together = text.translate(None, _SPACES)  # the same as ``_joined_places``, ten times faster
    for comma, without in _LISTED:
        while comma in together:  # twice at most, where one comma follows another
            together = together.replace(comma, without)
    return together.translate(None, _QUOTES)


def unprefix(text: bytes) -> bytes:
    """Leave out the same, and what stands before a line: ``> ``, ``# ``, ``// ``."""
    view = np.frombuffer(text, np.uint8)
    return join(view[_unprefixed_places(view)].tobytes())


def joined_view(view: View) -> View:
    """Return the view that ``join`` makes of a view, with the way back."""
    return view.pick(_joined_places(view.text))


def unprefixed_view(view: View) -> View | None:
    """Return the view that ``unprefix`` makes of a view; None where no line has a prefix."""
    places = _unprefixed_places(view.text)
    return joined_view(view.pick(places)) if len(places) < len(view.text) else None


def _joined_places(text: Bytes) -> Places:
    places = np.flatnonzero(~_IS_SPACE[text])
    dense = np.concatenate((text[places], np.zeros(4, np.uint8)))
    quote = _IS_QUOTE[dense]
    operator = _IS_OPERATOR[dense] if _has_operator(text) else np.zeros(len(dense), np.bool_)
    gone = quote.copy()
    between = quote[:-2] & (operator[1:-1] | ((dense[1:-1] == ord(",")) & (dense[:-2] == dense[2:]))) & quote[2:]
    gone[1:-1] |= between
    pair = quote[:-3] & operator[1:-2] & operator[2:-1] & quote[3:]
    gone[1:-2] |= pair
    gone[2:-1] |= pair
    return places[~gone[: len(places)]]


def _has_operator(text: Bytes) -> bool:
    """Tell whether an operator may stand between two strings here."""
    if len(text) < 3:
        return False
    quote, space, operator = (_one_of(text, codes) for codes in (_QUOTES, _SPACES, _OPERATORS))
    before, after = quote.copy(), quote.copy()
    before[1:] |= space[1:] & (quote | space)[:-1]
    after[:-1] |= space[:-1] & (quote | space)[1:]
    return bool((operator[1:-1] & before[:-2] & (after[2:] | operator[2:])).any())


def _one_of(text: Bytes, codes: bytes) -> Flags:
    found: Flags = text == codes[0]  # a few comparisons are faster than a table
    for code in codes[1:]:
        found |= text == code
    return found


def _unprefixed_places(text: Bytes) -> Places:
    """Leave out the blanks and marks that a line begins with."""
    ends = np.flatnonzero((text[:-1] == 10) & (_IS_PREFIX | _IS_SPACE)[text[1:]]) + 1
    if not len(ends) or not _IS_PREFIX[text].any():
        return np.arange(len(text))
    marks = (_IS_PREFIX | _IS_SPACE)[text]
    stops = np.flatnonzero(~marks)
    until = np.append(stops, len(text))[np.searchsorted(stops, ends)]
    gone = np.zeros(len(text) + 1, np.int32)
    np.add.at(gone, ends, 1)
    np.add.at(gone, until, -1)
    return np.flatnonzero(np.cumsum(gone[:-1]) <= 0)
