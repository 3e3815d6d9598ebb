"""Wide characters: UTF-16 and UTF-32 within other bytes, read as UTF-8. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from app.redaction.escapes import utf8
from app.redaction.lists import lay_out
from app.redaction.search import Bytes
from app.redaction.views import BREAK, Flags, Places, View

_THREE: Final = re.compile(rb"\0.\0[^\0]\0", re.DOTALL)


def may_hold_wide(raw: bytes) -> bool:
    """Tell whether three Western characters of UTF-16 follow one another."""
    return b"\0" in raw and _THREE.search(raw) is not None


def wide(view: View, reach: int, *, ascii_only: bool) -> Iterator[View]:
    """Unpack UTF-16, where three Western characters follow one another; of UTF-32 it makes UTF-16.

    Args:
        reach: How many bytes around such a place a text may cover.
        ascii_only: Whether all texts that are looked for are ASCII: then it is the same text in either byte order.
    """
    nul = view.text == 0
    for parity in (0, 1):
        inside = _neighbourhood(nul, reach, parity)
        if inside is None:
            continue
        for aligned, order in ((parity, "be"), (1 - parity, "le")):
            if aligned and ascii_only:
                continue
            at = np.arange(aligned, len(nul) - 1, 2)
            at = at[inside[at]]
            high = int(order == "le")
            name = ("utf-16-" if view.encoding == "utf-8" else "utf-32-") + order
            yield _read(view, at, view.text[at + high], view.text[at + 1 - high], name, ascii_only=ascii_only)


def _neighbourhood(nul: Flags, reach: int, parity: int) -> Flags | None:
    """Tell which bytes are near to three Western characters whose NULs stand at even or odd places, if any do."""
    if len(nul) < 6:
        return None
    between = nul[:-4] & nul[2:-2] & ~nul[3:-1] & nul[4:]  # of UTF-32 two NULs more
    thrice = np.flatnonzero(between[parity::2]) * 2 + parity
    if not len(thrice):
        return None
    first = np.maximum(thrice - reach, 0) // 4 * 4
    last = np.minimum((thrice + reach) // 4 * 4 + 4, len(nul))
    begins = np.flatnonzero(np.concatenate(([True], first[1:] > last[:-1])))
    ends = np.append(begins[1:], len(first)) - 1
    inside = np.zeros(len(nul), np.bool_)
    for low, high in zip(first[begins].tolist(), last[ends].tolist(), strict=True):
        inside[low:high] = True
    return inside


def _read(view: View, at: Places, high: Bytes, low: Bytes, name: str, *, ascii_only: bool) -> View:
    if ascii_only or not (high.any() or (low > 0x7F).any()):
        return _read_ascii(view, at, high, low, name)
    out, count = utf8(high.astype(np.int64) << 8 | low)
    apart = np.concatenate((at[1:] - at[:-1] > 2, [True]))
    read = lay_out(view, at, at + 2, out, np.cumsum(apart) - apart, count)
    return View(read.text, read.source, read.origin, encoding=name)


def _read_ascii(view: View, at: Places, high: Bytes, low: Bytes, name: str) -> View:
    good = high == 0
    good[:-1] |= good[1:]  # in the other byte order the first character's NUL stands behind it
    text = np.where(good & (low < 0x80), low, BREAK).astype(np.uint8)
    text[np.flatnonzero(np.diff(at) > 2)] = BREAK
    origin = lambda asked: (at[asked] + (high[asked] != 0), at[asked] + 1)  # noqa: E731
    return View(text, view, origin, encoding=name)
