"""Small bodies in which nothing is escaped, packed or cut: most answers of an API, looked through once. Pure.

What is asked here goes by the body, and by how long the texts are that are looked for; never by what they hold.
"""

from __future__ import annotations

import re
from typing import Final

from app.redaction.dumps import may_hold_dump
from app.redaction.joins import may_be_cut
from app.redaction.lists import may_hold_lists
from app.redaction.look_alikes import may_hold_look_alikes
from app.redaction.packings import Sought, may_hold_packings
from app.redaction.pieces import may_hold_tagged_items
from app.redaction.rare_escapes import may_hold_binaries
from app.redaction.triples import may_hold_triples

LARGEST: Final = 16 * 1024
"""Beyond so many bytes the shortcut saves nothing."""
_ESCAPES: Final = (
    (b"%", re.compile(rb"%(?:u|[0-9A-Fa-f]{2})")),
    (b"&", re.compile(rb"&[#A-Za-z]")),
    (b"=", re.compile(rb"=(?:[0-9A-Fa-f]{2}|\r?\n|\?)")),
)
_SIGNS: Final = (
    b"\\",
    b"\0",
    b"\xed",
    b"~0",
    b"~1",
    b"U+",
    b"u+",
    b"0o",
    b"0b",
    b"0x",
    b"0O",
    b"0B",
    b"0X",
    b"\x1b[",
    b"<![CDATA[",
)
"""What nothing is escaped without, beside what ``_ESCAPES`` look for."""


def reads_one_way(raw: bytes, sought: Sought, *, fewest: int, ascii_only: bool) -> bool:
    """Tell whether a body reads as it is and in no other way.

    Args:
        fewest: The least characters of a text that is looked for.
        ascii_only: Whether all of these are ASCII.
    """
    if sought.few_ascii or any(sign in raw for sign in _SIGNS):
        return False
    if any(sign in raw and escape.search(raw) for sign, escape in _ESCAPES):
        return False
    return (
        not may_be_cut(raw)
        and not may_hold_look_alikes(raw)
        and not may_hold_triples(raw, sought.least)
        and not may_hold_tagged_items(raw, fewest)
        and not may_hold_dump(raw)
        and not may_hold_binaries(raw)
        and not may_hold_lists(raw, fewest, ascii_only=ascii_only)
        and not may_hold_packings(raw, sought)
    )
