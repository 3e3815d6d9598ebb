"""The versions of a secret: which there are and who made them, destroying one, and going back to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.access import Access
from app.audit.service import Target
from app.kernel.errors import Conflict, NotForThisType, NotFound, PreconditionFailed, WriteConflict
from app.kernel.preconditions import check_revision, require_confirmation
from app.resources import Resources
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets.changes import ChangeEvent, advance, require_own_value
from app.variables.secrets.deposits import KEY_TYPES
from app.variables.secrets.queries import Secret, as_stored
from app.variables.secrets.store import SecretStore, begin, person, require_for, state_of
from app.vault import VERSIONS_KEPT, StoredMetadata


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret. ``created_by`` is None where it came into Vault by another hand than ours."""

    version: int
    created_at: datetime
    created_by: str | None
    destroyed: bool


class SecretVersions:
    """Lists, destroys and brings back versions of secrets; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._store = SecretStore(resources)

    def list(self, name: str, *, access: Access, limit: int, below: int | None = None) -> Sequence[Version]:
        """List the versions that Vault keeps, newest first.

        Of a value that Vault's operators manage, the one that a call saw last is all that is known here.

        Vault is asked in the admin's role whoever asks us: an editor may know of versions, and their Vault policy
        reaches values only. What is read here holds none.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such secret.
            VaultUnavailable: Vault can't be asked.
        """
        require_for(access, ChangeEvent.READ)
        row, address = self._store.find(name, access=access)
        if row.source is not None:
            return _versions_elsewhere(row, below)
        stored = self._resources.vault.metadata(address, role="admin")
        with self._resources.sessions.read() as session:
            query = select(SecretVersionRow).where(SecretVersionRow.secret_id == row.id)
            makers = {each.version: each.created_by for each in session.scalars(query)}
        versions = [
            Version(each.version, each.created_at, makers.get(each.version), each.destroyed)
            for each in reversed(stored.versions if stored else ())
            if below is None or each.version < below
        ]
        return versions[:limit]

    def destroy(self, name: str, number: int, *, confirm: str | None, revision: int | None, access: Access) -> None:
        """Destroy the value of one version for good; a second time nothing more happens.

        Nothing is kept of it here, so that a crash in the middle leaves nothing to mend.

        Raises:
            Conflict: It is the version in force.
            NotForThisType: Its versions are none of values, or are managed elsewhere.
            Forbidden: The role may not.
            NotFound: There is no such secret or version.
            ConfirmationRequired: ``confirm`` isn't the secret's name.
            PreconditionFailed: Somebody changed the secret since this revision.
            VaultUnavailable: Vault can't be asked.
        """
        with self._store.recorded(ChangeEvent.DESTROY_VERSION, name, access=access) as deed:
            deed.detail |= {"changed": ["versions"], "destroyed_version": number}
            require_for(access, ChangeEvent.DESTROY_VERSION)
            row, address = self._store.find(name, access=access)
            deed.target = Target("secret", row.id, row.name)
            require_own_value(ChangeEvent.DESTROY_VERSION, name=row.name, managed=row.source is not None)
            _require_values(row)
            require_confirmation(confirm, row.name)
            check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
            advance(state_of(row), ChangeEvent.DESTROY_VERSION, name=row.name)
            stored = self._resources.vault.metadata(address, role=person(access))
            _require_version(stored, number)
            if stored is not None and number == stored.current_version:
                raise Conflict(f"Version {number} is in force; store a new value first, or delete the secret.")
            self._resources.vault.destroy_versions(address, [number], role=person(access))

    def roll_back(self, name: str, number: int, *, revision: int | None, access: Access) -> Secret:
        """Make the value of an older version the newest version; nobody sees it, this service's caller included.

        Where another value is stored at the same moment, that one stays: the rollback is refused.

        Raises:
            NotFound: There is no such secret or version, or its value was destroyed.
            Conflict: It is in force already, or an earlier change of the secret isn't known to have ended.
            Forbidden: The role may not.
            PreconditionFailed: Somebody changed the secret since this revision.
            BindingMismatch, VaultUnavailable: Vault holds something else, or can't be asked.
        """
        resources = self._resources
        with self._store.recorded(ChangeEvent.ROLL_BACK, name, access=access) as deed:
            deed.detail["from_version"] = number
            require_for(access, ChangeEvent.ROLL_BACK)
            seen = self._store.require_bound(name, ChangeEvent.ROLL_BACK, deed=deed, access=access)
            _require_values(seen.row)
            _require_version(seen.stored, number)
            with resources.sessions.begin() as session:
                row = self._store.lock_bound(session, seen, ChangeEvent.ROLL_BACK, access=access, revision=revision)
                _require_not_in_force(row, number)
                begin(session, row, ChangeEvent.ROLL_BACK, access=access, at=resources.clock())
            began = row.touched_at
            try:
                # Only over the version that the row was locked with: one stored since may stand under wider rules.
                written = resources.vault.roll_back(seen.address, version=number, cas=row.version, role=person(access))
            except WriteConflict:
                raise PreconditionFailed(
                    "Somebody else stored a new value at the same moment; read the secret again."
                ) from None
            if row.type == "oauth2":
                resources.vault.delete_tokens(seen.address, role=person(access))
            row = self._store.settle_version(row, written, began=began, deed=deed, access=access)
            return as_stored(row, written, access=access, now=resources.clock())


def _versions_elsewhere(row: VariableRow, below: int | None) -> Sequence[Version]:
    number, at = row.source_version, row.source_version_at
    if number is None or at is None or (below is not None and number >= below):
        return []
    return [Version(number, at, None, destroyed=False)]


def _require_version(stored: StoredMetadata | None, number: int) -> None:
    if number not in {each.version for each in (stored.versions if stored else ())}:
        raise NotFound(f"There is no version {number}; Vault keeps the last {VERSIONS_KEPT}.")


def _require_values(row: VariableRow) -> None:
    """Do nothing for a secret whose versions hold what it is made with. Raises ``NotForThisType``."""
    if row.type in KEY_TYPES:
        raise NotForThisType(
            f"{row.name} is of the type {row.type}: of its keys Vault keeps only the newest, so there is nothing to go"
            " back to or to destroy."
        )


def _require_not_in_force(row: VariableRow, number: int) -> None:
    if number == row.version:
        raise Conflict(f"Version {number} is in force.")
