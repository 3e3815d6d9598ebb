"""Secrets: their metadata here, their values in Vault, and the two kept in step.

The local row and the Vault entry can't change in one transaction. So a row says first what is about to happen
(``pending``, ``deleting``, ``unfinished``, ``next_hosts``), then Vault is asked, then the row says that it has
happened, together with the record's event. What a crash leaves between, ``app.variables.reconcile`` finishes or undoes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import Row, Table, bindparam, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access, Permission, allows, require
from app.audit.service import Target, recorded
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import (
    AllowedHostsRequired,
    BindingMismatch,
    Conflict,
    InUse,
    NameTaken,
    NeverShown,
    PreconditionFailed,
    TooGuessable,
    TooLong,
    TooShort,
    ValueRequired,
    VaultError,
    WriteConflict,
)
from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET, Unset
from app.outbound.hosts import normalise_patterns
from app.outbound.places import normalise_places
from app.resources import Limits
from app.variables.models import SecretUseRow, VariableRow
from app.variables.rows import (
    VERSIONS_KEPT,
    address_of,
    bound,
    digest,
    held,
    lock_bound,
    mark,
    note_version,
    person,
    recorded_change,
    require_active,
    secret_row,
    secrets_of,
    settle,
    take_back_rules,
    vault_facts,
)
from app.vault import Engine, SecretAddress, StoredValue, Vault, Visibility, Written
from app.workspaces.service import Workspace, check_revision, require_confirmation, settings_of

Expiry = Literal["none", "ok", "expiring", "expired"]

LEAST_CHARACTERS: Final[Mapping[Visibility, int]] = {"masked": 4, "restricted": 8}
GREATEST_BYTES: Final = 64 * 1024
DEFAULT_PLACES: Final[Mapping[Visibility, tuple[str, ...]]] = {
    "masked": ("header", "basic", "query", "path", "body"),
    "restricted": ("header:Authorization", "basic"),
}
EXPIRING_WITHIN: Final = timedelta(days=7)
HIDE_AFTER_SECONDS: Final = 30
# Made once, and of plain columns: every call asks it.
_VARIABLES: Final = cast(Table, VariableRow.__table__)
_USABLE: Final = select(_VARIABLES).where(
    _VARIABLES.c.workspace == bindparam("workspace"),
    _VARIABLES.c.kind == "secret",
    _VARIABLES.c.name.in_(bindparam("names", expanding=True)),
    _VARIABLES.c.state == "active",
)
_USABLE_HELD: Final = _USABLE.with_for_update(read=True)


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
    version: int
    state: str
    expiry: Expiry
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    last_used_at: datetime | None
    revision: int
    permissions: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What a secret is made of."""

    name: str
    value: SecretValue
    visibility: Visibility
    description: str = ""
    allowed_hosts: tuple[str, ...] | None = None
    allowed_places: tuple[str, ...] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecretChanges:
    """What an edit changes; a value only where a restricted secret is given further hosts or places."""

    description: str | Unset = UNSET
    allowed_hosts: tuple[str, ...] | Unset = UNSET
    allowed_places: tuple[str, ...] | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    value: SecretValue | Unset = UNSET


@dataclass(frozen=True, slots=True)
class UsableSecret:
    """What the call pipeline has to know of a secret before it reads the value.

    ``rules`` has one pair of hosts and places, or two while a change of them is under way; a call must pass each.
    ``bindings`` are the digests of the same pairs: Vault's must be one of them.
    """

    id: str
    name: str
    address: SecretAddress
    rules: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    bindings: tuple[str, ...]
    state: str
    expires_at: datetime | None


# --- creating ---------------------------------------------------------------------------------------------------------


def create_secret(
    new: NewSecret,
    *, access: Access, sessions: Sessions, vault: Vault, clock: Clock, limits: Limits,
    action: Literal["secret.create", "secret.import"] = "secret.create",
) -> Secret:  # fmt: skip
    """Make a secret; when this returns its value is in Vault and the row is ``active``.

    Raises:
        Forbidden, NameTaken, TooShort, TooLong, TooGuessable, AllowedHostsRequired, AllowedHostsTooWide,
        ValidationFailed: nothing was changed.
        VaultUnavailable: the value isn't stored, as far as can be known; what is left is undone by ``reconcile``.
    """
    target = Target("secret", uuid.uuid4().hex, new.name)
    with recorded(sessions=sessions, clock=clock, access=access, action=action, target=target) as deed:
        require(access, Permission.SECRET_WRITE)
        hosts, places = rules_of(new, limits)
        deed.detail |= {"visibility": new.visibility}
        row, address = _insert_pending(new, target, hosts, places, access=access, sessions=sessions, clock=clock)
        _require_nothing_there(row, address, access=access, sessions=sessions, vault=vault)
        try:
            vault.write_binding(address, digest(row, hosts, places), role=person(access))
            written = vault.write_value(address, new.value, cas=0, role=person(access))
        except VaultError as error:
            _undo_creation(row, address, access=access, sessions=sessions, vault=vault)
            raise _as_conflict(error, new.name) from None
        deed.detail |= vault_facts(written.version, written.request_id)
        with sessions.begin() as session:
            row = held(session, row.id, state="pending")
            row.state, row.version, row.unfinished = "active", written.version, False
            note_version(session, row, written.version, by=access.actor.name)
            deed.done(session, clock)
    return as_secret(row, access=access, now=clock())


def rules_of(new: NewSecret, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the hosts and places that a new secret gets; raises as ``create_secret`` where it can't be made so."""
    check_value(new.value, new.visibility, limits)
    return _hosts(new.allowed_hosts, new.visibility), _places(new.allowed_places, new.visibility)


def check_value(value: SecretValue, visibility: Visibility, limits: Limits) -> None:
    """Raise ``TooShort``, ``TooLong`` or ``TooGuessable`` where a value isn't fit for its visibility."""
    least = LEAST_CHARACTERS[visibility]
    if value.characters < least:
        told = f"A {visibility} value has at least {least} characters."
        raise TooShort(told, errors={"value": [told]})
    if value.size > GREATEST_BYTES:
        told = "A value has at most 64 KiB."
        raise TooLong(told, errors={"value": [told]})
    if (
        visibility == "restricted"
        and limits.restricted_min_guesses > 0
        and value.guesses() < limits.restricted_min_guesses
    ):
        told = "A restricted value must be hard to guess; this one is not. Use the random token that you were given."
        raise TooGuessable(told, errors={"value": [told]})


def _hosts(texts: Sequence[str] | None, visibility: Visibility) -> tuple[str, ...]:
    if visibility == "restricted" and not texts:
        told = "A restricted secret must be given the hosts that it may be sent to."
        raise AllowedHostsRequired(told, errors={"allowed_hosts": [told]})
    return normalise_patterns(("*",) if texts is None else texts, wildcard_allowed=visibility == "masked")


def _places(texts: Sequence[str] | None, visibility: Visibility) -> tuple[str, ...]:
    return normalise_places(
        DEFAULT_PLACES[visibility] if texts is None else texts, named_headers_only=visibility == "restricted"
    )


def _insert_pending(
    new: NewSecret, target: Target, hosts: Sequence[str], places: Sequence[str],
    *, access: Access, sessions: Sessions, clock: Clock,
) -> tuple[VariableRow, SecretAddress]:  # fmt: skip
    now = clock()
    row = VariableRow(
        id=target.id,
        workspace=access.workspace,
        name=new.name,
        folded_name=new.name.lower(),
        kind="secret",
        description=new.description,
        value=None,
        visibility=new.visibility,
        allowed_hosts=list(hosts),
        allowed_places=list(places),
        version=0,
        state="pending",
        unfinished=True,
        touched_at=now,
        touched_by=access.actor.name,
        expires_at=new.expires_at,
        revision=1,
        created_at=now,
        created_by=access.actor.name,
        updated_at=now,
        updated_by=access.actor.name,
    )
    try:
        with sessions.begin() as session:
            engine = settings_of(str(access.workspace), session).engine
            session.add(row)
    except IntegrityError:
        raise NameTaken(
            f"The name {new.name} is taken, by a variable or secret (upper and lower case count as one).",
            errors={"name": ["Is taken."]},
        ) from None
    return row, address_of(row, engine)


def _require_nothing_there(
    row: VariableRow, address: SecretAddress, *, access: Access, sessions: Sessions, vault: Vault
) -> None:
    # A value that the database lost sight of must not be given a stranger's rules.
    stored = vault.metadata(address, role=person(access))
    if stored is not None and stored.versions:
        drop_pending(row, sessions=sessions)
        raise _as_conflict(WriteConflict(""), row.name)


def _undo_creation(
    row: VariableRow, address: SecretAddress, *, access: Access, sessions: Sessions, vault: Vault
) -> None:
    # Where Vault can't be asked now, the row stays pending, which nobody can use, and reconcile takes it back.
    with suppress(VaultError):
        vault.delete(address, role=person(access))
        drop_pending(row, sessions=sessions)


def drop_pending(row: VariableRow, *, sessions: Sessions) -> None:
    """Delete the row of a secret that never came to be."""
    with sessions.begin() as session:
        session.execute(delete(VariableRow).where(VariableRow.id == row.id, VariableRow.state == "pending"))


def _as_conflict(error: VaultError, name: str) -> VaultError | Conflict:
    if isinstance(error, WriteConflict):
        return Conflict(
            f"Vault holds a value under the name {name} of which the database knows nothing; an operator has to look."
        )
    return error


# --- reading ----------------------------------------------------------------------------------------------------------


def list_secrets(
    *, access: Access, sessions: Sessions, clock: Clock, limit: int, after: str | None = None, q: str | None = None,
    unused: bool | None = None,
) -> Sequence[Secret]:  # fmt: skip
    """List a workspace's secrets by name; ``q`` looks in names and descriptions, whatever the case.

    ``unused`` leaves only those that no call ever carried, or only the others.
    """
    require(access, Permission.SECRET_READ)
    query = secrets_of(access).where(VariableRow.kind == "secret").order_by(VariableRow.name).limit(limit)
    if q:
        query = query.where(
            or_(*(column.icontains(q, autoescape=True) for column in (VariableRow.name, VariableRow.description)))
        )
    if unused is not None:
        query = query.where(VariableRow.last_used_at.is_(None) if unused else VariableRow.last_used_at.is_not(None))
    if after is not None:
        query = query.where(VariableRow.name > after)
    with sessions.read() as session:
        return [as_secret(row, access=access, now=clock()) for row in session.scalars(query)]


def get_secret(name: str, *, access: Access, sessions: Sessions, clock: Clock) -> Secret:
    """Return one secret by its exact name. Raises ``NotFound``."""
    require(access, Permission.SECRET_READ)
    with sessions.read() as session:
        return as_secret(secret_row(session, access, name), access=access, now=clock())


def reveal_secret(name: str, *, access: Access, sessions: Sessions, vault: Vault, clock: Clock) -> SecretValue:
    """Return a masked secret's value to be shown for ``HIDE_AFTER_SECONDS``; recorded before Vault is asked.

    Raises:
        NeverShown: the secret is restricted.
        Forbidden, NotFound, Conflict, BindingMismatch, VaultUnavailable
    """
    with recorded_change(access, "secret.reveal", name, sessions=sessions, clock=clock) as deed:
        require(access, Permission.SECRET_REVEAL)
        with sessions.read() as session:
            row = secret_row(session, access, name)
            address = address_of(row, settings_of(row.workspace, session).engine)
        deed.target = Target("secret", row.id, row.name)
        if row.visibility != "masked":
            raise NeverShown(f"{row.name} is restricted: its value is never shown to anybody.")
        require_active(row)
        secret = _usable(row, address)
        with unless_changed(secret, sessions=sessions):
            stored = vault.read_to_reveal(address, role=person(access))
            check_binding(stored, secret)
        deed.detail |= vault_facts(stored.version, stored.request_id)
    return stored.value


# --- changing ---------------------------------------------------------------------------------------------------------


def set_value(
    name: str, value: SecretValue, *, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock, limits: Limits,
) -> Secret:  # fmt: skip
    """Store a new value as a new version.

    Where two do so at once, both values become versions; with ``revision`` the later one is refused instead.

    Raises:
        Forbidden, NotFound, TooShort, TooLong, TooGuessable, PreconditionFailed, Conflict, BindingMismatch,
        VaultUnavailable
    """
    with recorded_change(access, "secret.set_value", name, sessions=sessions, clock=clock) as deed:
        require(access, Permission.SECRET_WRITE)
        seen = bound(name, deed=deed, access=access, sessions=sessions, vault=vault)
        with sessions.begin() as session:
            row = lock_bound(session, seen, access=access, revision=revision)
            check_value(value, cast(Visibility, row.visibility), limits)
            mark(session, row, by=access.actor.name, at=clock())
        began = row.touched_at
        written = _write_newest(seen.address, value, row, revision, access=access, vault=vault)
        deed.detail |= vault_facts(written.version, written.request_id)
        with sessions.begin() as session:
            row = held(session, row.id, state="active")
            settle(row, began=began, version=written.version, access=access, clock=clock)
            note_version(session, row, written.version, by=access.actor.name)
            deed.done(session, clock)
        return as_secret(row, access=access, now=clock())


def _write_newest(
    address: SecretAddress, value: SecretValue, row: VariableRow, revision: int | None,
    *, access: Access, vault: Vault,
) -> Written:  # fmt: skip
    cas = row.version
    for _attempt in range(8):
        try:
            return vault.write_value(address, value, cas=cas, role=person(access))
        except WriteConflict:
            # Another writer was faster, or one died before it could say how far it came; Vault knows the newest.
            if revision is not None:
                break
            stored = vault.metadata(address, role=person(access))
            if stored is None or stored.current_version == cas:
                break
            cas = stored.current_version
    raise PreconditionFailed("Somebody else stored a new value at the same moment; read the secret again.")


def update_secret(
    name: str, changes: SecretChanges, *, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock, limits: Limits,
) -> Secret:  # fmt: skip
    """Change description, expiry, hosts or places, keeping the binding in Vault in step.

    Hosts and places in force stay in force until Vault has the new binding; meanwhile a call must pass the old rules
    and the new. A restricted secret gets further hosts or places only with a new value, and its older versions are
    destroyed, so that nobody can redirect a value that they never knew.

    Raises:
        Forbidden, NotFound, PreconditionFailed, ValueRequired, AllowedHostsRequired, AllowedHostsTooWide,
        ValidationFailed, TooShort, TooLong, TooGuessable, Conflict, BindingMismatch, VaultUnavailable
    """
    with recorded_change(access, "secret.update", name, sessions=sessions, clock=clock) as deed:
        require(access, Permission.SECRET_WRITE)
        seen = bound(name, deed=deed, access=access, sessions=sessions, vault=vault)
        with sessions.begin() as session:
            row = lock_bound(session, seen, access=access, revision=revision)
            _plan_rules(row, changes, limits)
            if row.next_hosts is not None or changes.value is not UNSET:
                mark(session, row, by=access.actor.name, at=clock())
        began = row.touched_at
        deed.detail["changed"] = sorted(
            field for field in SecretChanges.__slots__ if getattr(changes, field) is not UNSET
        )
        written = _bring_to_vault(row, seen.address, changes, access=access, sessions=sessions, vault=vault)
        with sessions.begin() as session:
            row = held(session, row.id, state="active")
            take_over_rules(row)
            for field in ("description", "expires_at"):
                if (wanted := getattr(changes, field)) is not UNSET:
                    setattr(row, field, wanted)
            settle(row, began=began, version=written.version if written else 0, access=access, clock=clock)
            if written is not None:
                note_version(session, row, written.version, by=access.actor.name)
                deed.detail |= vault_facts(written.version, written.request_id)
            deed.done(session, clock)
        return as_secret(row, access=access, now=clock())


def _plan_rules(row: VariableRow, changes: SecretChanges, limits: Limits) -> None:
    visibility = cast(Visibility, row.visibility)
    hosts = row.allowed_hosts if changes.allowed_hosts is UNSET else list(_hosts(changes.allowed_hosts, visibility))
    places = (
        row.allowed_places if changes.allowed_places is UNSET else list(_places(changes.allowed_places, visibility))
    )
    if changes.value is not UNSET:
        check_value(changes.value, visibility, limits)
    elif widens(row, hosts, places):
        told = "A restricted secret is given further hosts or places only together with a new value."
        raise ValueRequired(told, errors={"value": [told]})
    if (hosts, places) != (row.allowed_hosts, row.allowed_places):
        row.next_hosts, row.next_places = hosts, places


def widens(row: VariableRow, hosts: Iterable[str], places: Iterable[str]) -> bool:
    """Tell whether these rules would let a restricted secret go where it couldn't before."""
    if row.visibility != "restricted":
        return False
    return not (set(hosts) <= set(row.allowed_hosts) and set(places) <= set(row.allowed_places))


def _bring_to_vault(
    row: VariableRow, address: SecretAddress, changes: SecretChanges,
    *, access: Access, sessions: Sessions, vault: Vault,
) -> Written | None:  # fmt: skip
    """Store the new value under the old rules, destroy what it takes the place of, and only then tell the new rules.

    So Vault's binding alone says how far a change of rules came, and ``reconcile`` never has to believe the row.
    """
    role, written = person(access), None
    if changes.value is not UNSET:
        try:
            written = vault.write_value(address, changes.value, cas=row.version, role=role)
        except WriteConflict:
            take_back_rules(row, sessions=sessions)
            raise PreconditionFailed(
                "Somebody else stored a new value at the same moment; read the secret again."
            ) from None
    if row.next_hosts is not None and row.next_places is not None:
        if written is not None and widens(row, row.next_hosts, row.next_places):
            vault.destroy_versions(address, _older_versions(written.version), role=role)
        vault.write_binding(address, digest(row, row.next_hosts, row.next_places), role=role)
    return written


def _older_versions(version: int) -> list[int]:
    """Return the numbers of the versions before this one that Vault may still keep."""
    return list(range(max(1, version - VERSIONS_KEPT), version))


def take_over_rules(row: VariableRow) -> None:
    """Put the rules in force that Vault has been told of."""
    if row.next_hosts is not None and row.next_places is not None:
        row.allowed_hosts, row.allowed_places = row.next_hosts, row.next_places
        row.next_hosts = row.next_places = None


def delete_secret(
    name: str, *, confirm: str | None, force: bool, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock,
) -> None:  # fmt: skip
    """Delete a secret with all its versions.

    Raises:
        InUse: blocks use it and ``force`` isn't set; ``extra["blocks"]`` names them.
        Forbidden, NotFound, ConfirmationRequired, PreconditionFailed, VaultUnavailable
    """
    with recorded_change(access, "secret.delete", name, sessions=sessions, clock=clock) as deed:
        require(access, Permission.SECRET_WRITE)
        with sessions.begin() as session:
            row = secret_row(session, access, name, for_update=True)
            deed.target = Target("secret", row.id, row.name)
            require_confirmation(confirm, row.name)
            check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
            _require_unused(row, force, session)
            row.state = "deleting"
            mark(session, row, by=access.actor.name, at=clock())
            row.revision += 1
            address = address_of(row, settings_of(row.workspace, session).engine)
        vault.delete(address, role=person(access))
        with sessions.begin() as session:
            session.execute(delete(VariableRow).where(VariableRow.id == row.id))
            deed.done(session, clock)


def _require_unused(row: VariableRow, force: bool, session: Session) -> None:
    blocks = blocks_using(row.name, row.workspace, session)
    if blocks and not force:
        raise InUse(
            f"{row.name} is used by {len(blocks)} API block{'s' if len(blocks) > 1 else ''}: {', '.join(blocks)}.",
            extra={"blocks": list(blocks)},
        )


# --- for the call pipeline, and for blocks ----------------------------------------------------------------------------


def usable_secrets(
    names: Iterable[str], *, workspace: Workspace, session: Session, hold: bool = False
) -> Mapping[str, UsableSecret]:
    """Look up the secrets that a call names, in one query; what isn't there, or isn't active, isn't in the answer.

    With ``hold`` nobody deletes one of them before the transaction ends.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    query = _USABLE_HELD if hold else _USABLE
    rows = session.execute(query, {"workspace": workspace.name, "names": wanted})
    return {row.name: _usable(row, address_of(row, workspace.engine)) for row in rows}


def check_binding(stored: StoredValue, secret: UsableSecret) -> None:
    """Raise ``BindingMismatch`` where Vault was told other rules for this value than the database now says."""
    if stored.binding is None or stored.binding not in secret.bindings:
        raise BindingMismatch(
            f"What the database says of {secret.name} isn't what Vault was told. Run `strongroom doctor`."
        )


@contextmanager
def unless_changed(secret: UsableSecret, *, sessions: Sessions) -> Iterator[None]:
    """Let a mismatch through only where the row still says what it said when the secret was looked up.

    Raises:
        Conflict: the secret was changed or deleted between the look-up and the read, which is nobody's fault.
    """
    try:
        yield
    except BindingMismatch:
        with sessions.read() as session:
            row = session.get(VariableRow, secret.id)
        if row is None or _usable(row, secret.address) != secret:
            raise Conflict(f"{secret.name} was changed or deleted at the same moment.", retry_after=1) from None
        raise


def blocks_using(name: str, workspace: str, session: Session) -> Sequence[str]:
    """Name the blocks that use a secret, sorted."""
    query = select(SecretUseRow.block).where(SecretUseRow.workspace == workspace, SecretUseRow.secret_name == name)
    return session.scalars(query.order_by(SecretUseRow.block)).all()


def note_uses(session: Session, *, workspace: str, block: str, secrets: Iterable[str]) -> None:
    """Replace what is known of the secrets that a block uses (none: the block is gone)."""
    session.execute(delete(SecretUseRow).where(SecretUseRow.workspace == workspace, SecretUseRow.block == block))
    session.add_all(SecretUseRow(workspace=workspace, secret_name=name, block=block) for name in sorted(set(secrets)))


def purge_variables(workspace: str, engine: Engine, *, sessions: Sessions, vault: Vault) -> None:
    """Delete every variable and secret of a workspace that is being deleted; Vault first."""
    vault.purge_workspace(workspace, engine)
    with sessions.begin() as session:
        session.execute(delete(SecretUseRow).where(SecretUseRow.workspace == workspace))
        session.execute(delete(VariableRow).where(VariableRow.workspace == workspace))


def _usable(row: VariableRow | Row[Any], address: SecretAddress) -> UsableSecret:
    rules = [(tuple(row.allowed_hosts), tuple(row.allowed_places))]
    if row.next_hosts is not None and row.next_places is not None:
        rules.append((tuple(row.next_hosts), tuple(row.next_places)))
    return UsableSecret(
        id=row.id,
        name=row.name,
        address=address,
        rules=tuple(rules),
        bindings=tuple(digest(row, hosts, places) for hosts, places in rules),
        state=row.state,
        expires_at=row.expires_at,
    )


def as_secret(row: VariableRow, *, access: Access, now: datetime) -> Secret:
    """Return a row as somebody with this standing sees it."""
    active, writes = row.state == "active", allows(access, Permission.SECRET_WRITE)
    return Secret(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        visibility=cast(Visibility, row.visibility),
        description=row.description,
        allowed_hosts=tuple(row.allowed_hosts),
        allowed_places=tuple(row.allowed_places),
        version=row.version,
        state=row.state,
        expiry=_expiry(row.expires_at, now),
        expires_at=row.expires_at,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        last_used_at=row.last_used_at,
        revision=row.revision,
        permissions={
            "reveal": active and row.visibility == "masked" and allows(access, Permission.SECRET_REVEAL),
            "set_value": active and writes,
            "edit": active and writes,
            "delete": writes,
        },
    )


def _expiry(expires_at: datetime | None, now: datetime) -> Expiry:
    if expires_at is None:
        return "none"
    if expires_at <= now:
        return "expired"
    return "expiring" if expires_at - now <= EXPIRING_WITHIN else "ok"
