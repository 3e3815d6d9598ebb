"""Reads that callers share who wait for the same at the same moment, and nobody who comes later.

A read is a request that all of its callers want the same part of: see ``batches``. So nobody gets a read that had
started before they asked, and no value is kept for anybody to come: it goes with the last of those who waited for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

<<<<<<< HEAD
from app.kernel.turns import yield_turn
=======
from app.vault.batches import Batches
>>>>>>> main

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

<<<<<<< HEAD
    def __init__(self) -> None:
        self._lock = Lock()
        self._next: dict[Hashable, _Round[V] | None] = {}
        """For each read that is under way the one after it, where somebody waits for that."""

    def read(self, what: Hashable, read: Callable[[], V]) -> V:
        """Give what ``read`` gives, or gave to another who waited. Its errors are shared alike."""
        mine, carries_out = self._join(what)
        if mine is None:
            try:
                return read()
            finally:
                self._pass_on(what)
        if carries_out:
            return self._in_turn(what, mine, read)
        with yield_turn():  # whoever reads needs a turn to come back from the wait for Vault
            mine.over.wait()
        if mine.error is not None:
            raise copy(mine.error) from None
        if mine.gave is None:  # who was to carry it out is gone
            return self.read(what, read)
        return mine.gave[0]

    def _join(self, what: Hashable) -> tuple[_Round[V] | None, bool]:
        """Give the round to wait for, none where a read can start now, and whether it is the caller's to carry out."""
        with self._lock:
            if what not in self._next:
                self._next[what] = None
                return None, True
            others = self._next[what]
            mine = self._next[what] = others or _Round()
            return mine, others is None

    def _in_turn(self, what: Hashable, mine: _Round[V], read: Callable[[], V]) -> V:
        try:
            with yield_turn():
                mine.turn.wait()
            value = read()
            mine.gave = (value,)
            return value
        except Exception as error:
            mine.error = copy(error)  # without what its traceback holds
            raise
        finally:
            mine.over.set()
            self._pass_on(what, mine)

    def _pass_on(self, what: Hashable, mine: _Round[V] | None = None) -> None:
        """Let the next round start; where ``mine`` hasn't started, nobody is to carry it out any more."""
        with self._lock:
            others = self._next.pop(what)
            if others is not None:
                self._next[what] = None
        if others is not None and others is not mine:
            others.turn.set()
=======
    def _read_for_all(self, what: K, callers: Sequence[str]) -> Sequence[V]:
        return [self._read(what)] * len(callers)
>>>>>>> main
