"""Secrets as they are shown: their metadata, and, briefly, a masked value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from sqlalchemy import or_

from app.access import Access, allows
from app.audit.service import Target
from app.kernel.errors import NeverShown
from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.binding import Source
from app.variables.secrets.changes import NEEDS, ChangeEvent, advance
from app.variables.secrets.managed import MANAGED
from app.variables.secrets.references import check_binding, unless_changed, usable
from app.variables.secrets.store import (
    SecretStore,
    person,
    require_for,
    rules_of,
    secret_row,
    secrets_of,
    source_of,
    state_of,
    vault_facts,
)
from app.variables.secrets.types import MadeOf, SecretType
from app.vault import Vault, Visibility, WrappingKey, Written

Expiry = Literal["none", "ok", "expiring", "expired"]

EXPIRING_WITHIN: Final = timedelta(days=7)
HIDE_AFTER_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class ValueWarning:
    """Something about a value that often comes from a slip of copying."""

    code: str
    detail: str


_WARNINGS: Final[Mapping[str, str]] = {
    "blanks_at_ends": "The value begins or ends with a space or line break.",
    "quoted": "The value stands in quotation marks.",
    "scheme_word": "The value begins with a word such as Bearer, which usually stands in the block's field.",
    "lines": "The value has several lines.",
}


def warnings_of(value: SecretValue) -> tuple[ValueWarning, ...]:
    """Tell what is odd about a value that was taken all the same."""
    return tuple(ValueWarning(code, _WARNINGS[code]) for code in value.oddities())


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as somebody with this standing sees it: all but its value."""

    id: str
    workspace: str
    name: str
    visibility: Visibility
    description: str
    allowed_hosts: tuple[str, ...]
    allowed_places: tuple[str, ...]
    allowed_requests: tuple[AllowedRequest, ...] | None
    wide: bool
    version: int | None
    state: str
    expiry: Expiry
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    last_used_at: datetime | None
    revision: int
    type: SecretType
    made_of: MadeOf | None
    permissions: Mapping[str, bool]
    check_block: str | None = None
    managed: Literal["vault"] | None = None
    """Who keeps the value, where it isn't this service."""
    source: Source | None = None
    """Where it lies then; told to owners and admins."""
    warnings: tuple[ValueWarning, ...] | None = None
    """What is odd about the value that was just written; None where none was."""


class SecretQueries:
    """Shows secrets; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._store = SecretStore(resources)

    def list(
        self,
        *,
        access: Access,
        limit: int,
        after: str | None = None,
        q: str | None = None,
        unused: bool | None = None,
    ) -> Sequence[Secret]:
        """List a workspace's secrets by name.

        Args:
            after: The name after which the list goes on.
            q: Looked for in names and descriptions, whatever the case.
            unused: Only those that no call ever carried, or only the others.

        Raises:
            Forbidden: The role may not.
        """
        require_for(access, ChangeEvent.READ)
        query = secrets_of(access).where(VariableRow.kind == "secret").order_by(VariableRow.name).limit(limit)
        if q:
            query = query.where(
                or_(*(column.icontains(q, autoescape=True) for column in (VariableRow.name, VariableRow.description)))
            )
        if unused is not None:
            query = query.where(VariableRow.last_used_at.is_(None) if unused else VariableRow.last_used_at.is_not(None))
        if after is not None:
            query = query.where(VariableRow.name > after)
        with self._resources.sessions.read() as session:
            return [as_secret(row, access=access, now=self._resources.clock()) for row in session.scalars(query)]

    def get(self, name: str, *, access: Access) -> Secret:
        """Return one secret by its exact name.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such secret.
        """
        require_for(access, ChangeEvent.READ)
        with self._resources.sessions.read() as session:
            return as_secret(secret_row(session, access, name), access=access, now=self._resources.clock())

    def reveal(self, name: str, *, access: Access) -> SecretValue:
        """Return a masked secret's value to be shown for ``HIDE_AFTER_SECONDS``; recorded before Vault is asked.

        Raises:
            NeverShown: The secret is restricted.
            Forbidden: The role may not.
            NotFound: There is no such secret.
            Conflict: It is being made or deleted.
            BindingMismatch, VaultUnavailable: Vault holds something else, or can't be asked.
        """
        with self._store.recorded(ChangeEvent.REVEAL, name, access=access) as deed:
            require_for(access, ChangeEvent.REVEAL)
            row, address = self._store.find(name, access=access)
            deed.target = Target("secret", row.id, row.name)
            if row.visibility != "masked":
                raise NeverShown(f"{row.name} is restricted: its value is never shown to anybody.")
            advance(state_of(row), ChangeEvent.REVEAL, name=row.name)
            secret = usable(row, address)
            with unless_changed(secret, sessions=self._resources.sessions):
                stored = self._resources.vault.read_to_reveal(address, role=person(access))
                check_binding(stored, secret)
            deed.detail |= vault_facts(stored.version, stored.request_id)
        return stored.value


def wrapping_key(*, access: Access, vault: Vault) -> WrappingKey:
    """Return the key with which anybody wraps a key of a secret that only Vault is to open.

    Raises:
        Forbidden: The role may not.
        VaultUnavailable: Vault can't be asked.
    """
    require_for(access, ChangeEvent.CREATE)
    return vault.wrapping_key(str(access.workspace), role=person(access))


def as_secret(row: VariableRow, *, access: Access, now: datetime) -> Secret:
    """Return a row as somebody with this standing sees it."""
    active, may = row.state == "active", {event: allows(access, needed) for event, needed in NEEDS.items()}
    rules = rules_of(row)
    return Secret(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        visibility=cast(Visibility, row.visibility),
        description=row.description,
        allowed_hosts=rules.hosts,
        allowed_places=rules.places,
        allowed_requests=rules.requests,
        wide=rules.wide,
        version=row.version if row.source is None else row.source_version,
        state="reconnect" if active and row.reconnect else row.state,
        expiry=_expiry(row.expires_at, now),
        expires_at=row.expires_at,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        last_used_at=row.last_used_at,
        revision=row.revision,
        type=cast(SecretType, row.type),
        made_of=rules.made_of,
        permissions={
            "reveal": active and row.visibility == "masked" and may[ChangeEvent.REVEAL],
            "set_value": active and row.source is None and may[ChangeEvent.SET_VALUE],
            "edit": active and may[ChangeEvent.DESCRIBE],
            "delete": may[ChangeEvent.DELETE],
        },
        check_block=row.check_block,
        managed=None if row.source is None else MANAGED,
        source=source_of(row) if may[ChangeEvent.CREATE] else None,
    )


def as_stored(row: VariableRow, written: Written | None, *, access: Access, now: datetime) -> Secret:
    """Return a secret with the version that a change has stored, where it stored one.

    Where a newer one overtook it, the revision isn't the secret's any more, so that whoever builds on this answer
    doesn't replace a value that they never knew of.
    """
    secret = as_secret(row, access=access, now=now)
    if written is None or written.version == row.version:
        return secret
    return replace(secret, version=written.version, revision=row.revision - 1)


def _expiry(expires_at: datetime | None, now: datetime) -> Expiry:
    if expires_at is None:
        return "none"
    if expires_at <= now:
        return "expired"
    return "expiring" if expires_at - now <= EXPIRING_WITHIN else "ok"
