r"""Kinds of escapes that are undone together: so that a large body with many kinds of them reads in few ways. Pure.

Kind by kind, a body with four kinds of escapes reads in sixteen ways, and nearly all of these are in a few: where a
text was escaped, all around it was. Apart are kinds that read the same bytes otherwise, and those whose signs stand in
many texts that aren't escaped (``key=deadbeef``, ``0x41``). What of a value itself reads as an escape is undone with
the rest: it is found by its form without escapes (``receiver_forms.canonical``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Final

from app.redaction import encodings, rare_escapes
from app.redaction.encodings import USUAL, Undo
from app.redaction.rare_escapes import ESCAPES
from app.redaction.views import Edits, View, merge, rewrite

TOGETHER: Final = 64 * 1024
"""Kinds are undone together in bodies of more bytes."""
_Kinds = tuple[tuple[tuple[bytes, ...], Undo], ...]


def _kinds(*undo: Undo) -> _Kinds:
    return tuple(kind for kind in ESCAPES if kind[1] in undo)


_QUOTED: Final = _kinds(encodings.quoted_printable)
_OTHER_BACKSLASHES: Final = (
    _kinds(encodings.backslashed_points, encodings.percented_points),
    _kinds(rare_escapes.backslashed_hexadecimal),
    _kinds(rare_escapes.backslashed_css),
    _kinds(rare_escapes.backslashed_decimal),
)
_USUAL: Final = tuple(kind for kind in USUAL if kind not in chain(_QUOTED, *_OTHER_BACKSLASHES))
_FURTHER: Final = (
    *_OTHER_BACKSLASHES,
    tuple(kind for kind in ESCAPES if kind not in chain(USUAL, *_OTHER_BACKSLASHES)),
)
_ASKED_FURTHER: Final[Mapping[Undo, Callable[[bytes], bool]]] = {
    rare_escapes.literals: rare_escapes.may_hold_literals,
    rare_escapes.binaries: rare_escapes.may_hold_binaries,
    rare_escapes.bracketed_tags: rare_escapes.may_hold_bracketed,
    rare_escapes.mail_words: rare_escapes.may_hold_mail_words,
    rare_escapes.suffixed_numbers: rare_escapes.may_hold_suffixed,
}
"""Kinds whose signs stand in so many texts that more is asked of a view."""
LAST: Final = len(ESCAPES)
"""The order of a view in which all kinds were undone before."""


def undo_apart(view: View, reach: int) -> Iterator[View]:
    """Give what a view reads as once a layer of each kind of escapes is undone by itself.

    Args:
        view: What is escaped.
        reach: See ``views.rewrite``.
    """
    for order, kind in enumerate(USUAL if view.settled else ESCAPES):
        further = rewrite(view, _edits(view, (kind,)), order=order, reach=reach)
        if further is not None:
            yield further if order < len(USUAL) else replace(further, settled=True)


def undo_together(view: View, reach: int) -> Iterator[View]:
    """Give what a view reads as once its usual escapes are undone by a layer, alone and with those of each other kind.

    Args:
        view: What is escaped.
        reach: See ``views.rewrite``.
    """
    usual = cache(lambda: _edits(view, _USUAL))
    yield from _rewrite(view, usual(), reach)
    for further in _rewrite(view, _edits(view, _QUOTED), reach, along=usual):
        yield replace(further, aside=True)
    for kinds in () if view.settled else _FURTHER:
        for further in _rewrite(view, _edits(view, kinds), reach, along=usual):
            yield replace(further, aside=True, settled=True)


def _edits(view: View, kinds: _Kinds) -> Edits:
    return merge(
        [
            undo(view.text)
            for signs, undo in kinds
            if any(map(view.holds, signs)) and (undo not in _ASKED_FURTHER or _ASKED_FURTHER[undo](view.raw))
        ]
    )


def _rewrite(view: View, edits: Edits, reach: int, *, along: Callable[[], Edits] | None = None) -> Iterator[View]:
    # Of a view that such a layer made, only what takes in a byte that is new wasn't undone with that layer.
    further = rewrite(view, edits, order=0, reach=reach, along=along)
    if further is not None:
        yield replace(further, order=1)
