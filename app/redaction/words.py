"""Numbers of two, four or eight bytes each, in hexadecimal digits: in a dump, their last byte comes first. Pure.

``6b73 6c5f`` is what ``od -x`` and ``hexdump`` write for ``sk_l`` on most machines; ``xxd -e`` and debuggers write
``6c5f6b73``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from app.redaction.views import ALNUM, Places, View, flag_bytes, flags_of

_DIGITS: Final = b"0123456789abcdefABCDEF"
_SHAPE: Final = bytes(
    ord("x") if code in _DIGITS else ord(" ") if code in b" \t\r\n," else ord("a") for code in range(256)
)
_SIZES: Final = (4, 8, 16)
_TWO_WORDS: Final = b"xxxx xxxx"
_PREFIXED_WORD: Final = b"xaxxxx"
_ALNUM_FLAGS: Final = flag_bytes(ALNUM)
_IS_DIGIT: Final = flags_of(_DIGITS)


def may_hold_words(raw: bytes) -> bool:
    """Tell whether two numbers of four digits or more follow one another, or any with a prefix."""
    shape = raw.translate(_SHAPE)
    return _TWO_WORDS in shape or ((b"0x" in raw or b"0X" in raw) and _PREFIXED_WORD in shape)


def swap_words(view: View, least: int) -> View | None:
    """Give the numbers of a view alone, the last byte of each before the others; None where there are too few.

    Args:
        least: The bytes that they have to have together.
    """
    alnum = np.frombuffer(b" %b " % view.raw.translate(_ALNUM_FLAGS), np.uint8) == 1
    edges = np.flatnonzero(alnum[1:] != alnum[:-1])
    begins, ends = edges[::2], edges[1::2]
    prefixed = (ends - begins) % 4 == 2
    prefixed[prefixed] = view.text[begins[prefixed] + 1] | 0x20 == ord("x")
    begins = begins + 2 * prefixed
    places: list[Places] = []
    for size in _SIZES:
        words = begins[ends - begins == size]
        words = words[_IS_DIGIT[view.text[words[:, None] + np.arange(size)]].all(axis=1)]
        if size * len(words) >= 2 * least:
            reversed_pairs = np.arange(size).reshape(-1, 2)[::-1].ravel()
            places.append((words[:, None] + reversed_pairs).ravel())
    return view.pick(np.concatenate(places)) if places else None
