"""Finishing or undoing what a crash left between the database and Vault. May be killed anywhere and run again.

What is done in which case is a table of ``changes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Sessions
from app.kernel.errors import NotFound, StrongroomError, Unanswered, ValidationFailed
from app.outbound.hosts import has_wildcard
from app.resources import Resources
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets.changes import TOLD_AS, Remedy, VaultState, remedy_for, vault_state_of
from app.variables.secrets.deposits import KEY_TYPES, key_fault, remove_deposit, retire_keys
from app.variables.secrets.store import (
    SecretStore,
    address_of,
    digest,
    drop_deleted,
    next_rules_of,
    note_version,
    rules_of,
    set_next_rules,
    state_of,
    take_over_rules,
)
from app.variables.secrets.types import OAuth2Parts
from app.vault import VISIBILITIES, SecretAddress, StoredMetadata, Vault, Visibility
from app.workspaces.service import find_workspace, lock_workspace, settings_of


@dataclass(frozen=True, slots=True)
class AppliedRemedy:
    """What was done about one unfinished secret."""

    workspace: str
    name: str
    remedy: Literal["finished", "undone", "deleted", "postponed"]


class SecretReconciliation:
    """Mends secrets whose last change isn't known to have ended; bound to the resources of a process."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._store = SecretStore(resources)

    def run(self, *, older_than: timedelta) -> Sequence[AppliedRemedy]:
        """Mend every such secret that nobody touched for ``older_than``.

        Of processes that do this at the same moment, each secret has one that mends it; the others don't tell of it.

        Args:
            older_than: Keeps away from changes still under way in a living process; zero at the start of the only one.
        """
        before = self._resources.clock() - older_than
        query = select(VariableRow).where(VariableRow.unfinished, VariableRow.touched_at <= before)
        with self._resources.sessions.read() as session:
            rows = session.scalars(query).all()
        done = [(row, self._mend_alone(row)) for row in rows]
        return [AppliedRemedy(row.workspace, row.name, TOLD_AS[remedy]) for row, remedy in done if remedy is not None]

    def _mend_alone(self, row: VariableRow) -> Remedy | None:
        """Mend a secret unless another process does so; None where one does.

        Two that both delete in Vault would be one too many: when the first has given the name back, the second would
        take away the value of the next secret that has it.
        """
        last_touched = row.touched_at
        if not self._store.touch(row, self._resources.clock()):
            return None
        try:
            remedy = self._mend(row)
        except Unanswered:
            return Remedy.POSTPONE  # and stays touched, since a deletion may still be carried out
        except StrongroomError:
            # Vault is away, or the row holds what no address can be made of.
            remedy = Remedy.POSTPONE
        if remedy is Remedy.POSTPONE:
            self._store.touch(row, last_touched)
        return remedy

    def _mend(self, row: VariableRow) -> Remedy:
        with self._resources.sessions.read() as session:
            workspace = find_workspace(row.workspace, session)
        address = address_of(row, workspace.engine)
        stored = self._resources.vault.metadata(address, role="owner") if workspace.state == "active" else None
        remedy = remedy_for(state_of(row), _finding(row, stored), workspace_lives=workspace.state == "active")
        return self._carry_out(remedy, row, address, stored)

    def _carry_out(
        self, remedy: Remedy, row: VariableRow, address: SecretAddress, stored: StoredMetadata | None
    ) -> Remedy:
        if remedy in (Remedy.TAKE_BACK, Remedy.DELETE):
            remove_deposit(self._resources.vault, address, row.type, role="owner")
        if remedy in (Remedy.TAKE_BACK, Remedy.DROP):
            self._store.drop_pending(row)
        elif remedy is Remedy.DELETE:
            with self._resources.sessions.begin() as session:
                drop_deleted(session, row)
        elif remedy is not Remedy.POSTPONE and stored is not None:
            if stored.current_version and row.type in KEY_TYPES:
                retire_keys(self._resources.vault, address, role="owner")
            return self._settle(row, stored, remedy)
        return remedy

    def _settle(self, row: VariableRow, stored: StoredMetadata, remedy: Remedy) -> Remedy:
        with self._resources.sessions.begin() as session:
            lock_workspace(row.workspace, session)
            current = session.get(VariableRow, row.id, with_for_update=True)
            if current is None or current.revision != row.revision or current.touched_at != row.touched_at:
                return Remedy.POSTPONE  # somebody changed it meanwhile
            rules_change = remedy is Remedy.TAKE_OVER
            if rules_change:
                take_over_rules(current)
            changed = rules_change or current.version != stored.current_version or current.state != "active"
            _note_makers(session, current, stored)
            set_next_rules(current, None)
            current.state, current.version, current.unfinished = "active", stored.current_version, False
            current.revision += changed
        return remedy


def _finding(row: VariableRow, stored: StoredMetadata | None) -> VaultState:
    next_rules = next_rules_of(row)
    return vault_state_of(
        there=stored is not None,
        binding=stored.binding if stored else None,
        value=bool(stored and stored.current_version),
        versions=bool(stored and stored.versions),
        bindings=(digest(row, rules_of(row)), None if next_rules is None else digest(row, next_rules)),
    )


def _note_makers(session: Session, row: VariableRow, stored: StoredMetadata) -> None:
    """Note that whoever touched the row last made what Vault holds beyond the version that the row knows of."""
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


def count_unasked_wildcards(*, sessions: Sessions) -> int:
    """Count the restricted secrets with a wildcard among their hosts that nobody asked for by ``wide``."""
    query = select(VariableRow.allowed_hosts).where(VariableRow.visibility == "restricted", VariableRow.wide.is_(False))
    with sessions.read() as session:
        return sum(has_wildcard(hosts) for hosts in session.scalars(query))


def mismatched_bindings(*, sessions: Sessions, vault: Vault) -> Sequence[tuple[str, str]]:
    """List the active secrets whose row isn't the one that Vault was told of, as (workspace, name); reads no value.

    A row with a change of rules under way says two things, of which Vault must have been told one.
    """
    with sessions.read() as session:
        rows = session.scalars(
            select(VariableRow).where(VariableRow.kind == "secret", VariableRow.state == "active")
        ).all()
    return [(row.workspace, row.name) for row in rows if not _agree(row, sessions=sessions, vault=vault)]


def faulty_keys(*, sessions: Sessions, vault: Vault) -> Sequence[tuple[str, str, str]]:
    """List the active secrets that can't sign with what lies in Vault, as (workspace, name, what is wrong)."""
    query = select(VariableRow).where(VariableRow.type.in_(KEY_TYPES), VariableRow.state == "active")
    with sessions.read() as session:
        rows = session.scalars(query).all()
    found = [(row, _key_fault(row, sessions=sessions, vault=vault)) for row in rows]
    return [(row.workspace, row.name, fault) for row, fault in found if fault is not None]


def _key_fault(row: VariableRow, *, sessions: Sessions, vault: Vault) -> str | None:
    made_of = rules_of(row).made_of
    if made_of is None or isinstance(made_of, OAuth2Parts):
        return "its row says nothing of a key"
    try:
        with sessions.read() as session:
            address = address_of(row, settings_of(row.workspace, session).engine)
        return key_fault(vault, address, made_of)
    except (NotFound, ValidationFailed):  # no address can be made of what the row says
        return "its row names no place in Vault"


def _agree(row: VariableRow, *, sessions: Sessions, vault: Vault) -> bool:
    try:
        with sessions.read() as session:
            address = address_of(row, settings_of(row.workspace, session).engine)
        stored = vault.metadata(address, role="owner")
    except (NotFound, ValidationFailed):  # no address can be made of what the row says
        return False
    next_rules = next_rules_of(row)
    bindings = [digest(row, rules_of(row)), *([] if next_rules is None else [digest(row, next_rules)])]
    return stored is not None and stored.binding in bindings
