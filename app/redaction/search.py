"""Looking for texts in bytes at a cost that tells nothing about either. Pure.

Every window of a text's whole length is hashed, under a key that each process draws anew, and a hit is compared in
full. So the work depends on how long the body is and how long the texts are, never on how far a piece of the body
agrees with one of them: ``bytes.find`` and every automaton stop at the first byte that differs.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.redaction.blocks import translated_blocks

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint32]
Label = TypeVar("Label")

FOLD: Final = bytes.maketrans(b"+", b" ")
"""What counts as one character: a form writes a blank as ``+``."""
_LEVELS: Final = 24


FOLD_CASE: Final = FOLD.lower()
"""The same where letters count whatever their case."""


def _draw_table() -> bytes:
    """Return a number for each byte, in an order that nobody knows."""
    codes = list(range(256))
    secrets.SystemRandom().shuffle(codes)
    return bytes(codes)


_TABLE: Final = FOLD.translate(table := _draw_table())
_TABLE_ANY_CASE: Final = FOLD_CASE.translate(table)
_FACTORS: Final = tuple(np.uint32(secrets.randbits(32) | 1) for _ in range(_LEVELS))
_LAST_FACTOR: Final = np.uint32(secrets.randbits(32) | 1)


class Search(Generic[Label]):
    """Finds several texts at once; made once for a call, used for each view of a body.

    Args:
        texts: Each with a label; of equal texts the first one's counts. An empty text is found nowhere.
        any_case: Whether ASCII letters count whatever their case.
    """

    def __init__(self, texts: Iterable[tuple[Label, bytes]], *, any_case: bool = False) -> None:
        self.fold = FOLD_CASE if any_case else FOLD
        self._table = _TABLE_ANY_CASE if any_case else _TABLE
        by_size: dict[int, dict[bytes, Label]] = defaultdict(dict)
        for label, text in texts:
            if text:  # an empty one is found nowhere
                by_size[len(text)].setdefault(text.translate(self.fold), label)
        self._by_size = {size: list(by_size[size].items()) for size in sorted(by_size)}
        self._sizes = list(self._by_size)
        # All texts in a row: they are hashed together with the first block that is looked at.
        row = b"".join(text for named in self._by_size.values() for text, _ in named)
        self._row = row.translate(self._table)
        self._wanted: dict[int, Hashes] = {}
        self.longest = max(by_size, default=0)

    def find(self, raw: bytes, *, without: bytes = b"") -> list[tuple[int, int, Label]]:
        """Return where texts stand: the first byte, the one after the last, and the text's label.

        Args:
            without: What is left out of ``raw`` before; the places are those in what is left.

        Returns:
            The places of each text are in order, and none overlaps another of the same text.
        """
        if not self._sizes or len(raw) < self._sizes[0]:
            return []
        places: dict[tuple[int, int], list[int]] = defaultdict(list)
        for first, carried, block in translated_blocks(raw, self._table, without, overlap=self.longest - 1):
            for size, begin, hashes in self._hash(block, carried):
                for number, wanted in enumerate(self._wanted[size]):
                    same = hashes == wanted
                    if np.count_nonzero(same):
                        places[size, number] += (first + begin + np.flatnonzero(same)).tolist()
        if not places:
            return []
        left = raw.translate(self.fold, without)
        return [hit for (size, number), found in places.items() for hit in self._compare(left, size, number, found)]

    def _hash(self, block: bytes, carried: int) -> Iterator[tuple[int, int, Hashes]]:
        """Hash a block's windows of each size, but for those within what was carried over from the block before.

        The texts that are looked for are hashed with the first block.
        """
        learn = not self._wanted
        together = np.frombuffer(block + self._row if learn else block, np.uint8)
        row = len(block)
        for size, hashes in _windows(together, self._sizes):
            if learn:
                named = self._by_size[size]
                self._wanted[size] = hashes[row : row + size * len(named) : size].copy()
                row += size * len(named)
            begin = max(0, carried - size + 1)
            if size <= len(block):
                yield size, begin, hashes[begin : len(block) - size + 1]

    def _compare(self, left: bytes, size: int, number: int, places: list[int]) -> Iterator[tuple[int, int, Label]]:
        text, label = self._by_size[size][number]
        free = 0
        for at in places:
            if at >= free and left[at : at + size] == text:
                free = at + size
                yield at, free, label


def _windows(block: Bytes, sizes: Sequence[int]) -> Iterator[tuple[int, Hashes]]:
    """Hash the windows of each size (given in rising order).

    A window of a power of two is hashed from its halves; any other from the two such windows that cover it.
    """
    hashes, span, level = block.astype(np.uint32), 1, 0
    for size in sizes:
        if size > len(block):
            return
        while 2 * span <= size:
            hashes = _pair(hashes[:-span], _FACTORS[level], hashes[span:])
            span, level = 2 * span, level + 1
        if span == size:
            yield size, hashes
        else:
            yield size, _pair(hashes[: span - size], _LAST_FACTOR, hashes[size - span :])


def _pair(left: Hashes, factor: np.uint32, right: Hashes) -> Hashes:
    both: Hashes = left * factor
    both += right
    return both
