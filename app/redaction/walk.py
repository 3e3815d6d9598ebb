"""Telling whether a text stands at a place of a body, each of its characters plain or escaped. Pure.

A text that may look like an escape itself has several readings at one place (``%25`` is a percent sign, or three
characters of a text that holds just these), so a walk is in several places at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from app.redaction import escapes

_BLOCK: Final = 256  # characters that are compared at once where nothing is escaped


class OutOfStepsError(Exception):
    """The walks through one window took longer than they may."""


@dataclass(frozen=True, repr=False)
class Pattern:
    """A text, and for each of its bytes the bytes that may stand there."""

    text: bytes
    accepted: tuple[bytes, ...]
    encoding: str

    def fits(self, raw: bytes, at: int) -> bool:
        """Tell whether these bytes may stand at this place of the text."""
        accepted = self.accepted[at : at + len(raw)]
        return len(accepted) == len(raw) and all(byte in choice for byte, choice in zip(raw, accepted, strict=True))

    @cached_property
    def masks(self) -> dict[int, int]:
        """For each byte, the places of the text where it may stand, as bits."""
        rows: dict[int, bytearray] = {}
        for at, choice in enumerate(reversed(self.accepted)):
            for byte in choice:
                rows.setdefault(byte, bytearray(b"0" * len(self.accepted)))[at] = ord("1")
        return {byte: int(row, 2) for byte, row in rows.items()}


class Walk:
    """Walks through one piece of a body, with so many steps to spend."""

    def __init__(self, pattern: Pattern, data: bytes, steps: int) -> None:
        self._pattern = pattern
        self._data = data
        self._steps = steps

    def forward(self, start: int, position: int) -> int | None:
        """Read the text from ``position`` to its end, beginning at ``start``: where the longest reading ends."""
        data, text, accepted = self._data, self._pattern.text, self._pattern.accepted
        try_block = position
        pending = {position: {start}}
        while pending:
            position = min(pending)
            places = pending.pop(position)
            if position == len(text):
                return max(places)
            self._spend(len(places))
            if len(places) == 1 and not pending and position >= try_block:
                (at,) = places
                block = text[position : position + _BLOCK]
                if data.startswith(block, at) and not escapes.FORK.search(block):
                    pending[position + len(block)] = {at + len(block)}
                    continue
                try_block = position + _BLOCK
            for at in places:
                if at < len(data) and data[at] in accepted[position]:
                    pending.setdefault(position + 1, set()).add(at + 1)
                for end, raw in self._readings(at, position):
                    pending.setdefault(position + len(raw), set()).add(end)
        return None

    def backward(self, end: int, position: int, free: int) -> int | None:
        """Read the text from ``position`` back to its start, ending at ``end``: where the longest reading starts.

        It starts at ``free`` or later.
        """
        data, text, accepted = self._data, self._pattern.text, self._pattern.accepted
        try_block = position
        pending = {position: {end}}
        while pending:
            position = max(pending)
            places = pending.pop(position)
            if position == 0:
                return min(places)
            self._spend(len(places))
            if len(places) == 1 and not pending and position <= try_block:
                (at,) = places
                block = text[max(0, position - _BLOCK) : position]
                first = at - len(block)
                escaped = escapes.START.search(data, max(free, first - escapes.LONGEST), at)
                if first >= free and data.startswith(block, first) and not escaped:
                    pending[position - len(block)] = {first}
                    continue
                try_block = position - _BLOCK
            for at in places:
                if at > free and data[at - 1] in accepted[position - 1]:
                    pending.setdefault(position - 1, set()).add(at - 1)
                for start, raw in self._readings_before(at, free):
                    if position >= len(raw) and self._pattern.fits(raw, position - len(raw)):
                        pending.setdefault(position - len(raw), set()).add(start)
        return None

    def every_reading(self, free: int, settled: int) -> Iterator[tuple[int, int]]:
        """Find the matches that start from ``free`` on and before ``settled``, in one pass whatever text and body are.

        The steps are as many as the body has bytes, each on a number with one bit for each place in the text.
        """
        data, masks, size = self._data, self._pattern.masks, len(self._pattern.text)
        pending: dict[int, int] = {}
        at = free
        while at <= len(data):
            reached = pending.pop(at, 0)
            if reached >> size:
                start = self.backward(at, size, free)
                end = None if start is None or start >= settled else self.forward(start, 0)
                if start is None or end is None:
                    return
                yield start, end
                at = free = end
                pending.clear()
                continue
            if at == len(data) or (at >= settled and not reached and not pending):
                return
            reached |= at < settled
            if bits := (reached & masks.get(data[at], 0)) << 1:
                pending[at + 1] = pending.get(at + 1, 0) | bits
            if data[at] in escapes.STARTS:
                for end, raw in escapes.readings(data, at, self._pattern.encoding):
                    if bits := _along(raw, reached, masks):
                        pending[end] = pending.get(end, 0) | bits
            at += 1

    def _readings(self, at: int, position: int) -> list[tuple[int, bytes]]:
        if at >= len(self._data) or self._data[at] not in escapes.STARTS:
            return []
        found = escapes.readings(self._data, at, self._pattern.encoding)
        return [(end, raw) for end, raw in found if self._pattern.fits(raw, position)]

    def _readings_before(self, end: int, free: int) -> Iterator[tuple[int, bytes]]:
        for start in escapes.START.finditer(self._data, max(free, end - escapes.LONGEST), max(free, end)):
            for stop, raw in escapes.readings(self._data, start.start(), self._pattern.encoding):
                if stop == end:
                    yield start.start(), raw

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise OutOfStepsError


def _along(raw: bytes, reached: int, masks: dict[int, int]) -> int:
    for byte in raw:
        reached = (reached & masks.get(byte, 0)) << 1
    return reached
