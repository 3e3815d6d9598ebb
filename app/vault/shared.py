"""Reads that callers share who wait for the same at the same moment, and nobody who comes later.

A read is a request that all of its callers want the same part of: see ``batches``. So nobody gets a read that had
started before they asked, and no value is kept for anybody to come: it goes with the last of those who waited for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from app.vault.batches import Batches

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_ALL_OF_IT: Final = ""


class SharedReads(Generic[K, V]):
    """Safe to share among threads; starts none.

    Args:
        read: Reads something once.
    """

    def __init__(self, read: Callable[[K], V]) -> None:
        self._read = read
        self._batches: Batches[K, V] = Batches(self._read_for_all)

    def read(self, what: K) -> V:
        """Return what a read gives that all share who wait by its start. Raises what it does, a copy for each."""
        return self._batches.ask(what, _ALL_OF_IT)

    def _read_for_all(self, what: K, callers: Sequence[str]) -> Sequence[V]:
        return [self._read(what)] * len(callers)
