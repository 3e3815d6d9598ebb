"""Finishing or undoing what a crash left between the database and Vault. May be killed anywhere and run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import NotFound, StrongroomError, Unanswered, ValidationFailed
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets.changes import address_of, digest, drop_deleted, note_version, touch
from app.variables.secrets.service import drop_pending, take_over_rules
from app.vault import VISIBILITIES, SecretAddress, StoredMetadata, Vault, Visibility
from app.workspaces.service import find_workspace, hold_workspace, settings_of

Remedy = Literal["finished", "undone", "deleted", "postponed"]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about one unfinished secret."""

    workspace: str
    name: str
    remedy: Remedy


def reconcile_secrets(*, sessions: Sessions, vault: Vault, clock: Clock, older_than: timedelta) -> Sequence[Mended]:
    """Mend every secret whose last change isn't known to have ended, and that nobody touched for ``older_than``.

    ``older_than`` keeps away from changes still under way in a living process; it is zero at the start of the only one.
    Of processes that do this at the same moment, each secret has one that mends it; it isn't told of by the others.
    """
    with sessions.read() as session:
        rows = session.scalars(
            select(VariableRow).where(VariableRow.unfinished, VariableRow.touched_at <= clock() - older_than)
        ).all()
    told = [(row, _mend_alone(row, sessions=sessions, vault=vault, clock=clock)) for row in rows]
    return [Mended(row.workspace, row.name, remedy) for row, remedy in told if remedy is not None]


def _mend_alone(row: VariableRow, *, sessions: Sessions, vault: Vault, clock: Clock) -> Remedy | None:
    """Mend a secret unless another process does so; None where one does.

    Two that both delete in Vault would be one too many: when the first has given the name back, the second would
    take away the value of the next secret that has it.
    """
    last_touched = row.touched_at
    if not touch(row, clock(), sessions=sessions):
        return None
    try:
        remedy = _mend(row, sessions=sessions, vault=vault)
    except Unanswered:
        return "postponed"  # and stays touched, since a deletion may still be carried out
    except StrongroomError:
        # Vault is away, or the row holds what no address can be made of.
        remedy = "postponed"
    if remedy == "postponed":
        touch(row, last_touched, sessions=sessions)
    return remedy


def _mend(row: VariableRow, *, sessions: Sessions, vault: Vault) -> Remedy:
    with sessions.read() as session:
        workspace = find_workspace(row.workspace, session)
    address = address_of(row, workspace.engine)
    if workspace.state != "active":  # its purge takes the others along, but not what may have come after it
        pending = row.state == "pending"
        return _take_back(row, address, sessions=sessions, vault=vault) if pending else "postponed"
    if row.state == "deleting":
        return _finish_deletion(row, address, sessions=sessions, vault=vault)
    stored = vault.metadata(address, role="owner")
    if row.state == "pending":
        return _finish_creation(row, address, stored, sessions=sessions, vault=vault)
    return _finish_change(row, stored, sessions=sessions)


def _take_back(row: VariableRow, address: SecretAddress, *, sessions: Sessions, vault: Vault) -> Remedy:
    vault.delete(address, role="owner")
    drop_pending(row, sessions=sessions)
    return "undone"


def _finish_deletion(row: VariableRow, address: SecretAddress, *, sessions: Sessions, vault: Vault) -> Remedy:
    vault.delete(address, role="owner")
    with sessions.begin() as session:
        drop_deleted(session, row)
    return "deleted"


def _finish_creation(
    row: VariableRow, address: SecretAddress, stored: StoredMetadata | None, *, sessions: Sessions, vault: Vault
) -> Remedy:
    ours = stored is not None and stored.binding == digest(row, row.allowed_hosts, row.allowed_places)
    if stored is not None and ours and stored.current_version:
        return _settle(row, stored, sessions=sessions, remedy="finished")
    if stored is not None and (ours or not stored.versions):
        return _take_back(row, address, sessions=sessions, vault=vault)
    drop_pending(row, sessions=sessions)  # a stranger's value stays where it is
    return "undone"


def _finish_change(row: VariableRow, stored: StoredMetadata | None, *, sessions: Sessions) -> Remedy:
    """Believe Vault, never the row: the rules that Vault was told of are in force, and it is told nothing here.

    A binding is the last thing that a change of rules writes, after the new value and the end of the older ones. A
    row whose rules Vault was never told of stays as it is, unusable, for ``doctor`` to name.
    """
    if stored is None:
        return "postponed"
    if row.next_hosts is not None and row.next_places is not None:
        if stored.binding == digest(row, row.next_hosts, row.next_places):
            return _settle(row, stored, sessions=sessions, remedy="finished", rules_taken_over=True)
        if stored.binding == digest(row, row.allowed_hosts, row.allowed_places):
            return _settle(row, stored, sessions=sessions, remedy="undone")
        return "postponed"
    return _settle(row, stored, sessions=sessions, remedy="finished")


def _settle(
    row: VariableRow, stored: StoredMetadata, *, sessions: Sessions, remedy: Remedy, rules_taken_over: bool = False
) -> Remedy:
    with sessions.begin() as session:
        hold_workspace(row.workspace, session)
        current = session.get(VariableRow, row.id, with_for_update=True)
        if current is None or current.revision != row.revision or current.touched_at != row.touched_at:
            return "postponed"  # somebody changed it meanwhile
        if rules_taken_over:
            take_over_rules(current)
        changed = rules_taken_over or current.version != stored.current_version or current.state != "active"
        _note_makers(session, current, stored)
        current.next_hosts = current.next_places = None
        current.state, current.version, current.unfinished = "active", stored.current_version, False
        current.revision += changed
    return remedy


def _note_makers(session: Session, row: VariableRow, stored: StoredMetadata) -> None:
    """What Vault holds beyond the version that the row knows of was made by whoever touched it last."""
    for version in range(row.version + 1, stored.current_version + 1):
        if session.get(SecretVersionRow, (row.id, version)) is None:
            note_version(session, row, version, by=row.touched_by)


def unfinished_secrets(*, sessions: Sessions) -> Sequence[tuple[str, str]]:
    """List the secrets that ``reconcile_secrets`` would look at, as (workspace, name)."""
    query = select(VariableRow.workspace, VariableRow.name).where(VariableRow.unfinished)
    with sessions.read() as session:
        return [(workspace, name) for workspace, name in session.execute(query)]


def unknown_values(*, sessions: Sessions, vault: Vault, workspaces: Sequence[str]) -> Sequence[tuple[str, str, str]]:
    """List what Vault holds of these workspaces and no row knows, as (workspace, visibility, name); reads no value."""
    return [
        (workspace, visibility, name)
        for workspace in workspaces
        for visibility in VISIBILITIES
        for name in _unknown(workspace, visibility, sessions=sessions, vault=vault)
    ]


def _unknown(workspace: str, visibility: Visibility, *, sessions: Sessions, vault: Vault) -> Sequence[str]:
    # Vault first, since a row is there before its value is; and once more, since a value goes before its row does.
    held = set(vault.names(workspace, visibility, role="owner"))
    query = select(VariableRow.name).where(VariableRow.workspace == workspace, VariableRow.visibility == visibility)
    with sessions.read() as session:
        unknown = held - set(session.scalars(query))
    return sorted(unknown & set(vault.names(workspace, visibility, role="owner"))) if unknown else []


def mismatched_bindings(*, sessions: Sessions, vault: Vault) -> Sequence[tuple[str, str]]:
    """List the active secrets whose row isn't the one that Vault was told of, as (workspace, name); reads no value.

    A row with a change of rules under way says two things, of which Vault must have been told one.
    """
    with sessions.read() as session:
        rows = session.scalars(
            select(VariableRow).where(VariableRow.kind == "secret", VariableRow.state == "active")
        ).all()
    return [(row.workspace, row.name) for row in rows if not _told(row, sessions=sessions, vault=vault)]


def _told(row: VariableRow, *, sessions: Sessions, vault: Vault) -> bool:
    try:
        with sessions.read() as session:
            address = address_of(row, settings_of(row.workspace, session).engine)
        stored = vault.metadata(address, role="owner")
    except (NotFound, ValidationFailed):  # no address can be made of what the row says
        return False
    said = [digest(row, row.allowed_hosts, row.allowed_places)]
    if row.next_hosts is not None and row.next_places is not None:
        said.append(digest(row, row.next_hosts, row.next_places))
    return stored is not None and stored.binding in said
