"""Turns at computing: of all threads at most a few run Python at a time, the others wait for a socket or for a turn.

Only one thread holds the interpreter's lock. With thirty that want it, whoever needs it for a moment waits for all of
them; with eight that may want it, the wait is short however many threads there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def take_turn(turns: threading.Semaphore) -> Iterator[None]:
    """Take a turn for as long as the block runs, except while it is in ``yield_turn``."""
    turns.acquire()
    _here.turns = turns
    try:
        yield
    finally:
        _here.turns = None
        turns.release()


@contextmanager
def yield_turn() -> Iterator[None]:
    """Give this thread's turn to others while the block waits for something outside; nothing happens without a turn."""
    turns: threading.Semaphore | None = getattr(_here, "turns", None)
    if turns is None:
        yield
        return
    turns.release()
    try:
        yield
    finally:
        turns.acquire()


@contextmanager
def hold_lock(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock for as long as the block runs, waiting for it without a turn: its holder may need one to go on."""
    with yield_turn():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
