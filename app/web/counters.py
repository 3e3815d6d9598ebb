"""Counters for rate limits in this process's memory, as a storage of the ``limits`` library.

Its own starts a thread every hundredth of a second to forget what is over; here that is done in passing.
Source: limits' docs, "Custom storage backends".
"""

from __future__ import annotations

import threading
import time
from typing import Final

from limits.storage import Storage

_SWEEP_AT: Final = 10_000


class Counters(Storage):
    """Counts for fixed windows, each until its window ends. Safe to share among threads."""

    STORAGE_SCHEME = None

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, float]] = {}
        self._sweep_at = _SWEEP_AT

    @property
    def base_exceptions(self) -> type[Exception]:
        """What counting may raise: nothing of its own."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, in a window that lasts ``expiry`` seconds from its first count; returns the count."""
        now = time.time()
        with self._lock:
            count, ends = self._windows.get(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + expiry
                self._sweep(now)
            self._windows[key] = count + amount, ends
        return count + amount

    def get(self, key: str) -> int:
        """Return the count of the window that lasts."""
        count, ends = self._windows.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, or now where there is none (Unix time)."""
        return max(self._windows.get(key, (0, 0.0))[1], time.time())

    def check(self) -> bool:
        """Tell that counting works."""
        return True

    def reset(self) -> int:
        """Forget every count; returns how many there were."""
        with self._lock:
            forgotten, self._windows = len(self._windows), {}
        return forgotten

    def clear(self, key: str) -> None:
        """Forget one count."""
        with self._lock:
            self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        if len(self._windows) >= self._sweep_at:
            self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._windows))
