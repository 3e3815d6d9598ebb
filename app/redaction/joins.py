"""Texts that a writer cut: by quotes, blanks and line ends, by operators between strings, by lines' prefixes. Pure.

What cuts is left out, of the body and of the text that is looked for alike, so that how it was cut doesn't matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from app.redaction.blocks import translated_blocks
from app.redaction.search import Bytes
from app.redaction.views import Places, View, flags_of

CUTS: Final = b" \t\r\n\\\"'`,"
"""What may stand between two pieces of a text: blanks, line ends, quotes, backslashes and commas."""
_SPACES: Final = b" \t\r\n\\"
_QUOTES: Final = b"\"'`"
_OPERATORS: Final = b"+.&|~<>"
_PREFIXES: Final = b">#|*;/%+-:"
_LINE_PREFIX: Final = re.compile(rb"\n[ \t]*[" + re.escape(_PREFIXES) + rb"]")
# Each quote as one, each operator as another: whether an operator stands between two strings is seen at once.
_OPERATOR_CLASSES: Final = bytes.maketrans(_QUOTES + _OPERATORS, b'"' * len(_QUOTES) + b"+" * len(_OPERATORS))


_IS_KEPT: Final = ~flags_of(CUTS)
_IS_SPACE: Final = flags_of(_SPACES)
_IS_QUOTE: Final = flags_of(_QUOTES)
_IS_OPERATOR: Final = flags_of(_OPERATORS)
_IS_PREFIX: Final = flags_of(_PREFIXES)


def squeeze(text: bytes) -> bytes:
    """Leave out all that cuts a text, wherever it stands."""
    return text.translate(None, CUTS)


def squeezed_places(view: View) -> Places:
    """Return the places of what ``squeeze`` leaves of a view."""
    return np.flatnonzero(_IS_KEPT[view.text])


def join(text: bytes) -> bytes:
    """Leave out the same, and operators between strings."""
    if _has_operator(text):
        bare = np.frombuffer(text, np.uint8)
        text = bare[_places_without_operators(bare)].tobytes()
    return squeeze(text)


def unprefix(text: bytes) -> bytes:
    """Leave out the same, and what stands before a line: ``> ``, ``# ``, ``// ``."""
    if _LINE_PREFIX.search(text):
        bare = np.frombuffer(text, np.uint8)
        text = bare[_places_without_prefixes(bare)].tobytes()
    return join(text)


def may_be_cut(raw: bytes) -> bool:
    """Tell whether lines have prefixes, or operators stand between strings."""
    return _LINE_PREFIX.search(raw) is not None or _has_operator(raw)


def rejoin(view: View, *, order: int) -> Iterator[View]:
    """Give a view without operators between its strings, and without prefixes of its lines, where it has any.

    Args:
        order: That of the last kind of escapes: all of them were undone before, but for those that were cut.
    """
    places = None
    if _LINE_PREFIX.search(view.raw):
        places = _places_without_prefixes(view.text)
        yield _pick(view, places, order)
    if _has_operator(view.raw):
        yield _pick(view, _places_without_operators(view.text), order)
        if places is not None:
            places = places[_places_without_operators(view.text[places])]
            yield _pick(view, places, order)


def _pick(view: View, places: Places, order: int) -> View:
    fresh = np.concatenate(([False], np.diff(places) > 1))
    return replace(view.pick(places, order=order), fresh=fresh)


def _has_operator(raw: bytes) -> bool:
    """Tell whether an operator stands between two strings."""
    blocks = translated_blocks(raw, _OPERATOR_CLASSES, _SPACES, overlap=3)
    return any(b'"+"' in classes or b'"++"' in classes for _, _, classes in blocks)


def _places_without_operators(text: Bytes) -> Places:
    places = np.flatnonzero(~_IS_SPACE[text])
    dense = np.concatenate((text[places], np.zeros(4, np.uint8)))
    quote, operator = _IS_QUOTE[dense], _IS_OPERATOR[dense]
    gone = quote.copy()
    gone[1:-1] |= quote[:-2] & operator[1:-1] & quote[2:]
    pair = quote[:-3] & operator[1:-2] & operator[2:-1] & quote[3:]
    gone[1:-2] |= pair
    gone[2:-1] |= pair
    return places[~gone[: len(places)]]


def _places_without_prefixes(text: Bytes) -> Places:
    """Leave out the blanks and marks that a line begins with."""
    ends = np.flatnonzero((text[:-1] == 10) & (_IS_PREFIX | _IS_SPACE)[text[1:]]) + 1
    stops = np.flatnonzero(~(_IS_PREFIX | _IS_SPACE)[text])
    until = np.append(stops, len(text))[np.searchsorted(stops, ends)]
    gone = np.zeros(len(text) + 1, np.int32)
    np.add.at(gone, ends, 1)
    np.add.at(gone, until, -1)
    return np.flatnonzero(np.cumsum(gone[:-1]) <= 0)
