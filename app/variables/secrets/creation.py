"""Making a secret: a pending row, the binding and the value in Vault, an active row; or nothing of it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.exc import IntegrityError

from app.access import Access
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import Conflict, NotFound, VaultError, WriteConflict
from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import normalise_requests
from app.resources import Limits, Resources
from app.variables.models import VariableRow
from app.variables.secrets.binding import Rules, Source, as_pointer
from app.variables.secrets.changes import Event, State, advance
from app.variables.secrets.managed import MANAGED, ManagedValues
from app.variables.secrets.queries import Secret, as_secret, warnings_of
from app.variables.secrets.store import (
    SecretStore,
    address_of,
    digest,
    lock,
    note_version,
    person,
    require_for,
    rules_of,
    set_rules,
    vault_facts,
)
from app.variables.validation import check_value, normalise_hosts, places_of, with_verdict
from app.vault import PersonRole, SecretAddress, Visibility, Written
from app.workspaces.service import hold_workspace, require_workspace, settings_of


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What a secret is made of: a value, or the place in Vault where its operators manage one."""

    name: str
    value: SecretValue | None
    visibility: Visibility
    description: str = ""
    allowed_hosts: tuple[str, ...] | None = None
    allowed_places: tuple[str, ...] | None = None
    allowed_requests: tuple[AllowedRequest, ...] | None = None
    wide: bool = False
    expires_at: datetime | None = None
    type: Literal["value"] = "value"
    source: Source | None = None


def rules_for(new: NewSecret, limits: Limits) -> Rules:
    """Return the rules that a new secret gets.

    A value that lies elsewhere isn't read, and so not judged, before a call needs it.

    Raises:
        TooShort, TooLong, TooGuessable: Its value isn't fit for its visibility.
        AllowedHostsRequired, AllowedHostsTooWide, ValidationFailed: Its hosts, places or requests can't be such.
    """
    if new.value is not None:
        check_value(new.value, new.visibility, limits)
    return Rules(
        hosts=normalise_hosts(new.allowed_hosts, new.visibility, wide=new.wide),
        places=places_of(new.allowed_places, new.visibility),
        requests=normalise_requests(new.allowed_requests),
        wide=new.wide,
    )


class SecretCreation:
    """Makes secrets; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._store = SecretStore(resources)
        self._managed = ManagedValues(resources)

    def create(
        self, new: NewSecret, *, access: Access, action: Literal["secret.create", "secret.import"] = "secret.create"
    ) -> Secret:
        """Make a secret; when this returns its value is in Vault and the row is ``active``.

        Raises:
            Forbidden, NameTaken, TooShort, TooLong, TooGuessable, AllowedHostsRequired, AllowedHostsTooWide,
            ValidationFailed: Nothing was changed.
            NotGranted: Vault's operators grant the workspace no such value, or not for these hosts.
            NotFound: The workspace was deleted at the same moment; the value is taken back.
            Conflict: Vault holds a value under this name of which the database knows nothing.
            VaultUnavailable: The value isn't stored, as far as can be known; ``reconcile`` undoes what is left.
        """
        sessions, clock = self._resources.sessions, self._resources.clock
        target = Target("secret", uuid.uuid4().hex, new.name)
        with recorded(sessions=sessions, clock=clock, access=access, action=action, target=target) as deed:
            require_for(access, Event.CREATE)
            rules = rules_for(new, self._resources.limits)
            deed.detail |= {"visibility": new.visibility}
            if new.source is not None:
                deed.detail["managed"] = MANAGED
                self._managed.require(new.source, rules.hosts, workspace=str(access.workspace))
            row, address = self._insert_pending(new, str(target.id), rules, access=access)
            self._require_nothing_there(row, address, access=access)
            try:
                row = self._bring_to_vault(row, address, new, deed=deed, access=access)
            except (VaultError, NotFound) as error:
                self._undo(row, address, access=access)
                # What Vault says of a workspace that is gone would mislead.
                require_workspace(row.workspace, sessions=sessions)
                raise _as_conflict(error, new.name) from None
        secret = as_secret(row, access=access, now=clock())
        return secret if new.value is None else replace(secret, warnings=warnings_of(new.value))

    def _insert_pending(
        self, new: NewSecret, secret_id: str, rules: Rules, *, access: Access
    ) -> tuple[VariableRow, SecretAddress]:
        state = advance(State.ABSENT, Event.CREATE, name=new.name)
        now, by = self._resources.clock(), access.actor.name
        row = VariableRow(
            id=secret_id,
            workspace=access.workspace,
            name=new.name,
            folded_name=new.name.lower(),
            kind="secret",
            description=new.description,
            value=None,
            visibility=new.visibility,
            source=None if new.source is None else as_pointer(new.source),
            version=0,
            state=state.value,
            unfinished=True,
            touched_at=now,
            touched_by=by,
            expires_at=new.expires_at,
            revision=1,
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
        )
        set_rules(row, rules)
        try:
            with self._resources.sessions.begin() as session:
                engine = settings_of(str(access.workspace), session).engine
                session.add(row)
        except IntegrityError:
            advance(State.ACTIVE, Event.CREATE, name=new.name)
            raise
        return row, address_of(row, engine)

    def _require_nothing_there(self, row: VariableRow, address: SecretAddress, *, access: Access) -> None:
        # A value that the database lost sight of must not be given a stranger's rules.
        try:
            stored = self._resources.vault.metadata(address, role=person(access))
        except VaultError:  # nothing was written yet, so the name is free for who tries again
            self._store.drop_pending(row)
            raise
        if stored is not None and stored.versions:
            self._store.drop_pending(row)
            raise _as_conflict(WriteConflict(""), row.name)

    def _bring_to_vault(
        self, row: VariableRow, address: SecretAddress, new: NewSecret, *, deed: Deed, access: Access
    ) -> VariableRow:
        self._resources.vault.write_binding(address, digest(row, rules_of(row)), role=person(access))
        written = self._write(address, new, role=person(access))
        deed.detail |= vault_facts(written.version, written.request_id)
        with self._resources.sessions.begin() as session:
            # The purge of a workspace that is deleted may have come before the value.
            hold_workspace(row.workspace, session)
            row = lock(session, row.id, state="pending")
            state = advance(State.PENDING, Event.STORED, name=row.name)
            row.state, row.version, row.unfinished = state.value, written.version, False
            note_version(session, row, written.version, by=access.actor.name)
            deed.complete(session, self._resources.clock)
        return row

    def _write(self, address: SecretAddress, new: NewSecret, *, role: PersonRole) -> Written:
        vault = self._resources.vault
        if new.source is not None:
            return vault.write_pointer(address, {"from": as_pointer(new.source)}, cas=0, role=role)
        if new.value is None:
            raise TypeError("a secret has a value, or a place where it lies")
        value = with_verdict(new.value, new.visibility, self._resources.limits)
        return vault.write_value(address, value, cas=0, role=role)

    def _undo(self, row: VariableRow, address: SecretAddress, *, access: Access) -> None:
        if not self._store.touch(row, self._resources.clock()):  # as for a deletion: Vault may carry it out much later
            return
        # Where Vault can't be asked now, the row stays pending, which nobody can use, and reconcile takes it back.
        with suppress(VaultError):
            self._resources.vault.delete(address, role=person(access))
            self._store.drop_pending(row)


def _as_conflict(error: VaultError | NotFound, name: str) -> VaultError | NotFound | Conflict:
    if isinstance(error, WriteConflict):
        return Conflict(
            f"Vault holds a value under the name {name} of which the database knows nothing; an operator has to look."
        )
    return error
