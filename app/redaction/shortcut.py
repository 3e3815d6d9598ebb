"""Small bodies that read in few ways: most answers of an API, looked through at once and without a way back. Pure.

What is asked here goes by the body, and by how long the texts are that are looked for; never by what they hold.
"""

from __future__ import annotations

from typing import Final

from app.redaction.dumps import may_hold_dump
from app.redaction.joins import may_be_cut
from app.redaction.lists import may_hold_lists
from app.redaction.look_alikes import may_hold_look_alikes
from app.redaction.marked import may_hold_marked
from app.redaction.markup import may_hold_more_markup
from app.redaction.packings import Sought, may_hold_packings
from app.redaction.pieces import may_hold_tagged_items
from app.redaction.rare_escapes import may_hold_binaries, may_hold_literals, may_hold_markup, may_hold_suffixed
from app.redaction.small_escapes import ESCAPES, LITERAL, MARKUP, OPERATOR, RARE, UNDONE_BY_THE_LONG_WAY, signs_in
from app.redaction.triples import may_hold_triples
from app.redaction.wide import may_hold_wide

LARGEST: Final = 16 * 1024
"""Beyond so many bytes the shortcut saves nothing."""
_MOST_BYTES: Final = 3 * LARGEST
_MOST: Final = 16
_MOST_ESCAPES: Final = 256
APART: Final = b"\n<>\xff"
"""Stands between readings: what is open in one (a line, a tag) ends in it. The last is ``views.BREAK``."""


def readings(raw: bytes, sought: Sought, *, fewest: int, ascii_only: bool, settled: bool = False) -> list[bytes] | None:
    """Return all that a small text reads as, itself first; None where only the long way tells.

    None of them is packed, listed or cut.

    Args:
        raw: A body, or what was made of one.
        sought: What is known of the texts that are looked for.
        fewest: The least characters of a text that is looked for.
        ascii_only: Whether all of these are ASCII.
        settled: Whether only the usual kinds of escapes are undone in it; see ``views.View``.
    """
    if len(raw) > LARGEST or sought.few_ascii or (unescaped := _unescape(raw, settled=settled)) is None:
        return None
    found, signs = unescaped
    together = APART.join(found)
    if (
        may_hold_wide(together)
        or may_hold_look_alikes(together)
        or (not settled and _may_be_rare(together, signs, sought, fewest))
        or may_hold_lists(together, fewest, ascii_only=ascii_only)
        or may_hold_packings(together, sought)
    ):
        return None
    return found


def _may_be_rare(raw: bytes, signs: int, sought: Sought, fewest: int) -> bool:
    """Tell whether a text may be written in a way that isn't looked for in what was unpacked."""
    return (
        may_be_cut(raw, has_operator=bool(signs & OPERATOR))
        or may_hold_triples(raw, sought.least)
        or may_hold_dump(raw)
        or may_hold_binaries(raw)
        or may_hold_suffixed(raw)
        or (signs & MARKUP and (may_hold_tagged_items(raw, fewest) or may_hold_markup(raw)))
        or may_hold_more_markup(raw, has_signs=bool(signs & MARKUP))
        or may_hold_marked(raw, fewest)
    )


def _unescape(raw: bytes, *, settled: bool) -> tuple[list[bytes], int] | None:
    """Return a text with each kind of its escapes undone, one after the other until nothing changes, and all signs."""
    of_the_long_way = UNDONE_BY_THE_LONG_WAY if settled else UNDONE_BY_THE_LONG_WAY | RARE
    found, size, together = [raw], len(raw), 0
    for text in found:
        signs = signs_in(text)
        together |= signs
        if signs & of_the_long_way or (signs & LITERAL and not settled and may_hold_literals(text)):
            return None
        for sign, char, undo in ESCAPES:
            if signs & sign:
                if text.count(char) > _MOST_ESCAPES or (undone := undo(text)) is None:
                    return None
                if undone not in found:
                    found.append(undone)
                    size += len(undone)
        if size > _MOST_BYTES or len(found) > _MOST:
            return None
    return found, together
