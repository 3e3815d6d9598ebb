"""What the entry points share: opened once by ``wiring``, handed to whoever needs a part of it."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import TooManyCalls
from app.kernel.secret import SecretValue
from app.outbound.model import Outbound
from app.telemetry import call_in_flight
from app.vault import Vault

V = TypeVar("V")

_MOST_VERDICTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's bounds that services apply.

    Args:
        restricted_min_guesses: How many guesses a restricted value must take at least; 0 for any.
        stream_seconds: How long an answer may stream.
    """

    restricted_min_guesses: float = 1e14
    stream_seconds: float = 3600.0


class InFlight:
    """Counts the calls or streams that each workspace has under way in this process, and keeps them within bounds.

    Args:
        most: How many one workspace may have.
        together: How many all workspaces may have; None for any.
        what: What is counted, in a word.
    """

    def __init__(self, most: int, *, together: int | None = None, what: str = "calls") -> None:
        self._most = most
        self._what = what
        self._together = together
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, workspace: str) -> Iterator[None]:
        """Count a call for as long as the block runs. Raises ``TooManyCalls`` where there are as many as may be."""
        with self._lock:
            if self._counts[workspace] >= self._most:
                raise TooManyCalls(f"The workspace has {self._most} {self._what} in flight already.", retry_after=1)
            if self._together is not None and self._counts.total() >= self._together:
                raise TooManyCalls(f"This process has {self._together} {self._what} in flight already.", retry_after=1)
            self._counts[workspace] += 1
        try:
            with call_in_flight():
                yield
        finally:
            with self._lock:
                self._counts[workspace] -= 1
                if not self._counts[workspace]:
                    del self._counts[workspace]


class Verdicts:
    """Remembers what was found of values that lie elsewhere, so that each is judged once and not by every call.

    What is kept goes by a keyed fingerprint; the key is new at each start.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._found: dict[bytes, object] = {}
        self._lock = threading.Lock()

    def of(self, value: SecretValue, judge: Callable[[SecretValue], V]) -> V:
        """Return what is found of a value, judging it only where that isn't known."""
        key = value.fingerprint(self._key)
        with self._lock:
            if key in self._found:
                return cast(V, self._found[key])
        found = judge(value)
        with self._lock:
            while len(self._found) >= _MOST_VERDICTS:
                del self._found[next(iter(self._found))]
            self._found[key] = found
        return found


@dataclass(frozen=True, slots=True)
class Resources:
    """The doors that are open: database sessions, Vault, the outside world, and the clock."""

    sessions: Sessions
    vault: Vault
    outbound: Outbound
    clock: Clock
    limits: Limits
    in_flight: InFlight
    streams: InFlight
    verdicts: Verdicts = field(default_factory=Verdicts)
