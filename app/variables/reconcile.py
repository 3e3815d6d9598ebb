"""Finishing or undoing what a crash left between the database and Vault. May be killed anywhere and run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

from sqlalchemy import delete, select

from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import VaultError
from app.variables.binding import binding
from app.variables.models import VariableRow
from app.variables.service import older_versions, widens
from app.vault import SecretAddress, StoredMetadata, Vault, Visibility
from app.workspaces.service import settings_of

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
    """
    with sessions.read() as session:
        rows = session.scalars(
            select(VariableRow).where(VariableRow.unfinished, VariableRow.touched_at <= clock() - older_than)
        ).all()
    return [Mended(row.workspace, row.name, _mend_if_possible(row, sessions=sessions, vault=vault)) for row in rows]


def _mend_if_possible(row: VariableRow, *, sessions: Sessions, vault: Vault) -> Remedy:
    try:
        return _mend(row, sessions=sessions, vault=vault)
    except VaultError:
        return "postponed"


def _mend(row: VariableRow, *, sessions: Sessions, vault: Vault) -> Remedy:
    with sessions.read() as session:
        engine = settings_of(row.workspace, session).engine
    address = SecretAddress(row.workspace, engine, cast(Visibility, row.visibility), row.name)
    if row.state == "deleting":
        return _finish_deletion(row, address, sessions=sessions, vault=vault)
    stored = vault.metadata(address, role="owner")
    if row.state == "pending":
        return _finish_creation(row, address, stored, sessions=sessions, vault=vault)
    return _finish_change(row, address, stored, sessions=sessions, vault=vault)


def _finish_deletion(row: VariableRow, address: SecretAddress, *, sessions: Sessions, vault: Vault) -> Remedy:
    vault.delete(address, role="owner")
    with sessions.begin() as session:
        session.execute(delete(VariableRow).where(VariableRow.id == row.id))
    return "deleted"


def _finish_creation(
    row: VariableRow, address: SecretAddress, stored: StoredMetadata | None, *, sessions: Sessions, vault: Vault
) -> Remedy:
    if stored and stored.current_version and stored.binding == _digest(row, row.allowed_hosts, row.allowed_places):
        return _settle(row, stored, sessions=sessions, remedy="finished")
    vault.delete(address, role="owner")
    with sessions.begin() as session:
        session.execute(delete(VariableRow).where(VariableRow.id == row.id, VariableRow.state == "pending"))
    return "undone"


def _finish_change(
    row: VariableRow, address: SecretAddress, stored: StoredMetadata | None, *, sessions: Sessions, vault: Vault
) -> Remedy:
    if stored is None:
        return "postponed"  # the value is gone from Vault by another hand: doctor tells
    if row.next_hosts is None or row.next_places is None:
        return _settle(row, stored, sessions=sessions, remedy="finished")
    needs_value = widens(row, row.next_hosts, row.next_places)
    arrived = stored.binding == _digest(row, row.next_hosts, row.next_places)
    if arrived and (stored.current_version > row.version or not needs_value):
        if needs_value:
            vault.destroy_versions(address, older_versions(stored.current_version), role="owner")
        return _settle(row, stored, sessions=sessions, remedy="finished", rules_taken_over=True)
    # A restricted value must not be sent to hosts that came without a new one: the old rules go back in force.
    vault.write_binding(address, _digest(row, row.allowed_hosts, row.allowed_places), role="owner")
    return _settle(row, stored, sessions=sessions, remedy="undone")


def _settle(
    row: VariableRow, stored: StoredMetadata, *, sessions: Sessions, remedy: Remedy, rules_taken_over: bool = False
) -> Remedy:
    with sessions.begin() as session:
        current = session.get(VariableRow, row.id, with_for_update=True)
        if current is None or current.revision != row.revision or current.touched_at != row.touched_at:
            return "postponed"  # somebody changed it meanwhile
        if rules_taken_over and current.next_hosts is not None and current.next_places is not None:
            current.allowed_hosts, current.allowed_places = current.next_hosts, current.next_places
        current.next_hosts = current.next_places = None
        current.state, current.version, current.unfinished = "active", stored.current_version, False
        current.revision += 1
    return remedy


def _digest(row: VariableRow, hosts: Sequence[str], places: Sequence[str]) -> str:
    return binding(
        workspace=row.workspace,
        secret_id=row.id,
        name=row.name,
        visibility=str(row.visibility),
        hosts=hosts,
        places=places,
    )


def unfinished_secrets(*, sessions: Sessions) -> Sequence[tuple[str, str]]:
    """List the secrets that ``reconcile_secrets`` would look at, as (workspace, name)."""
    query = select(VariableRow.workspace, VariableRow.name).where(VariableRow.unfinished)
    with sessions.read() as session:
        return [(workspace, name) for workspace, name in session.execute(query)]


def mismatched_bindings(*, sessions: Sessions, vault: Vault) -> Sequence[tuple[str, str]]:
    """List the active secrets whose row isn't the one that Vault was told of, as (workspace, name); reads no value."""
    with sessions.read() as session:
        rows = session.scalars(
            select(VariableRow).where(
                VariableRow.kind == "secret", VariableRow.state == "active", VariableRow.unfinished.is_(False)
            )
        ).all()
    return [(row.workspace, row.name) for row in rows if not _bound(row, sessions=sessions, vault=vault)]


def _bound(row: VariableRow, *, sessions: Sessions, vault: Vault) -> bool:
    with sessions.read() as session:
        engine = settings_of(row.workspace, session).engine
    address = SecretAddress(row.workspace, engine, cast(Visibility, row.visibility), row.name)
    stored = vault.metadata(address, role="owner")
    return stored is not None and stored.binding == _digest(row, row.allowed_hosts, row.allowed_places)
