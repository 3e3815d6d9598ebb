"""Turns among processes, by a lock on a file: one has it at a time, and the others wait in the kernel's line.

SQLite lets a second writer sleep and look again, each time longer. Here nobody looks again: a thread stands in line
for its process, since whoever waits for a file's lock can't be called back, and a turn is waited for only so long.
Source: flock(2), https://www.sqlite.org/c3ref/busy_timeout.html
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import BinaryIO


class FileTurns:
    """This process's turns. Who has waited for long (for a process that was stopped, say) goes on without one.

    Args:
        path: The file that is locked; None: there is nobody to take turns with.
        seconds: How long a turn is waited for.
    """

    def __init__(self, path: Path | None, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._file: BinaryIO | None = None
        self._taken = False
        self._lock = Lock()
        self._wishes: SimpleQueue[bool] = SimpleQueue()
        self._in_line = False
        """Whether the thread waits for the file's lock."""
        self._wanted = False
        """Whether somebody waits for the thread."""
        self._granted = Lock()
        self._granted.acquire()
        self._thread: Thread | None = None

    def take(self) -> None:
        """Wait for the turn, for a while; for one thread at a time. Where the file can't be locked, go on without."""
        self._taken = False
        if self._path is None:
            return
        with suppress(OSError, ValueError):  # it can't be opened, or was closed
            self._taken = self._take_now(self._path) or self._granted.acquire(timeout=self._seconds) or self._give_up()

    def give(self) -> None:
        """Let others have it, where it was taken."""
        if self._taken and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._taken = False

    def close(self) -> None:
        """Close the file, if it was ever opened."""
        self._wishes.put(False)
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _take_now(self, path: Path) -> bool:
        """Take the turn if nobody has it, and tell whether that was so; else have the thread stand in line."""
        with self._lock:
            if self._file is None:
                self._file = open(path, "ab", buffering=0, opener=_for_owner_alone)  # noqa: SIM115  # closed by ``close``
            if not self._in_line:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._stand_in_line(self._file)
                else:
                    return True
            self._wanted = True
        return False

    def _stand_in_line(self, file: BinaryIO) -> None:
        self._in_line = True
        if self._thread is None:
            self._thread = Thread(target=self._wait, args=(file,), name="turn", daemon=True)
            self._thread.start()
        self._wishes.put(True)

    def _give_up(self) -> bool:
        """Wait no more; tells whether the turn came in that moment."""
        with self._lock:
            self._wanted = False
            return self._granted.acquire(blocking=False)

    def _wait(self, file: BinaryIO) -> None:
        while self._wishes.get():
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                with self._lock:
                    self._in_line = False
                    if self._wanted:
                        self._wanted = False
                        self._granted.release()
                    else:
                        fcntl.flock(file, fcntl.LOCK_UN)  # it came too late
            except (OSError, ValueError):  # it was closed
                return


def _for_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
