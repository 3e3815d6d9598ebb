"""Characters that stand for others: fullwidth and styled letters, dashes, a typographer's quotes. Pure.

Each that Unicode takes for one ASCII character (its compatibility decomposition, UAX 15) is read as that, and what
nobody sees (zero-width blanks, soft hyphens, joiners, byte order marks) is left out.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import numpy as np

from app.redaction.escapes import Found, Reader
from app.redaction.search import Bytes
from app.redaction.views import Edits

_INVISIBLE: Final = (0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
_DRAWN_OVER: Final = (*range(0x332, 0x339), *range(0xFE00, 0xFE10))
"""What strikes a character through or underlines it, and what chooses how it is drawn."""
_DRAWN_ALIKE: Final = {
    "-": (*range(0x2010, 0x2016), 0x2212),
    "/": (0x2044, 0x2215),
    "'": range(0x2018, 0x201C),
    '"': range(0x201C, 0x2020),
    "&": (0xA7,),  # before a game's colours, see ``marks``
    "[": (0x9B,),  # begins a terminal's
    "^": (0x2190, 0x241B),  # ESC, as it is shown
}
"""What Unicode takes for other characters, and what writers put in these ones' place."""
_LAST: Final = 0x1F200
_TAGS: Final = 0xE0000
"""From here on, characters that nobody sees stand for ASCII (Unicode, chapter 23.9)."""
_NOTHING: Final = 1
_LEADS: Final = (b"\xc2", b"\xcc", b"\xe2", b"\xef", b"\xf0", b"\xf3")


def _table() -> Bytes:
    """Return what each code point is read as: 0 for itself, ``_NOTHING`` for nothing."""
    table = np.zeros(_LAST, np.uint8)
    for first, last in ((0xA0, 0x100), (0x2000, 0x2600), (0xFE00, 0x10000), (0x1D400, _LAST)):
        for code in range(first, last):
            same = unicodedata.normalize("NFKC", chr(code))
            if len(same) == 1 and " " <= same <= "~":
                table[code] = ord(same)
    for char, codes in _DRAWN_ALIKE.items():
        table[list(codes)] = ord(char)
    table[[*_INVISIBLE, *_DRAWN_OVER]] = _NOTHING
    return table


_READ_AS: Final = _table()


def may_hold_look_alikes(raw: bytes) -> bool:
    """Tell whether a character begins as one of these does."""
    return not raw.isascii() and any(lead in raw for lead in _LEADS)


def look_alikes(text: Bytes) -> Edits:
    """Read each as the ASCII character that it stands for, or as nothing."""
    read, found = Reader(text), Found()
    for lead, size in ((0xC2, 2), (0xCC, 2), (0xE2, 3), (0xEF, 3), (0xF0, 4), (0xF3, 4)):
        at = np.flatnonzero(text == lead)
        if not len(at):
            continue
        code = np.full(len(at), lead & (0x7F >> size), np.int64)
        good = np.ones(len(at), np.bool_)
        for ahead in range(1, size):
            follows = read(at + ahead)
            good &= follows >> 6 == 2
            code = code << 6 | (follows & 0x3F)
        stands_for = _READ_AS[np.where(good & (code < _LAST), code, 0)]
        tagged = good & (code >= _TAGS + ord(" ")) & (code <= _TAGS + ord("~"))
        stands_for = np.where(tagged, code - _TAGS, stands_for)
        found.bytes_(stands_for > _NOTHING, at, size, stands_for)
        found.nothing(stands_for == _NOTHING, at, size)
    return found.edits()
