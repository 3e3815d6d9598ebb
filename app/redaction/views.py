"""A body as it reads once something in it is undone, with the way back to the body's own bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Literal

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
_FEW: Final = 4
"""Of how many bytes one is asked for, at most, where the way back is gone for each by itself."""


ALNUM: Final = bytes(code for code in range(128) if chr(code).isalnum())


@cache
def flag_bytes(codes: bytes) -> bytes:
    """Return the same as ``flags_of`` as a table for ``bytes.translate``: ones and noughts."""
    return bytes(code in codes for code in range(256))


def flags_of(codes: bytes) -> Flags:
    """Return for each of the 256 bytes whether it is one of these."""
    return np.frombuffer(flag_bytes(codes), np.bool_)


@dataclass(frozen=True, eq=False)
class View:
    """Bytes to look through.

    ``origin`` tells for the bytes at some places which bytes of ``source`` each was made of, the first and the last; it
    is asked only where something was found (None: it is the body itself). ``fresh`` marks the bytes that the last step
    made (None: all of them). ``encoding`` is what text at this place of the body is written in.
    """

    text: Bytes
    source: View | None = None
    origin: Callable[[Places], tuple[Places, Places]] | None = None
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
    aside: bool = False
    """Whether kinds were undone in it that most texts with their signs don't mean (see ``layers``)."""

    @classmethod
    def of(cls, body: bytes) -> View:
        """Return a body as it is."""
        view = cls(np.frombuffer(body, np.uint8))
        view.__dict__["raw"] = body
        return view

    @cached_property
    def offsets(self) -> tuple[Offsets, Offsets] | None:
        """Where, for each byte, what it was made of begins and ends in the body; None for the body itself."""
        if self.source is None or self.origin is None:
            return None
        return self.source.spread(*self.origin(np.arange(len(self.text))))

    @cached_property
    def raw(self) -> bytes:
        """The same as ``bytes``."""
        return self.text.tobytes()

    def holds(self, sign: bytes) -> bool:
        """Tell whether some bytes stand here in a row."""
        if len(sign) == 1:
            return sign in self.raw
        return bool(self._pairs[sign[0] | sign[1] << 8]) and (len(sign) == 2 or sign in self.raw)

    @cached_property
    def _pairs(self) -> Flags:
        """Which two bytes in a row stand here: that is looked up far sooner than each is looked for."""
        pairs = np.zeros(1 << 16, np.bool_)
        if len(self.raw) > 1:
            pairs[np.ndarray((len(self.raw) - 1,), "<u2", self.raw, strides=(1,))] = True
        return pairs

    @cached_property
    def made(self) -> Offsets:
        """How many fresh bytes stand before each place, the end included."""
        assert self.fresh is not None
        made = np.zeros(len(self.fresh) + 1, np.int32)
        np.cumsum(self.fresh, dtype=np.int32, out=made[1:])
        return made

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return which bytes of the body the bytes from ``first`` up to ``last`` of this view were made of."""
        if self.offsets is None:
            return first, last
        start, end = self.offsets
        return int(start[first:last].min()), int(end[first:last].max())

    def pick(self, places: Places, **changes: object) -> View:
        """Return a view of these bytes alone; all of them count as fresh unless ``fresh`` says otherwise."""
        kept = {"encoding": self.encoding, "settled": self.settled, "aside": self.aside} | changes
        return View(self.text[places], self, lambda asked: (places[asked],) * 2, **kept)  # type: ignore[arg-type]

    def spread(self, first: Places, last: Places) -> tuple[Offsets, Offsets]:
        """Return the body's offsets of pieces that begin with the byte ``first`` and end with the byte ``last``."""
        if _FEW * len(first) < len(self.text):
            return self._trace(first, 0), self._trace(last, 1)
        if self.offsets is None:
            return first.astype(np.int32), (last + 1).astype(np.int32)
        start, end = self.offsets
        return start.take(first), end.take(last)

    def _trace(self, places: Places, side: Literal[0, 1]) -> Offsets:
        """Go the way back from these places alone, step by step: to where each begins in the body, or to its end."""
        view = self
        while view.source is not None and view.origin is not None:
            if (known := view.__dict__.get("offsets")) is not None:
                offsets: Offsets = known[side].take(places)
                return offsets
            places, view = view.origin(places)[side], view.source
        return (places + side).astype(np.int32)

    @property
    def whereabouts(self) -> bytes:
        """Where in the body some of its bytes were made of: another view with the same bytes may be of others."""
        if not len(self.text):
            return b""
        some = np.array([0, len(self.text) // 2, max(0, len(self.text) - 2)], np.intp)
        return self._trace(some, 1).tobytes()


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


def merge(edits: Sequence[Edits]) -> Edits:
    """Return several kinds' edits as those of one; of two that overlap, the one that begins before the other.

    Args:
        edits: Where two begin at the same place, those of the first kind count.
    """
    edits = [each for each in edits if len(each)]
    if not edits:
        nobody = np.zeros(0, np.intp)
        return Edits(nobody, nobody, np.zeros((0, 1), np.uint8), nobody)
    if len(edits) == 1:
        return edits[0]
    width = max(each.out.shape[1] for each in edits)
    at = np.concatenate([each.at for each in edits])
    order = np.argsort(at, kind="stable")
    at, size = at[order], np.concatenate([each.size for each in edits])[order]
    free = np.ones(len(at), np.bool_)
    free[1:] = at[1:] >= np.maximum.accumulate(at + size)[:-1]
    out = np.concatenate([np.pad(each.out, ((0, 0), (0, width - each.out.shape[1]))) for each in edits])
    count = np.concatenate([each.count for each in edits])
    return Edits(at[free], size[free], out[order[free]], count[order[free]])


def rewrite(
    view: View, edits: Edits, *, order: int, reach: int, along: Callable[[], Edits] | None = None
) -> View | None:
    """Undo one layer of escapes around what is new; None where nothing is.

    Args:
        edits: What the layer's escapes stand for.
        order: Which kind of escapes these are. Kinds that don't touch one another give the same in any order, so a
            kind before the last one's is undone only where it takes in a byte that the last step made.
        reach: How many bytes around an edit a value that takes it in may cover.
        along: Gives what is undone with it, and isn't new by itself.
    """
    if view.fresh is not None and order < view.order:
        new = edits.where(view.made[edits.at + edits.size] > view.made[edits.at])
    else:
        new = edits
    if not len(new):
        return None
    if along is not None:
        edits = merge((edits, along()))
    if len(view.text) > _WHOLE:
        view, edits = _around(view, edits, new, reach)
    return _apply(view, edits, order)


def _around(view: View, edits: Edits, new: Edits, reach: int) -> tuple[View, Edits]:
    spans = _near(new.at, new.at + new.size, reach, len(view.text))
    if spans is None:
        return view, edits
    first, last = spans
    cut, shift = _cut(view, first, last)
    piece = np.searchsorted(first, edits.at, "right") - 1
    inside = (piece >= 0) & (edits.at + edits.size <= last[piece])
    kept = edits.where(inside)
    return cut, Edits(kept.at + shift[piece[inside]], kept.size, kept.out, kept.count)


def around(view: View, places: Places, reach: int) -> View:
    """Return what of a view stands near to these places; the view itself where that is most of it.

    Args:
        places: In rising order.
        reach: How many bytes before and behind each are near.
    """
    if len(view.text) <= _WHOLE or (spans := _near(places, places + 1, reach, len(view.text))) is None:
        return view
    return _cut(view, *spans)[0]


def _near(first: Places, end: Places, reach: int, size: int) -> tuple[Places, Places] | None:
    """Return spans that reach so many bytes beyond these, joined where they meet; None where they are most of it."""
    first, last = np.maximum(first - reach, 0), np.minimum(end + reach, size)
    begins = np.flatnonzero(np.concatenate(([True], first[1:] > last[:-1])))
    first, last = first[begins], last[np.concatenate((begins[1:] - 1, [len(last) - 1]))]
    return None if 4 * int((last - first).sum()) > 3 * size else (first, last)


def _cut(view: View, first: Places, last: Places, **changes: object) -> tuple[View, Places]:
    """Return these spans of a view, each with a break behind it, and how far each one's places moved."""
    ends = np.cumsum(last - first + 1)
    cut = view.pick(np.minimum(span_places(first, last + 1), len(view.text) - 1), **changes)
    cut.text[ends - 1] = BREAK
    return cut, ends - 1 - last


def span_places(first: Places, end: Places) -> Places:
    """Return the places of all bytes in these spans."""
    sizes = end - first
    stops = np.cumsum(sizes)
    places: Places = np.repeat(first - (stops - sizes), sizes)
    places += np.arange(len(places))
    return places


def blank_out(view: View, spans: Sequence[tuple[int, int]], size: int) -> Bytes:
    """Return a view's text with a break for each byte that was made of one of these spans of a body of this size."""
    inside = np.zeros(size + 1, np.bool_)
    for first, end in spans:
        inside[first:end] = True
    start = np.arange(len(view.text)) if view.offsets is None else view.offsets[0]
    return np.where(inside[start], np.uint8(BREAK), view.text)


def _apply(view: View, edits: Edits, order: int) -> View:
    kept = np.ones(len(view.text), np.bool_)
    for ahead in range(int(edits.size.max())):
        gone = (edits.count <= ahead) & (edits.size > ahead)
        kept[edits.at[gone] + ahead] = False
    text = view.text[kept]
    fresh = np.zeros(len(text), np.bool_)
    removed = edits.size - edits.count
    at = edits.at - (np.cumsum(removed) - removed)
    made = [(at[which] + ahead, which) for ahead in range(int(edits.count.max())) for which in [edits.count > ahead]]
    for ahead, (places, which) in enumerate(made):
        text[places], fresh[places] = edits.out[which, ahead], True
    # Where nothing was put in its place, the next byte has a new neighbour.
    if len(fresh):
        fresh[np.minimum(at[edits.count == 0], len(fresh) - 1)] = True

    @cache
    def sources() -> tuple[Places, Places]:
        first = np.flatnonzero(kept)
        last = first.copy()
        for places, which in made:
            first[places], last[places] = edits.at[which], edits.at[which] + edits.size[which] - 1
        return first, last

    def origin(asked: Places) -> tuple[Places, Places]:
        first, last = sources()
        return first[asked], last[asked]

    return View(text, view, origin, fresh, view.encoding, order, settled=view.settled, aside=view.aside)


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
    begins, sizes = begins[kept], sizes[kept]
    if not len(begins):
        return None
    if 4 * int((sizes + 1).sum()) > 3 * len(view.text):  # each ends with a break
        return view
    return _cut(view, begins, begins + sizes, padded=view.padded)[0]


def _add_utf8(fine: Flags, text: Bytes) -> None:
    follows, leads = text >> 6 == 2, text >= 0xC2
    fine[:-1] |= leads[:-1] & follows[1:]
    fine[1:] |= follows[1:] & (leads | follows)[:-1]
    fine[-1] = False
