"""The versions of a secret: which there are and who made them, destroying one, and going back to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.access import Access, Permission, require
from app.audit.service import Target
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import Conflict, NotFound, PreconditionFailed, WriteConflict
from app.kernel.preconditions import check_revision, require_confirmation
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets.changes import (
    bound,
    found,
    lock_bound,
    mark,
    person,
    recorded_change,
    require_active,
    stored_version,
)
from app.variables.secrets.queries import Secret, as_stored
from app.vault import VERSIONS_KEPT, StoredMetadata, Vault


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret. ``created_by`` is None where it came into Vault by another hand than ours."""

    version: int
    created_at: datetime
    created_by: str | None
    destroyed: bool


def list_versions(
    name: str, *, access: Access, sessions: Sessions, vault: Vault, limit: int, below: int | None = None
) -> Sequence[Version]:
    """List the versions that Vault keeps, newest first.

    Vault is asked in the admin's role whoever asks us: an editor may know of versions, and their Vault policy
    reaches values only. What is read here holds none.

    Raises:
        Forbidden, NotFound, VaultUnavailable
    """
    require(access, Permission.SECRET_READ)
    row, address = found(name, access=access, sessions=sessions)
    stored = vault.metadata(address, role="admin")
    with sessions.read() as session:
        query = select(SecretVersionRow).where(SecretVersionRow.secret_id == row.id)
        makers = {each.version: each.created_by for each in session.scalars(query)}
    versions = [
        Version(each.version, each.created_at, makers.get(each.version), each.destroyed)
        for each in reversed(stored.versions if stored else ())
        if below is None or each.version < below
    ]
    return versions[:limit]


def destroy_version(
    name: str, number: int, *, confirm: str | None, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock,
) -> None:  # fmt: skip
    """Destroy the value of one version for good; a second time nothing more happens.

    Nothing is kept of it here, so that a crash in the middle leaves nothing to mend.

    Raises:
        Conflict: it is the version in force.
        Forbidden, NotFound, ConfirmationRequired, PreconditionFailed, VaultUnavailable
    """
    with recorded_change(access, "secret.update", name, sessions=sessions, clock=clock) as deed:
        deed.detail |= {"changed": ["versions"], "destroyed_version": number}
        require(access, Permission.SECRET_WRITE)
        row, address = found(name, access=access, sessions=sessions)
        deed.target = Target("secret", row.id, row.name)
        require_confirmation(confirm, row.name)
        check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
        require_active(row)
        stored = vault.metadata(address, role=person(access))
        _require_version(stored, number)
        if stored is not None and number == stored.current_version:
            raise Conflict(f"Version {number} is in force; store a new value first, or delete the secret.")
        vault.destroy_versions(address, [number], role=person(access))


def roll_back(
    name: str, number: int, *, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock,
) -> Secret:  # fmt: skip
    """Make the value of an older version the newest version; nobody sees it, this service's caller included.

    Where another value is stored at the same moment, that one stays: the rollback is refused.

    Raises:
        NotFound: no such version, or its value was destroyed.
        Conflict: it is in force already, or an earlier change of the secret isn't known to have ended.
        Forbidden, PreconditionFailed, BindingMismatch, VaultUnavailable
    """
    with recorded_change(access, "secret.rollback", name, sessions=sessions, clock=clock) as deed:
        deed.detail["from_version"] = number
        require(access, Permission.SECRET_WRITE)
        seen = bound(name, deed=deed, access=access, sessions=sessions, vault=vault)
        _require_version(seen.stored, number)
        with sessions.begin() as session:
            row = lock_bound(session, seen, access=access, revision=revision)
            _require_not_in_force(row, number)
            mark(session, row, by=access.actor.name, at=clock())
        began = row.touched_at
        try:
            # Only over the version that the row was locked with: one stored since then may stand under wider rules.
            written = vault.roll_back(seen.address, version=number, cas=row.version, role=person(access))
        except WriteConflict:
            raise PreconditionFailed(
                "Somebody else stored a new value at the same moment; read the secret again."
            ) from None
        row = stored_version(row, written, began=began, deed=deed, access=access, sessions=sessions, clock=clock)
        return as_stored(row, written, access=access, now=clock())


def _require_version(stored: StoredMetadata | None, number: int) -> None:
    if number not in {each.version for each in (stored.versions if stored else ())}:
        raise NotFound(f"There is no version {number}; Vault keeps the last {VERSIONS_KEPT}.")


def _require_not_in_force(row: VariableRow, number: int) -> None:
    if number == row.version:
        raise Conflict(f"Version {number} is in force.")
