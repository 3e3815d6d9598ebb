"""Bytes as numbers of three digits with nothing between them: ``115107095``, ``163153137``. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.lists import lay_out
from app.redaction.views import Flags, Places, View, flags_of

_DIGITS: Final = bytes(ord("x") if code in b"0123456789" else ord(" ") for code in range(256))
_TEXT: Final = flags_of(bytes(range(0x20, 0x7F)) + b"\t\r\n")
_BASES: Final = (10, 8)


def may_hold_triples(raw: bytes, least: int) -> bool:
    """Tell whether as many digits follow one another as the numbers of ``least`` bytes have."""
    return b"x" * (3 * least) in raw.translate(_DIGITS)


def unpack_triples(view: View, least: int, *, ascii_only: bool) -> Iterator[View]:
    """Give what numbers of three digits read as, where they are text for ``least`` bytes."""
    digits = np.concatenate((view.text, np.zeros(2, np.uint8))).astype(np.int16) - ord("0")
    a, b, c = digits[:-2], digits[1:-1], digits[2:]
    for base in _BASES:
        value = (a * base + b) * base + c
        good = (a >= 0) & (b >= 0) & (c >= 0) & (a < base) & (b < base) & (c < base) & (value < 256)
        good &= _TEXT[value & 0xFF] if ascii_only else value > 0
        for phase in range(3):
            runs = _runs(good[phase::3], least)
            if runs is not None:
                at, run = runs
                yield lay_out(view, phase + 3 * at, phase + 3 * at + 3, value[phase + 3 * at][:, None], run, bare=True)


def _runs(good: Flags, least: int) -> tuple[Places, NDArray[np.intp]] | None:
    """Return the places of runs that are long enough, and the number of the run that each belongs to."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).view(np.int8)))
    begins, sizes = edges[::2], edges[1::2] - edges[::2]
    begins, sizes = begins[sizes >= least], sizes[sizes >= least]
    if not len(begins):
        return None
    stops = np.cumsum(sizes)
    return np.arange(int(stops[-1])) + np.repeat(begins - (stops - sizes), sizes), np.repeat(
        np.arange(len(begins)), sizes
    )
