"""The hash chain over a workspace's events: each hash covers the event and the hash before it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

GENESIS: Final = "0" * 64
Outcome = Literal["intended", "done", "refused", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the record, as it is hashed, stored, listed and exported."""

    id: str
    chain: str
    seq: int
    deed_id: str
    at: datetime
    workspace: str | None
    actor_type: str
    actor_id: str | None
    acting_for: str | None
    action: str
    target_type: str
    target_id: str | None
    target_name: str | None
    outcome: Outcome
    detail: Mapping[str, object]
    request_id: str | None
    hash: str


def link(previous: str, facts: Mapping[str, object]) -> str:
    """Hash an event's facts onto the hash before it: SHA-256 over both, the facts as canonical JSON."""
    return hashlib.sha256(previous.encode() + b"\n" + canonical(facts)).hexdigest()


def facts_of(event: Event) -> dict[str, object]:
    """Return what the hash of an event covers: everything but the hash itself."""
    return {
        "id": event.id,
        "chain": event.chain,
        "seq": event.seq,
        "deed_id": event.deed_id,
        "at": rfc3339(event.at),
        "workspace": event.workspace,
        "actor": [event.actor_type, event.actor_id, event.acting_for],
        "action": event.action,
        "target": [event.target_type, event.target_id, event.target_name],
        "outcome": event.outcome,
        "detail": dict(event.detail),
        "request_id": event.request_id,
    }


def canonical(facts: Mapping[str, object]) -> bytes:
    """Write facts as JSON in one way only: sorted keys, no white space, UTF-8."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds, as the API and the record do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
