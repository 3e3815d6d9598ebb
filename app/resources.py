"""What the entry points share: opened once by ``wiring``, handed to whoever needs a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from app.db import Sessions
from app.kernel.clock import Clock
from app.outbound import Outbound
from app.vault import Vault


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's bounds that services apply; sizes in bytes."""

    restricted_min_guesses: float = 1e10
    calls_in_flight: int = 64


@dataclass(frozen=True, slots=True)
class Resources:
    """The doors that are open: database sessions, Vault, the outside world, and the clock."""

    sessions: Sessions
    vault: Vault
    outbound: Outbound
    clock: Clock
    limits: Limits
