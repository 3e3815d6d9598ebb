"""Dumps: bytes in lines, each with its address and often its text beside it (``xxd``, ``od``). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from app.redaction.views import View

_ADDRESS: Final = re.compile(rb"\n[ \t]*[0-9A-Fa-f]{4,16}[: \t]")
_LINE: Final = re.compile(
    rb"(?:\A|(?<=[\n\"'>`]))[ \t]*[0-9A-Fa-f]{4,16}[: \t][ \t]*((?:[0-9A-Fa-f]{2}[ \t]{0,2}){0,16})([^\n]*\n?)"
)


def may_hold_dump(raw: bytes) -> bool:
    """Tell whether a line begins with an address."""
    return _ADDRESS.search(raw) is not None


def without_columns(view: View, *, order: int) -> Iterator[View]:
    """Give a dump's lines without their addresses: whole, the digits alone, and the text beside them alone.

    Args:
        order: See ``joins.rejoin``.
    """
    if not may_hold_dump(view.raw):
        return
    lines = list(_LINE.finditer(view.raw))
    for spans in (
        [(line.start(1), line.end(2)) for line in lines],
        [line.span(1) for line in lines],
        [line.span(2) for line in lines],
    ):
        if left := _pick(view, spans, order):
            yield left


def _pick(view: View, spans: Sequence[tuple[int, int]], order: int) -> View | None:
    first, end = np.array(spans, np.intp).reshape(-1, 2).T
    sizes = end - first
    stops = np.cumsum(sizes)
    if not len(stops) or not stops[-1]:
        return None
    places = np.arange(int(stops[-1])) + np.repeat(first - (stops - sizes), sizes)
    fresh = np.concatenate(([False], np.diff(places) > 1))
    return view.pick(places, order=order, fresh=fresh)
