"""The resources of a process, for tests that call use cases without a server."""

from __future__ import annotations

from typing import cast

from app.db import Sessions
from app.kernel.clock import Clock, system_clock
from app.outbound.client import OutboundClient
from app.outbound.model import OutboundRules
from app.resources import InFlight, Limits, Resources
from app.vault import Vault


def resources_of(sessions: Sessions, vault: Vault | None = None, clock: Clock = system_clock) -> Resources:
    """Return resources with these doors; without a Vault for what never asks it."""
    return Resources(
        sessions=sessions,
        vault=cast(Vault, vault),
        outbound=OutboundClient(OutboundRules()),
        clock=clock,
        limits=Limits(),
        in_flight=InFlight(8),
        streams=InFlight(8),
    )
