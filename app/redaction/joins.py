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
from app.redaction.views import Flags, Places, View, around, flags_of

CUTS: Final = b" \t\r\n\\\"'`,"
"""What may stand between two pieces of a text: blanks, line ends, quotes, backslashes and commas."""
_SPACES: Final = b" \t\r\n\\"
_QUOTES: Final = b"\"'`"
OPERATORS: Final = b"+.&|~<>"
"""What may stand between two strings that are one text."""
_PREFIXES: Final = b">#|*;/%+-:"
_LINE_PREFIX: Final = re.compile(rb"\n[ \t]*[" + re.escape(_PREFIXES) + rb"]")
# Each quote as one, each operator as another: whether an operator stands between two strings is seen at once.
_OPERATOR_CLASSES: Final = bytes.maketrans(_QUOTES + OPERATORS, b'"' * len(_QUOTES) + b"+" * len(OPERATORS))


_IS_KEPT: Final = ~flags_of(CUTS)
_IS_SPACE: Final = flags_of(_SPACES)
_IS_QUOTE: Final = flags_of(_QUOTES)
_IS_OPERATOR: Final = flags_of(OPERATORS)
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
        text = bare[_without_operators(bare)[0]].tobytes()
    return squeeze(text)


def unprefix(text: bytes) -> bytes:
    """Leave out the same, and what stands before a line: ``> ``, ``# ``, ``// ``."""
    if _LINE_PREFIX.search(text):
        bare = np.frombuffer(text, np.uint8)
        text = bare[_without_prefixes(bare)[0]].tobytes()
    return join(text)


def may_be_cut(raw: bytes, *, has_operator: bool) -> bool:
    """Tell whether lines have prefixes, or operators stand between strings.

    Args:
        has_operator: Whether any operator stands beside what may cut a text, or beside another.
    """
    return _LINE_PREFIX.search(raw) is not None or (has_operator and _has_operator(raw))


def rejoin(view: View, *, order: int, reach: int, both: bool) -> Iterator[View]:
    """Give a view without operators between its strings, and without prefixes of its lines, where it has any.

    Args:
        view: What may be cut.
        order: That of the last kind of escapes: all of them were undone before, but for those that were cut.
        reach: How many bytes around what is left out a text may cover.
        both: Whether it is to be read without both at once, too.
    """
    has_prefix, has_operator = _LINE_PREFIX.search(view.raw) is not None, _has_operator(view.raw)
    if has_prefix:
        near = around(view, _line_prefixes(view.text), reach)
        kept, begins = _without_prefixes(near.text)
        yield _pick(near, kept, begins, order)
        if has_operator and both:
            left, operators = _without_operators(near.text[kept])
            yield _pick(near, kept[left], kept[operators], order)
    if has_operator:
        _, operators = _without_operators(view.text)
        near = around(view, operators, reach)
        yield _pick(near, *_without_operators(near.text), order)


def _pick(view: View, kept: Places, cuts: Places, order: int) -> View:
    """Return what is left of a view; what follows one of the places where it was cut is new."""
    before = np.searchsorted(cuts, kept, "right")
    fresh = np.concatenate(([False], np.diff(before) > 0))
    return replace(view.pick(kept, order=order), fresh=fresh)


def _has_operator(raw: bytes) -> bool:
    """Tell whether an operator stands between two strings."""
    blocks = translated_blocks(raw, _OPERATOR_CLASSES, _SPACES, overlap=3)
    return any(b'+"' in classes and (b'"+"' in classes or b'"++"' in classes) for _, _, classes in blocks)


def _without_operators(text: Bytes) -> tuple[Places, Places]:
    """Return the places of what is left without blanks, quotes and operators between strings, and of the operators.

    Of two operators in a row the first one's place is returned.
    """
    places = np.flatnonzero(~_IS_SPACE[text])
    quote, single, pair = _classes(text[places])
    operator = single | pair
    gone = quote | operator
    gone[1:] |= pair[:-1]
    return places[~gone], places[operator]


def _classes(dense: Bytes) -> tuple[Flags, Flags, Flags]:
    """Tell which bytes are quotes, an operator between two of these, and the first of two operators between them."""
    dense = np.concatenate((dense, np.zeros(2, np.uint8)))
    quote, operator = _IS_QUOTE[dense], _IS_OPERATOR[dense]
    single, pair = np.zeros(len(dense), np.bool_), np.zeros(len(dense), np.bool_)
    single[1:-1] = quote[:-2] & operator[1:-1] & quote[2:]
    pair[1:-2] = quote[:-3] & operator[1:-2] & operator[2:-1] & quote[3:]
    return quote[:-2], single[:-2], pair[:-2]


def _line_prefixes(text: Bytes) -> Places:
    """Return where lines begin that begin with a mark or a blank."""
    return np.flatnonzero((text[:-1] == 10) & (_IS_PREFIX | _IS_SPACE)[text[1:]]) + 1


def _without_prefixes(text: Bytes) -> tuple[Places, Places]:
    """Return the places of what is left without the blanks and marks at lines' beginnings, and of these beginnings."""
    begins = _line_prefixes(text)
    stops = np.flatnonzero(~(_IS_PREFIX | _IS_SPACE)[text])
    until = np.append(stops, len(text))[np.searchsorted(stops, begins)]
    gone = np.zeros(len(text) + 1, np.int32)
    np.add.at(gone, begins, 1)
    np.add.at(gone, until, -1)
    return np.flatnonzero(np.cumsum(gone[:-1]) <= 0), begins
