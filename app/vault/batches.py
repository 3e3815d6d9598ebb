"""Requests that callers share who wait for the same key at the same moment, each for a part of their own.

Whoever asks while no request is under way begins one at once. Whoever asks meanwhile waits for the next, which begins
when that has ended and takes along all who wait by then; one of them carries it out. So every request begins after all
of its callers asked, a caller never waits for others to come, and nothing of an answer is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, TypeVar

from app.kernel.turns import yield_turn

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")

MOST_PARTS: Final = 64
"""Parts of one request at most: with more, none gets cheaper."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes of all parts of one request at most; a part that is longer goes alone."""
_BESIDE: Final = 32
"""What a part takes besides, as JSON."""


@dataclass(slots=True)
class _Part(Generic[R]):
    """What one caller asks for, and what came of it; ``woken`` is free when that is known, or it is theirs to ask."""

    item: str
    woken: Lock = field(default_factory=Lock)
    sent: bool = False
    result: tuple[R] | None = None
    error: Exception | None = None


class Batches(Generic[K, R]):
    """A queue for each key. Safe to share among threads; starts none.

    Args:
        send: Makes one request of a key for some items, and returns a result for each, in their order.
    """

    def __init__(self, send: Callable[[K, Sequence[str]], Sequence[R]]) -> None:
        self._send = send
        self._lock = Lock()
        self._queues: dict[K, deque[_Part[R]]] = {}
        """Who waits for the request after the one that is under way, for each key of which one is."""

    def ask(self, key: K, item: str) -> R:
        """Return what came of an item.

        Raises:
            VaultRefused, VaultUnavailable: The request failed, for all who shared it.
        """
        mine: _Part[R] = _Part(item)
        mine.woken.acquire()
        with self._lock:
            leads = key not in self._queues
            self._queues.setdefault(key, deque()).append(mine)
        if not leads:
            with yield_turn():  # whoever asks Vault needs a turn to come back from there
                mine.woken.acquire()
        if not mine.sent:
            self._lead(key, mine)
        if mine.error is not None:
            raise mine.error from None
        if mine.result is None:  # who carried it out is gone
            return self.ask(key, item)
        return mine.result[0]

    def _lead(self, key: K, mine: _Part[R]) -> None:
        """Ask for all who wait, as far as one request holds them, and hand over to the first who waits then."""
        with self._lock:
            batch = _take(self._queues[key])
        try:
            results = self._send(key, [part.item for part in batch])
            for part, result in zip(batch, results, strict=True):
                part.result = (result,)
        except Exception as error:
            for part in batch:
                part.error = error if part is mine else copy(error)  # without what its traceback holds
        finally:
            with self._lock:
                queue = self._queues[key]
                successor = queue[0] if queue else None
                if successor is None:
                    del self._queues[key]
            for each in (*batch, successor):
                if each is not None and each is not mine:
                    each.woken.release()


def _take(queue: deque[_Part[R]]) -> list[_Part[R]]:
    """Take the first of a queue, and with it as many as fit into one request."""
    taken: list[_Part[R]] = []
    size = 0
    while queue and len(taken) < MOST_PARTS:
        size += len(queue[0].item) + _BESIDE
        if taken and size > MOST_BYTES:
            break
        part = queue.popleft()
        part.sent = True
        taken.append(part)
    return taken
