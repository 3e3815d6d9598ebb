"""What escapes are read with: a view's bytes beyond its end, and edits that are gathered kind by kind. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.search import Bytes
from app.redaction.views import Edits, Flags, Places, merge

Numbers = NDArray[np.int64]

NO_DIGIT: Final = 0xFF


def table_of(pairs: dict[int, int], otherwise: int = NO_DIGIT) -> Bytes:
    """Return a number for each byte."""
    table = np.full(256, otherwise, np.uint8)
    for key, value in pairs.items():
        table[key] = value
    return table


DIGIT: Final = table_of({ord(char): int(char, 16) for char in "0123456789abcdefABCDEF"})


def utf8(points: Numbers) -> tuple[Bytes, Places]:
    """Encode code points: a row of bytes for each, and how many of them count. Surrogates are encoded alike."""
    out = np.zeros((len(points), 4), np.uint8)
    count = 1 + (points > 0x7F).astype(np.intp) + (points > 0x7FF) + (points > 0xFFFF)
    lead = np.array([0, 0, 0xC0, 0xE0, 0xF0])
    for size in range(1, 5):
        mine = count == size
        if mine.any():
            these = points[mine]
            rows = [(these >> 6 * (size - 1)) | lead[size]]
            rows += [((these >> 6 * (size - 1 - place)) & 0x3F) | 0x80 for place in range(1, size)]
            out[mine, :size] = np.stack(rows, axis=1)
    return out, count


class Reader:
    """A view's bytes at places that may lie behind its end, where zeros are."""

    def __init__(self, text: Bytes, beyond: int = 40) -> None:
        self._text = np.concatenate((text, np.zeros(beyond, np.uint8)))

    def __call__(self, places: Places) -> Bytes:
        """Return the bytes at these places."""
        return self._text[places]

    def hexadecimal(self, places: Places, digits: int) -> tuple[Numbers, Flags]:
        """Read numbers of so many digits: what they are, and where they are numbers."""
        value, good = np.zeros(len(places), np.int64), np.ones(len(places), np.bool_)
        for ahead in range(digits):
            digit = DIGIT[self(places + ahead)]
            good &= digit != NO_DIGIT
            value = value * 16 + digit
        return value, good

    def number(self, places: Places, base: int, most: int) -> tuple[Numbers, Places]:
        """Read numbers of up to ``most`` digits: what they are, and how many digits they have."""
        value, size = np.zeros(len(places), np.int64), np.zeros(len(places), np.intp)
        for ahead in range(most):
            digit = DIGIT[self(places + ahead)]
            more = (digit < base) & (size == ahead)
            if not more.any():
                break
            value[more] = value[more] * base + digit[more]
            size[more] += 1
        return value, size


class Found:
    """The escapes of a layer, gathered kind by kind."""

    def __init__(self) -> None:
        self._parts: list[Edits] = []

    def points(self, which: Flags, at: Places, size: Places | int, points: Numbers) -> None:
        """Add escapes that stand for code points."""
        which = which & (points <= 0x10FFFF)
        if which.any():
            self.add(which, at, size, *utf8(points[which]))

    def bytes_(self, which: Flags, at: Places, size: Places | int, values: NDArray[np.integer]) -> None:
        """Add escapes that stand for a byte each."""
        out = values[which].astype(np.uint8)[:, None]
        self.add(which, at, size, out, np.ones(len(out), np.intp))

    def nothing(self, which: Flags, at: Places, size: Places | int) -> None:
        """Add what stands for nothing."""
        count = int(which.sum())
        self.add(which, at, size, np.zeros((count, 1), np.uint8), np.zeros(count, np.intp))

    def add(self, which: Flags, at: Places, size: Places | int, out: Bytes, count: Places) -> None:
        """Add escapes, each with a row of bytes of which ``count`` count."""
        if len(out):
            sizes = np.full(len(out), size, np.intp) if isinstance(size, int) else size[which]
            self._parts.append(Edits(at[which], sizes, out, count))

    def edits(self) -> Edits:
        """Return them from left to right."""
        return merge(self._parts)


def replace_spans(spans: Sequence[tuple[int, int, int | None]]) -> Edits:
    """Put a byte, or nothing, in the place of each of these spans."""
    found = Found()
    at = np.array([first for first, _, _ in spans], np.intp)
    size = np.array([end - first for first, end, _ in spans], np.intp)
    value = np.array([-1 if char is None else char for _, _, char in spans], np.int64)
    gone: Flags = value < 0
    found.nothing(gone, at, size)
    found.bytes_(~gone, at, size, value)
    return found.edits()


def without(text: Bytes, pattern: re.Pattern[bytes], signs: Sequence[bytes]) -> Edits:
    """Leave out all that a pattern matches, of a text that has one of the signs."""
    raw = text.tobytes()
    found = pattern.finditer(raw) if any(sign in raw for sign in signs) else ()
    return replace_spans([(*match.span(), None) for match in found])


def escaping(places: Places) -> Places:
    r"""Leave out of all backslashes those that are escaped themselves: every second one of a run."""
    if not len(places):
        return places
    first = np.concatenate(([True], np.diff(places) != 1))
    begins = places[np.maximum.accumulate(np.where(first, np.arange(len(places)), 0))]
    escaping: Places = places[(places - begins) % 2 == 0]
    return escaping
