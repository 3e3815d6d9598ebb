"""What the entry points share: opened once by ``wiring``, handed to whoever needs a part of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import TooManyCalls
from app.outbound.model import Outbound
from app.telemetry import call_in_flight
from app.vault import Vault


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's bounds that services apply: how many guesses a restricted value must take at least (0: any)."""

    restricted_min_guesses: float = 1e10


class InFlight:
    """Counts the calls that each workspace has under way in this process, and keeps them within a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, workspace: str) -> Iterator[None]:
        """Count a call for as long as the block runs. Raises ``TooManyCalls`` where there are as many as may be."""
        with self._lock:
            if self._counts[workspace] >= self._most:
                raise TooManyCalls(f"The workspace has {self._most} calls in flight already.", retry_after=1)
            self._counts[workspace] += 1
        try:
            with call_in_flight():
                yield
        finally:
            with self._lock:
                self._counts[workspace] -= 1
                if not self._counts[workspace]:
                    del self._counts[workspace]


@dataclass(frozen=True, slots=True)
class Resources:
    """The doors that are open: database sessions, Vault, the outside world, and the clock."""

    sessions: Sessions
    vault: Vault
    outbound: Outbound
    clock: Clock
    limits: Limits
    in_flight: InFlight
