"""What the entry points share: opened once by ``wiring``, handed to whoever needs a part of it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import TooManyCalls
from app.outbound import Outbound
from app.telemetry import calls_in_flight
from app.vault import Vault


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's bounds that services apply; sizes in bytes."""

    restricted_min_guesses: float = 1e10


class InFlight:
    """Counts the calls that each workspace has under way in this process, and keeps them within a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, workspace: str) -> _Call:
        """Count a call for as long as the block runs. Raises ``TooManyCalls`` where there are as many as may be."""
        return _Call(self, workspace)

    def begun(self, workspace: str) -> None:
        """Count one more. Raises ``TooManyCalls``."""
        with self._lock:
            if self._counts[workspace] >= self._most:
                raise TooManyCalls(f"The workspace has {self._most} calls in flight already.", retry_after=1)
            self._counts[workspace] += 1
        calls_in_flight(+1)

    def ended(self, workspace: str) -> None:
        """Count one less."""
        calls_in_flight(-1)
        with self._lock:
            self._counts[workspace] -= 1
            if not self._counts[workspace]:
                del self._counts[workspace]


class _Call:
    """A call that is counted while its block runs."""

    __slots__ = ("_counts", "_workspace")

    def __init__(self, counts: InFlight, workspace: str) -> None:
        self._counts = counts
        self._workspace = workspace

    def __enter__(self) -> None:
        self._counts.begun(self._workspace)

    def __exit__(self, *_error: object) -> None:
        self._counts.ended(self._workspace)


@dataclass(frozen=True, slots=True)
class Resources:
    """The doors that are open: database sessions, Vault, the outside world, and the clock."""

    sessions: Sessions
    vault: Vault
    outbound: Outbound
    clock: Clock
    limits: Limits
    in_flight: InFlight
