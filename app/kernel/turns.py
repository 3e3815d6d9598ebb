"""Turns at computing: of all threads at most a few run Python at a time, the others wait for a socket or for a turn.

Only one thread holds the interpreter's lock. With thirty that want it, whoever needs it for a moment waits for all of
them; with eight that may want it, the wait is short however many threads there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

_here = threading.local()


class Turns:
    """So many turns. Safe to share among threads.

    A queue of them does what a semaphore does, for a fifth of the time: a call takes and gives back a dozen.
    """

    __slots__ = ("_free",)

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(number):
            self._free.put(None)

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._free.qsize()

    def take(self) -> None:
        """Take one, once there is one."""
        self._free.get()

    def give(self) -> None:
        """Give one back."""
        self._free.put(None)


class take_turn:  # noqa: N801 - it reads as a verb where it is used
    """Take a turn for as long as the block runs, except while it is in ``yield_turn``."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        self._turns.take()
        _here.turns = self._turns

    def __exit__(self, *_error: object) -> None:
        _here.turns = None
        self._turns.give()


class yield_turn:  # noqa: N801
    """Give this thread's turn to others while the block waits for something outside; nothing happens without a turn."""

    __slots__ = ("_turns",)

    def __enter__(self) -> None:
        self._turns: Turns | None = getattr(_here, "turns", None)
        if self._turns is not None:
            self._turns.give()

    def __exit__(self, *_error: object) -> None:
        if self._turns is not None:
            self._turns.take()


@contextmanager
def hold_lock(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock for as long as the block runs, waiting for it without a turn: its holder may need one to go on."""
    with yield_turn():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
