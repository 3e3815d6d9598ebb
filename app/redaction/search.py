"""Looking for texts in bytes at a cost that tells nothing about either. Pure.

Every window of a text's whole length is hashed, under a key that each process draws anew, and a hit is compared in
full. So the work depends on how long the body is and how long the texts are, never on how far a piece of the body
agrees with one of them: ``bytes.find`` and every automaton stop at the first byte that differs.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint32]

FOLD: Final = bytes.maketrans(b"+", b" ")
"""What counts as one character: a form writes a blank as ``+``."""
_BLOCK: Final = 32 * 1024  # positions that are looked at together, so that all that is computed stays in the cache
_LEVELS: Final = 24


FOLD_CASE: Final = FOLD.lower()


def _draw_table() -> Hashes:
    return np.frombuffer(secrets.token_bytes(4 * 256), np.uint32).copy()


_TABLE: Final = _draw_table()[np.frombuffer(FOLD, np.uint8)]
_TABLE_ANY_CASE: Final = _TABLE[np.frombuffer(FOLD_CASE, np.uint8)]
_FACTORS: Final = tuple(np.uint32(secrets.randbits(32) | 1) for _ in range(_LEVELS))
_LAST_FACTOR: Final = np.uint32(secrets.randbits(32) | 1)


class Search:
    """Finds several texts at once; made once for a call, used for each view of a body.

    Args:
        texts: Each with the name of the value that it is a form of; an empty one is found nowhere.
        any_case: Whether ASCII letters count whatever their case.
    """

    def __init__(self, texts: Sequence[tuple[str, bytes]], *, any_case: bool = False) -> None:
        self._fold = FOLD_CASE if any_case else FOLD
        self._table = _TABLE_ANY_CASE if any_case else _TABLE
        by_size: dict[int, dict[bytes, str]] = defaultdict(dict)
        for name, text in texts:
            if text:
                by_size[len(text)].setdefault(text.translate(self._fold), name)
        self._by_size = {size: list(named.items()) for size, named in sorted(by_size.items())}
        self._hashes = {size: _hashes(size, named, self._table) for size, named in self._by_size.items()}
        self.shortest = min(by_size, default=0)
        self.longest = max(by_size, default=0)
        self.fewest = min((_characters(text) for named in by_size.values() for text in named), default=0)

    def find(self, view: Bytes) -> list[tuple[int, int, str]]:
        """Return where texts stand: the first byte, the one after the last, and the value's name.

        Args:
            view: One-dimensional, ``uint8``.

        Returns:
            The places of each text are in order, and none overlaps another of the same text.
        """
        sizes = [size for size in self._by_size if size <= len(view)]
        if not sizes:
            return []
        places: dict[tuple[int, int], list[int]] = defaultdict(list)
        step = max(_BLOCK, 4 * sizes[-1])
        for first in range(0, len(view) - sizes[0] + 1, step):
            block = view[first : first + step + sizes[-1] - 1]
            for size, hashes in _windows(block, sizes, step, self._table):
                for number, wanted in enumerate(self._hashes[size]):
                    same = hashes == wanted
                    if same.any():
                        places[size, number] += (first + np.flatnonzero(same)).tolist()
        return [hit for (size, number), found in places.items() for hit in self._compare(view, size, number, found)]

    def _compare(self, view: Bytes, size: int, number: int, places: list[int]) -> Iterator[tuple[int, int, str]]:
        text, name = self._by_size[size][number]
        free = 0
        for at in places:
            if at >= free and view[at : at + size].tobytes().translate(self._fold) == text:
                free = at + size
                yield at, free, name


def _characters(text: bytes) -> int:
    return sum(byte & 0xC0 != 0x80 for byte in text)


def _hashes(size: int, named: Sequence[tuple[bytes, str]], table: Hashes) -> Hashes:
    together = np.frombuffer(b"".join(text for text, _ in named), np.uint8)
    return np.concatenate([hashes for _, hashes in _windows(together, [size], 0, table)])[::size].copy()


def _windows(block: Bytes, sizes: Sequence[int], most: int, table: Hashes) -> Iterator[tuple[int, Hashes]]:
    """Hash the windows of each size (given in rising order), ``most`` of them at most where that isn't 0.

    A window of a power of two is hashed from its halves; any other from the two such windows that cover it.
    """
    hashes, span, level = table.take(block), 1, 0
    for size in sizes:
        if size > len(block):
            return
        while 2 * span <= size:
            hashes = hashes[:-span] * _FACTORS[level] + hashes[span:]
            span, level = 2 * span, level + 1
        count = len(block) - size + 1
        count = min(count, most) if most else count
        yield size, hashes[:count] * _LAST_FACTOR + hashes[size - span : size - span + count]
