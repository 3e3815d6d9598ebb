"""A body as it reads once something in it is undone, with the way back to the body's own bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.search import Bytes

Offsets = NDArray[np.int32]
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

BREAK: Final = 0xFF
"""Stands between pieces that don't belong together; no text in UTF-8 holds it."""
_WHOLE: Final = 8 * 1024
"""A view up to this size is never cut to the neighbourhood of what changed."""


def flags_of(codes: bytes) -> Flags:
    """Return for each of the 256 bytes whether it is one of these."""
    return np.array([code in codes for code in range(256)])


@dataclass(frozen=True, eq=False)
class View:
    """Bytes to look through.

    ``start`` and ``end`` say, for each byte, which bytes of the body it was made of (None: it is the body itself);
    ``fresh`` marks the bytes that the last step made (None: all of them). ``encoding`` is what text at this place of
    the body is written in.
    """

    text: Bytes
    start: Offsets | None = None
    end: Offsets | None = None
    fresh: Flags | None = None
    encoding: str = "utf-8"
    order: int = 0
    bare: bool = False
    """Whether what it was made of are numbers, which stand in no quotes."""
    packed: bool = False
    """Whether it was unpacked, and may be noise for the most part."""
    padded: bool = False
    """Whether it was base64, behind which ``=`` may stand."""
    settled: bool = False
    """Whether only the usual kinds of escapes are undone in it: of unpacked bytes others would make no end of noise."""

    @classmethod
    def of(cls, body: bytes) -> View:
        """Return a body as it is."""
        view = cls(np.frombuffer(body, np.uint8))
        view.__dict__["raw"] = body
        return view

    @cached_property
    def raw(self) -> bytes:
        """The same as ``bytes``."""
        return self.text.tobytes()

    @cached_property
    def made(self) -> Offsets:
        """How many fresh bytes stand before each place, the end included."""
        assert self.fresh is not None
        made = np.zeros(len(self.fresh) + 1, np.int32)
        np.cumsum(self.fresh, dtype=np.int32, out=made[1:])
        return made

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return which bytes of the body the bytes from ``first`` up to ``last`` of this view were made of."""
        if self.start is None or self.end is None:
            return first, last
        return int(self.start[first:last].min()), int(self.end[first:last].max())

    def pick(self, places: Places, **changes: object) -> View:
        """Return a view of these bytes alone; all of them count as fresh unless ``fresh`` says otherwise."""
        start = places.astype(np.int32) if self.start is None else self.start[places]
        end = start + np.int32(1) if self.end is None else self.end[places]
        kept = {"encoding": self.encoding, "settled": self.settled} | changes
        return View(self.text[places], start, end, **kept)  # type: ignore[arg-type]

    def spread(self, first: Places, last: Places) -> tuple[Offsets, Offsets]:
        """Return the body's offsets of pieces that begin with the byte ``first`` and end with the byte ``last``."""
        if self.start is None or self.end is None:
            return first.astype(np.int32), (last + 1).astype(np.int32)
        return self.start[first], self.end[last]


@dataclass(frozen=True, eq=False)
class Edits:
    """What stands in the place of some pieces of a view: from left to right, none overlapping another.

    ``out`` has a row for each edit, of which ``count`` bytes count: never more than the piece has.
    """

    at: Places
    size: Places
    out: Bytes
    count: Places

    def where(self, which: Flags) -> Edits:
        """Return some of them."""
        return Edits(self.at[which], self.size[which], self.out[which], self.count[which])

    def __len__(self) -> int:
        return len(self.at)


def rewrite(view: View, edits: Edits, *, order: int, reach: int) -> View | None:
    """Undo one layer of escapes around what is new; None where nothing is.

    Args:
        edits: What the layer's escapes stand for.
        order: Which kind of escapes these are. Kinds that don't touch one another give the same in any order, so a
            kind before the last one's is undone only where it takes in a byte that the last step made.
        reach: How many bytes around an edit a value that takes it in may cover.
    """
    if view.fresh is not None and order < view.order:
        new = edits.where(view.made[edits.at + edits.size] > view.made[edits.at])
    else:
        new = edits
    if not len(new):
        return None
    if len(view.text) > _WHOLE:
        view, edits = _around(view, edits, new, reach)
    return _apply(view, edits, order)


def _around(view: View, edits: Edits, new: Edits, reach: int) -> tuple[View, Edits]:
    first = np.maximum(new.at - reach, 0)
    last = np.minimum(new.at + new.size + reach, len(view.text))
    begins = np.flatnonzero(np.concatenate(([True], first[1:] > last[:-1])))
    first, last = first[begins], last[np.concatenate((begins[1:] - 1, [len(last) - 1]))]
    if 4 * int((last - first).sum()) > 3 * len(view.text):
        return view, edits
    piece = np.searchsorted(first, edits.at, "right") - 1
    inside = (piece >= 0) & (edits.at + edits.size <= last[piece])
    sizes = last - first + 1  # each ends with a break
    shift = np.concatenate(([0], np.cumsum(sizes)[:-1])) - first
    places = np.arange(int(sizes.sum())) - np.repeat(shift, sizes)
    cut = view.pick(np.minimum(places, len(view.text) - 1))
    cut.text[np.cumsum(sizes) - 1] = BREAK
    kept = edits.where(inside)
    return cut, Edits(kept.at + shift[piece[inside]], kept.size, kept.out, kept.count)


def _apply(view: View, edits: Edits, order: int) -> View:
    kept = np.ones(len(view.text), np.bool_)
    for ahead in range(int(edits.size.max())):
        gone = (edits.count <= ahead) & (edits.size > ahead)
        kept[edits.at[gone] + ahead] = False
    left = np.flatnonzero(kept)
    text, fresh = view.text.take(left), np.zeros(len(left), np.bool_)
    start = left.astype(np.int32) if view.start is None else view.start.take(left)
    end = start + np.int32(1) if view.end is None else view.end.take(left)
    began, ended = view.spread(edits.at, edits.at + edits.size - 1)
    removed = edits.size - edits.count
    at = edits.at - (np.cumsum(removed) - removed)
    for ahead in range(int(edits.count.max())):
        made = edits.count > ahead
        places = at[made] + ahead
        text[places] = edits.out[made, ahead]
        start[places], end[places], fresh[places] = began[made], ended[made], True
    # Where nothing was put in its place, the next byte has a new neighbour.
    if len(fresh):
        fresh[np.minimum(at[edits.count == 0], len(fresh) - 1)] = True
    return View(text, start, end, fresh, view.encoding, order, settled=view.settled)


def readable(view: View, least: int, *, ascii_only: bool) -> View | None:
    """Return what of a view could be text, since undoing what is none makes noise without end; None where nothing is.

    Args:
        least: The bytes of the shortest piece that is kept.
        ascii_only: Whether all texts that are looked for are ASCII: then what isn't ASCII is none either.
    """
    if view.raw.isascii() and b"\0" not in view.raw:
        return view
    fine = np.concatenate((view.text, np.zeros(1, np.uint8))) - np.uint8(1) < 0x7F
    if not ascii_only:
        _add_utf8(fine, np.concatenate((view.text, np.zeros(1, np.uint8))))
    edges = np.flatnonzero(fine[1:] != fine[:-1]) + 1
    if fine[0]:
        edges = np.concatenate(([0], edges))
    begins, sizes = edges[::2], np.diff(edges)[::2]
    kept = sizes >= least
    begins, sizes = begins[kept], sizes[kept] + 1  # each ends with a break
    if not len(begins):
        return None
    if 4 * int(sizes.sum()) > 3 * len(view.text):
        return view
    stops = np.cumsum(sizes)
    places = np.arange(int(stops[-1])) + np.repeat(begins - (stops - sizes), sizes)
    cut = view.pick(np.minimum(places, len(view.text) - 1), padded=view.padded)
    cut.text[stops - 1] = BREAK
    return cut


def _add_utf8(fine: Flags, text: Bytes) -> None:
    follows, leads = text >> 6 == 2, text >= 0xC2
    fine[:-1] |= leads[:-1] & follows[1:]
    fine[1:] |= follows[1:] & (leads | follows)[:-1]
    fine[-1] = False
