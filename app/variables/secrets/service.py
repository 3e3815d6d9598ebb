"""Secrets: their metadata here, their values in Vault, and the two kept in step.

The local row and the Vault entry can't change in one transaction. So a row says first what is about to happen
(``pending``, ``deleting``, ``unfinished``, ``next_hosts``), then Vault is asked, then the row says that it has
happened, together with the record's event. What a crash leaves between, ``reconcile`` finishes or undoes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access, Permission, require
from app.audit.service import Target, recorded
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import (
    Conflict,
    InUse,
    NotFound,
    PreconditionFailed,
    Unanswered,
    ValueRequired,
    VaultError,
    WriteConflict,
    in_body,
)
from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET, Unset
from app.resources import Limits
from app.variables.models import SecretUseRow, VariableRow
from app.variables.secrets.changes import (
    SURELY_OVER_AFTER,
    address_of,
    bound,
    digest,
    drop_deleted,
    held,
    lock_bound,
    mark,
    note_version,
    person,
    recorded_change,
    require_nobody_at_work,
    secret_row,
    settle,
    stored_version,
    take_back_rules,
    touch,
    vault_facts,
)
from app.variables.secrets.queries import Secret, as_secret, as_stored
from app.variables.secrets.references import blocks_using
from app.variables.validation import check_value, hosts_of, name_taken, places_of, widens
from app.vault import VERSIONS_KEPT, Engine, SecretAddress, Vault, Visibility, Written
from app.workspaces.service import (
    check_revision,
    hold_workspace,
    require_confirmation,
    require_workspace,
    settings_of,
)

_OVERTAKEN_AT_MOST: Final = 8
"""How often a writer who doesn't mind to come later tries again when another was faster."""


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
        NotFound: the workspace was deleted at the same moment; the value is taken back.
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
            deed.detail |= vault_facts(written.version, written.request_id)
            with sessions.begin() as session:
                # The purge of a workspace that is deleted may have come before the value.
                hold_workspace(row.workspace, session)
                row = held(session, row.id, state="pending")
                row.state, row.version, row.unfinished = "active", written.version, False
                note_version(session, row, written.version, by=access.actor.name)
                deed.done(session, clock)
        except (VaultError, NotFound) as error:
            _undo_creation(row, address, access=access, sessions=sessions, vault=vault, clock=clock)
            require_workspace(row.workspace, sessions=sessions)  # what Vault says of one that is gone would mislead
            raise _as_conflict(error, new.name) from None
    return as_secret(row, access=access, now=clock())


def rules_of(new: NewSecret, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the hosts and places that a new secret gets; raises as ``create_secret`` where it can't be made so."""
    check_value(new.value, new.visibility, limits)
    return hosts_of(new.allowed_hosts, new.visibility), places_of(new.allowed_places, new.visibility)


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
        raise name_taken(new.name) from None
    return row, address_of(row, engine)


def _require_nothing_there(
    row: VariableRow, address: SecretAddress, *, access: Access, sessions: Sessions, vault: Vault
) -> None:
    # A value that the database lost sight of must not be given a stranger's rules.
    try:
        stored = vault.metadata(address, role=person(access))
    except VaultError:  # nothing was written yet, so the name is free for who tries again
        drop_pending(row, sessions=sessions)
        raise
    if stored is not None and stored.versions:
        drop_pending(row, sessions=sessions)
        raise _as_conflict(WriteConflict(""), row.name)


def _undo_creation(
    row: VariableRow, address: SecretAddress, *, access: Access, sessions: Sessions, vault: Vault, clock: Clock
) -> None:
    if not touch(row, clock(), sessions=sessions):  # as for a deletion: Vault may carry it out much later
        return
    # Where Vault can't be asked now, the row stays pending, which nobody can use, and reconcile takes it back.
    with suppress(VaultError):
        vault.delete(address, role=person(access))
        drop_pending(row, sessions=sessions)


def drop_pending(row: VariableRow, *, sessions: Sessions) -> None:
    """Delete the row of a secret that never came to be."""
    with sessions.begin() as session:
        session.execute(delete(VariableRow).where(VariableRow.id == row.id, VariableRow.state == "pending"))


def _as_conflict(error: VaultError | NotFound, name: str) -> VaultError | NotFound | Conflict:
    if isinstance(error, WriteConflict):
        return Conflict(
            f"Vault holds a value under the name {name} of which the database knows nothing; an operator has to look."
        )
    return error


# --- changing ---------------------------------------------------------------------------------------------------------


def set_value(
    name: str, value: SecretValue, *, revision: int | None,
    access: Access, sessions: Sessions, vault: Vault, clock: Clock, limits: Limits,
) -> Secret:  # fmt: skip
    """Store a new value as a new version.

    Where two do so at once, both values become versions, and each is told its own number; with ``revision`` the later
    one is refused instead.

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
        row = stored_version(row, written, began=began, deed=deed, access=access, sessions=sessions, clock=clock)
        return as_stored(row, written, access=access, now=clock())


def _write_newest(
    address: SecretAddress, value: SecretValue, row: VariableRow, revision: int | None,
    *, access: Access, vault: Vault,
) -> Written:  # fmt: skip
    cas = row.version
    for _attempt in range(_OVERTAKEN_AT_MOST):
        try:
            return vault.write_value(address, value, cas=cas, role=person(access))
        except WriteConflict:
            # Another writer was faster, or one died before it could say how far it came; Vault knows the newest.
            if revision:
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
        return as_stored(row, written, access=access, now=clock())


def _plan_rules(row: VariableRow, changes: SecretChanges, limits: Limits) -> None:
    visibility = cast(Visibility, row.visibility)
    hosts = row.allowed_hosts if changes.allowed_hosts is UNSET else list(hosts_of(changes.allowed_hosts, visibility))
    places = (
        row.allowed_places if changes.allowed_places is UNSET else list(places_of(changes.allowed_places, visibility))
    )
    if changes.value is not UNSET:
        check_value(changes.value, visibility, limits)
    elif widens(row, hosts, places):
        told = "A restricted secret is given further hosts or places only together with a new value."
        raise ValueRequired(told, errors={in_body("value"): [told]})
    if (hosts, places) != (row.allowed_hosts, row.allowed_places):
        row.next_hosts, row.next_places = hosts, places


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
        Conflict: it is being made or deleted at this moment, as far as can be known.
        Forbidden, NotFound, ConfirmationRequired, PreconditionFailed, VaultUnavailable
    """
    with recorded_change(access, "secret.delete", name, sessions=sessions, clock=clock) as deed:
        require(access, Permission.SECRET_WRITE)
        with sessions.begin() as session:
            row = secret_row(session, access, name, for_update=True)
            deed.target = Target("secret", row.id, row.name)
            require_confirmation(confirm, row.name)
            check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
            require_nobody_at_work(row, clock())
            _require_unused(row, force, session)
            row.state = "deleting"
            mark(session, row, by=access.actor.name, at=clock())
            row.revision += 1
            address = address_of(row, settings_of(row.workspace, session).engine)
        try:
            vault.delete(address, role=person(access))
        except Unanswered:
            raise  # it may still be carried out, so that the name isn't given back, nor asked for again, for a while
        except VaultError:
            touch(row, clock() - SURELY_OVER_AFTER, sessions=sessions)  # nothing was done: anybody may go on at once
            raise
        with sessions.begin() as session:
            drop_deleted(session, row)
            deed.done(session, clock)


def _require_unused(row: VariableRow, force: bool, session: Session) -> None:
    blocks = blocks_using(row.name, row.workspace, session)
    if blocks and not force:
        raise InUse(
            f"{row.name} is used by {len(blocks)} API block{'s' if len(blocks) > 1 else ''}: {', '.join(blocks)}.",
            extra={"blocks": list(blocks)},
        )


# --- with its workspace -----------------------------------------------------------------------------------------------


def purge_variables(workspace: str, engine: Engine, *, sessions: Sessions, vault: Vault) -> None:
    """Delete every variable and secret of a workspace that is being deleted; Vault first.

    The row of a secret that is being made stays until its value, which may come after this, is taken back: by its
    maker, or by ``reconcile``, which would know nothing of it without the row.
    """
    vault.purge_workspace(workspace, engine)
    with sessions.begin() as session:
        session.execute(delete(SecretUseRow).where(SecretUseRow.workspace == workspace))
        session.execute(delete(VariableRow).where(VariableRow.workspace == workspace, VariableRow.state != "pending"))
