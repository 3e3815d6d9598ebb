"""Group commit: what many threads want written at the same moment goes into one transaction.

As databases do for their logs. A commit that is durable costs about as much for one row as for twenty, and every call
writes two events.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app.db.cursor import Cursor, KeptConnections
from app.kernel.turns import yield_turn

T = TypeVar("T")

TURN_SECONDS: Final = 5
"""How long a process that stands still in the middle of a write keeps others waiting."""
_LOOKS_EVERY: Final = 0.0005  # seconds


class _Write:
    """One thread's item, and how it went; ``woken`` is free when it's settled, or the thread's turn to commit."""

    __slots__ = ("error", "item", "settled", "woken", "write")

    def __init__(self, item: Any, write: Callable[[Cursor, Sequence[Any]], object]) -> None:
        self.item = item
        self.write = write
        self.woken: Lock | None = None
        """None for who doesn't have to wait."""
        self.settled = False
        self.error: Exception | None = None


class GroupCommit:
    """Safe to share among threads; one of those that wait commits for all of them.

    ``turn_seconds`` is how long another process that writes the same SQLite file is waited for.
    """

    def __init__(self, engine: Engine, *, turn_seconds: float = TURN_SECONDS) -> None:
        self._kept = KeptConnections(engine, most=1)
        self._waiting: list[_Write] = []
        self._led = False
        self._lock = Lock()
        self._turns = _Turns(engine, turn_seconds)

    def write(self, item: T, write: Callable[[Cursor, Sequence[T]], object]) -> None:
        """Return when ``item`` is durable.

        Raises:
            Exception: What ``write`` raised for this item, or the commit.
            RuntimeError: The thread that was to commit it was broken off.
        """
        mine = _Write(item, write)
        with self._lock:
            if self._led:
                mine.woken = Lock()
                mine.woken.acquire()
            self._led = True
            self._waiting.append(mine)
        with yield_turn():  # for the disk, or for whoever writes to it
            if mine.woken is not None:
                mine.woken.acquire()
            if not mine.settled:
                self._lead(mine)
        if mine.error is not None:
            raise mine.error
        if not mine.settled:
            raise RuntimeError("whoever was to commit this was broken off")

    def close(self) -> None:
        """Close the connection, and let go of what turns are taken with."""
        self._kept.close()
        self._turns.close()

    @property
    def idle(self) -> int:
        """How many connections wait here for the next write."""
        return self._kept.idle

    def _lead(self, mine: _Write) -> None:
        """Commit for all who wait, and hand over to the first who came meanwhile."""
        batch: list[_Write] = []
        try:
            self._turns.take()
            try:
                with self._lock:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
            finally:
                self._turns.give()
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._led = successor is not None
            for each in (*batch, successor):
                if each is not None and each is not mine and each.woken is not None:
                    each.woken.release()

    def _commit(self, batch: Sequence[_Write]) -> None:
        kinds: dict[Callable[[Cursor, Sequence[Any]], object], list[Any]] = {}
        for each in batch:
            kinds.setdefault(each.write, []).append(each.item)

        def _all(cursor: Cursor) -> None:
            # In one order everywhere, so that no two processes ever wait for each other.
            for write, items in sorted(kinds.items(), key=lambda kind: kind[0].__qualname__):
                write(cursor, items)

        try:
            self._kept.write(_all)
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, OperationalError):
                for each in batch:
                    self._commit([each])
                return
            for each in batch:
                each.error = error
        for each in batch:
            each.settled = True


class _Turns:
    """Turns among the processes that share a SQLite file, by a lock on a file beside it.

    SQLite lets a second writer sleep and look again, each time longer; these looks stay short. Who has waited for long
    (for a process that was stopped, say), or can't lock the file, goes on with SQLite's own way.
    Source: flock(2), https://www.sqlite.org/c3ref/busy_timeout.html
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._path = Path(f"{path}-turn") if path and path != ":memory:" else None
        self._seconds = seconds
        self._file: int | None = None
        self._taken = False

    def take(self) -> None:
        """Wait for the turn, for a while; for one thread at a time."""
        self._taken = self._wait()

    def give(self) -> None:
        """Let others have it, where it was taken."""
        if self._taken and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._taken = False

    def close(self) -> None:
        """Close the file, if it was ever opened."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _wait(self) -> bool:
        if self._path is None:
            return False
        end = time.monotonic() + self._seconds
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while True:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > end:
                        return False
                    time.sleep(_LOOKS_EVERY)
                else:
                    return True
        except OSError:
            return False
