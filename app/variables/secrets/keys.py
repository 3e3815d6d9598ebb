"""The two keys of a workspace with the transit engine: rotating them, and moving values to the newest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from app.access import Access, Permission, require
from app.audit.service import Target, recorded
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import Conflict, NotFound, StrongroomError, WriteConflict
from app.variables.models import VariableRow
from app.variables.secrets.changes import (
    address_of,
    held,
    mark,
    note_version,
    person,
    require_active,
    secret_row,
    settle,
)
from app.vault import VISIBILITIES, Vault, Visibility
from app.workspaces.service import settings_of

Outcome = Literal["rewrapped", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What became of one secret; ``problem`` says in words why it failed."""

    name: str
    outcome: Outcome
    problem: str | None = None


def rotate_keys(*, access: Access, sessions: Sessions, vault: Vault, clock: Clock) -> Mapping[Visibility, int]:
    """Rotate a workspace's two keys and return their new versions. What is stored stays readable.

    Raises:
        Conflict: the workspace's engine has no keys.
        Forbidden, NotFound, VaultUnavailable
    """
    _require_transit(access, sessions)
    target = Target("workspace", access.workspace, access.workspace)
    with recorded(sessions=sessions, clock=clock, access=access, action="workspace.update", target=target) as deed:
        require(access, Permission.WORKSPACE_UPDATE)
        versions = {visibility: vault.rotate_key(str(access.workspace), visibility) for visibility in VISIBILITIES}
        deed.detail |= {"changed": ["keys"], "key_versions": dict(versions)}
    return versions


def secrets_to_rewrap(*, access: Access, sessions: Sessions) -> list[str]:
    """Name the secrets that ``rewrap_all`` will look at, sorted. Raises ``Conflict`` where there are no keys."""
    require(access, Permission.SECRET_WRITE)
    _require_transit(access, sessions)
    query = select(VariableRow.name).where(
        VariableRow.workspace == access.workspace, VariableRow.kind == "secret", VariableRow.state == "active"
    )
    with sessions.read() as session:
        return list(session.scalars(query.order_by(VariableRow.name)))


def rewrap_all(
    names: list[str], *, access: Access, sessions: Sessions, vault: Vault, clock: Clock
) -> Iterator[Rewrapped]:
    """Move the value in force of each secret to its key's newest version, telling of each as it is done.

    It may be broken off anywhere and called again: what was moved already stays as it is. A value that somebody
    stores at the same moment wins, since it is under the newest key anyway. Older versions aren't moved; they stay
    readable, by the older key versions that Vault keeps.
    """
    target = Target("workspace", access.workspace, access.workspace)
    with recorded(sessions=sessions, clock=clock, access=access, action="workspace.update", target=target) as deed:
        require(access, Permission.SECRET_WRITE)
        moved = 0
        deed.detail["changed"] = ["encryption"]
        for name in names:
            one = _told(name, access=access, sessions=sessions, vault=vault, clock=clock)
            moved += one.outcome == "rewrapped"
            yield one
        deed.detail["rewrapped"] = moved


def _told(name: str, *, access: Access, sessions: Sessions, vault: Vault, clock: Clock) -> Rewrapped:
    try:
        moved = _rewrap(name, access=access, sessions=sessions, vault=vault, clock=clock)
    except (NotFound, WriteConflict):  # deleted, or given a new value, in the meantime
        return Rewrapped(name, "unchanged")
    except StrongroomError as error:
        return Rewrapped(name, "failed", error.detail)
    return Rewrapped(name, "rewrapped" if moved else "unchanged")


def _rewrap(name: str, *, access: Access, sessions: Sessions, vault: Vault, clock: Clock) -> bool:
    """Store one value anew where it is under an older key version: a new version of it, with the same value."""
    with sessions.begin() as session:
        row = secret_row(session, access, name, for_update=True)
        require_active(row)
        mark(session, row, by=access.actor.name, at=clock())
        address = address_of(row, settings_of(row.workspace, session).engine)
    began = row.touched_at
    written = vault.rewrap(address, role=person(access))
    with sessions.begin() as session:
        row = held(session, row.id, state="active")
        if written is None:
            row.unfinished = row.touched_at != began
        else:
            settle(row, began=began, version=written.version, access=access, clock=clock)
            note_version(session, row, written.version, by=access.actor.name)
    return written is not None


def _require_transit(access: Access, sessions: Sessions) -> None:
    with sessions.read() as session:
        if settings_of(str(access.workspace), session).engine != "transit":
            raise Conflict(f"The workspace {access.workspace} has the engine kv: it has no keys of its own.")
