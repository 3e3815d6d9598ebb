"""Who looked at a secret, and whose calls used it: told from the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import select

from app.access import Access, Actor, Permission, require
from app.audit.actions import Action
from app.audit.outcomes import DeedOutcome, outcomes_between
from app.kernel.errors import NotFound
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.usage import went_out

_AT_ONCE: Final = 500
_END: Final = 1_000_000_000
_ACTIONS: Final[tuple[tuple[Action, Literal["reveal", "use"]], ...]] = (
    ("secret.reveal", "reveal"),
    ("call.run", "use"),
)


@dataclass(frozen=True, slots=True)
class SecretAccess:
    """Looks or uses of one version by one actor; ``version`` is None where the record doesn't name it."""

    actor: Actor
    action: Literal["reveal", "use"]
    version: int | None
    first_at: datetime
    last_at: datetime
    count: int


def access_log(name: str, *, access: Access, resources: Resources) -> Sequence[SecretAccess]:
    """List who looked at a secret and who used it, the latest first.

    Raises:
        Forbidden: The role may not read the record.
        NotFound: There is no such secret.
    """
    require(access, Permission.AUDIT_READ)
    query = select(VariableRow.id).where(
        VariableRow.workspace == access.workspace, VariableRow.kind == "secret", VariableRow.name == name
    )
    with resources.sessions.read() as session:
        secret_id = session.scalar(query)
    if secret_id is None:
        raise NotFound(f"There is no secret {name[:64]}.")
    found: dict[tuple[Actor, str, int | None], SecretAccess] = {}
    for action, kind in _ACTIONS:
        for event in _read_outcomes(action, name, access=access, resources=resources):
            if not _concerns(event, secret_id, name):
                continue
            actor = Actor(event.actor_type, str(event.actor_id), event.acting_for)  # type: ignore[arg-type]
            version = _version_in(event, name)
            before = found.get((actor, kind, version), SecretAccess(actor, kind, version, event.at, event.at, 0))
            found[actor, kind, version] = replace(before, last_at=event.at, count=before.count + 1)
    return sorted(found.values(), key=lambda each: each.last_at, reverse=True)


def _read_outcomes(action: Action, name: str, *, access: Access, resources: Resources) -> Iterator[DeedOutcome]:
    """Read a workspace's outcomes of one action in order, some at a time, so that no transaction stays open."""
    after = 0
    while True:
        with resources.sessions.read() as session:
            events = outcomes_between(
                session, str(access.workspace), action, after=after, through=_END, limit=_AT_ONCE, secret=name
            )
        yield from events
        if len(events) < _AT_ONCE:
            return
        after = events[-1].seq


def _concerns(event: DeedOutcome, secret_id: str, name: str) -> bool:
    """Tell whether the value went to somebody: it was shown, or a call went out with it that was no mere check."""
    if event.action == "secret.reveal":
        return event.outcome == "done" and event.target_id == secret_id
    if event.detail.get("check"):
        return False
    ids = event.detail.get("secret_ids")
    return isinstance(ids, dict) and ids.get(name) == secret_id and went_out(event)


def _version_in(event: DeedOutcome, name: str) -> int | None:
    versions = event.detail.get("secret_versions")
    version = versions.get(name) if isinstance(versions, dict) else event.detail.get("version")
    return version if isinstance(version, int) else None
