"""Making a secret: a pending row, the binding and the value in Vault, an active row; or nothing of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.exc import IntegrityError

from app.access import Access
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import (
    Conflict,
    NotFound,
    StrongroomError,
    ValidationFailed,
    VaultError,
    WriteConflict,
    in_body,
)
from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import normalise_requests
from app.resources import Limits, Resources
from app.variables.models import VariableRow
from app.variables.secrets.binding import Rules, Source, as_pointer
from app.variables.secrets.changes import ChangeEvent, State, advance
from app.variables.secrets.deposits import (
    Credential,
    Deposit,
    PointerDeposit,
    read_credential,
    remove_deposit,
    remove_leftovers,
    require_token_url,
)
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
    rules_facts,
    rules_of,
    set_rules,
    vault_facts,
)
from app.variables.secrets.types import SecretType, build_parts
from app.variables.validation import normalise_hosts, places_of
from app.vault import SecretAddress, Visibility
from app.workspaces.service import lock_workspace, require_workspace, settings_of


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What a secret is made of: a value, a key or credentials, or the place where Vault's operators manage a value."""

    name: str
    value: SecretValue | Credential | Source | None
    visibility: Visibility
    description: str = ""
    allowed_hosts: tuple[str, ...] | None = None
    allowed_places: tuple[str, ...] | None = None
    allowed_requests: tuple[AllowedRequest, ...] | None = None
    wide: bool = False
    expires_at: datetime | None = None
    type: SecretType = "value"
    parts: Mapping[str, Any] = field(default_factory=dict)
    """What makes it up, by the names of the API, where it is no plain value."""


def rules_for(new: NewSecret, limits: Limits) -> tuple[Rules, Deposit]:
    """Return the rules that a new secret gets, and what of it goes to Vault.

    A value that lies elsewhere isn't read, and so not judged, before a call needs it.

    Raises:
        TooShort, TooLong, TooGuessable: Its value isn't fit for its visibility.
        AllowedHostsRequired, AllowedHostsTooWide, ValidationFailed: Its hosts, places, requests, key or what makes it
            up can't be such.
    """
    if new.type != "value" and new.visibility != "restricted":
        sentence = f"A secret of the type {new.type} is restricted."
        raise ValidationFailed(sentence, errors={in_body("visibility"): [sentence]})
    made_of = build_parts(new.type, new.parts)
    deposit: Deposit
    if isinstance(new.value, Source):
        deposit = PointerDeposit(new.value)
    else:
        deposit = read_credential(new.value, made_of, new.visibility, limits)
    rules = Rules(
        hosts=normalise_hosts(new.allowed_hosts, new.visibility, wide=new.wide),
        places=places_of(new.allowed_places, new.visibility, signature=new.type == "hmac"),
        requests=normalise_requests(new.allowed_requests),
        wide=new.wide,
        made_of=made_of,
    )
    return rules, deposit


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
            require_for(access, ChangeEvent.CREATE)
            rules, deposit = rules_for(new, self._resources.limits)
            require_token_url(rules.made_of, outbound=self._resources.outbound)
            deed.detail |= {"visibility": new.visibility} | ({} if new.type == "value" else {"type": new.type})
            deed.detail |= rules_facts(rules)
            if isinstance(new.value, Source):
                deed.detail["managed"] = MANAGED
                self._managed.require(new.value, rules.hosts, workspace=str(access.workspace))
            row, address = self._insert_pending(new, str(target.id), rules, access=access)
            self._require_nothing_there(row, address, access=access)
            try:
                row = self._store_value(row, address, deposit, deed=deed, access=access)
            except (VaultError, NotFound, ValidationFailed) as error:
                self._undo(row, address, access=access)
                # What Vault says of a workspace that is gone would mislead.
                require_workspace(row.workspace, sessions=sessions)
                raise _as_conflict(error, new.name) from None
        warnings = warnings_of(new.value) if isinstance(new.value, SecretValue) else ()
        return replace(as_secret(row, access=access, now=clock()), warnings=warnings)

    def _insert_pending(
        self, new: NewSecret, secret_id: str, rules: Rules, *, access: Access
    ) -> tuple[VariableRow, SecretAddress]:
        state = advance(State.ABSENT, ChangeEvent.CREATE, name=new.name)
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
            type=new.type,
            source=as_pointer(new.value) if isinstance(new.value, Source) else None,
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
            advance(State.ACTIVE, ChangeEvent.CREATE, name=new.name)
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

    def _store_value(
        self, row: VariableRow, address: SecretAddress, deposit: Deposit, *, deed: Deed, access: Access
    ) -> VariableRow:
        vault, role = self._resources.vault, person(access)
        vault.write_binding(address, digest(row, rules_of(row)), role=role)
        remove_leftovers(vault, address, row.type, role=role)
        written = deposit.write(vault, address, cas=0, role=role)
        deed.detail |= vault_facts(written.version, written.request_id)
        with self._resources.sessions.begin() as session:
            # The purge of a workspace that is deleted may have come before the value.
            lock_workspace(row.workspace, session)
            row = lock(session, row.id, state="pending")
            state = advance(State.PENDING, ChangeEvent.STORED, name=row.name)
            row.state, row.version, row.unfinished = state.value, written.version, False
            note_version(session, row, written.version, by=access.actor.name)
            deed.complete(session, self._resources.clock)
        return row

    def _undo(self, row: VariableRow, address: SecretAddress, *, access: Access) -> None:
        if not self._store.touch(row, self._resources.clock()):  # as for a deletion: Vault may carry it out much later
            return
        # Where Vault can't be asked now, the row stays pending, which nobody can use, and reconcile takes it back.
        with suppress(VaultError):
            remove_deposit(self._resources.vault, address, row.type, role=person(access))
            self._store.drop_pending(row)


def _as_conflict(error: StrongroomError, name: str) -> StrongroomError:
    if isinstance(error, WriteConflict):
        return Conflict(
            f"Vault holds a value under the name {name} that the database doesn't know."
            " Ask an operator to run `strongroom doctor`."
        )
    return error
