"""Secrets: their metadata here, their values in Vault, and the two kept in step.

The local row and the Vault entry can't change in one transaction. So a row says first what is about to happen
(``pending``, ``deleting``, ``unfinished``, ``next_hosts``), then Vault is asked, then the row says that it has
happened, together with the record's event. What a crash leaves between, ``reconcile`` finishes or undoes.
``changes`` decides what may follow what; this file carries it out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.access import Access
from app.audit.service import Deed, Target
from app.db import Sessions
from app.kernel.errors import (
    CheckFailed,
    InUse,
    PreconditionFailed,
    Unanswered,
    ValidationFailed,
    VaultError,
    WriteConflict,
    in_body,
)
from app.kernel.preconditions import check_revision, require_confirmation
from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET
from app.resources import Resources
from app.variables.models import SecretUseRow, VariableRow
from app.variables.secrets.changes import SURELY_OVER_AFTER, Event
from app.variables.secrets.check import Check, RunCheck, Wanted, try_value, wanted_check
from app.variables.secrets.creation import NewSecret, SecretCreation
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.queries import Secret, as_stored, warnings_of
from app.variables.secrets.references import blocks_using
from app.variables.secrets.rule_changes import (
    SecretChanges,
    changed_fields,
    new_rules,
    require_for_managed,
    require_no_value,
    widens,
)
from app.variables.secrets.store import (
    Bound,
    SecretStore,
    address_of,
    begin,
    digest,
    drop_deleted,
    lock,
    next_rules_of,
    note_version,
    person,
    require_for,
    secret_row,
    set_next_rules,
    settle,
    take_over_rules,
    vault_facts,
)
from app.variables.validation import check_value, with_verdict
from app.vault import VERSIONS_KEPT, Engine, SecretAddress, Vault, Visibility, Written
from app.workspaces.service import settings_of

_OVERTAKEN_AT_MOST: Final = 8
"""How often a writer who doesn't mind to come later tries again when another was faster."""
_OVERTAKEN: Final = "Somebody else stored a new value at the same moment; read the secret again."


class Secrets:
    """Makes, changes and deletes secrets; bound to one request's resources."""

    def __init__(self, resources: Resources, run_check: RunCheck | None = None) -> None:
        """Bind them.

        Args:
            run_check: Tries a new value; without it none that asks for a check is taken.
        """
        self._resources = resources
        self._store = SecretStore(resources)
        self._run_check = run_check

    def create(
        self, new: NewSecret, *, access: Access, action: Literal["secret.create", "secret.import"] = "secret.create"
    ) -> Secret:
        """Make a secret; see ``SecretCreation.create``, whose errors this raises."""
        return SecretCreation(self._resources).create(new, access=access, action=action)

    def set_value(
        self,
        name: str,
        value: SecretValue,
        *,
        revision: int | None,
        access: Access,
        check: Check | bool | None = None,
    ) -> Secret:
        """Store a new value as a new version, once it has passed its check.

        Where two do so at once, both values become versions, and each is told its own number; with ``revision`` the
        later one is refused instead.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such secret.
            TooShort, TooLong, TooGuessable: The value isn't fit for the secret's visibility.
            NotForThisType: Vault's operators manage the value.
            PreconditionFailed: Somebody changed the secret since this revision.
            Conflict: Another change is under way.
            CheckFailed: The value didn't pass; nothing was changed.
            BindingMismatch, VaultUnavailable: Vault holds something else, or can't be asked.
        """
        resources = self._resources
        with self._store.recorded(Event.SET_VALUE, name, access=access) as deed:
            require_for(access, Event.SET_VALUE)
            seen = self._store.require_bound(name, Event.SET_VALUE, deed=deed, access=access)
            self._try(seen, value, wanted_check(check, seen.row.check_block), revision, deed=deed, access=access)
            with resources.sessions.begin() as session:
                row = self._store.lock_bound(session, seen, Event.SET_VALUE, access=access, revision=revision)
                check_value(value, cast(Visibility, row.visibility), resources.limits)
                begin(session, row, Event.SET_VALUE, access=access, at=resources.clock())
            began = row.touched_at
            value = with_verdict(value, cast(Visibility, row.visibility), resources.limits)
            written = self._write_newest(seen.address, value, row, revision, access=access)
            row = self._store.settle_version(row, written, began=began, deed=deed, access=access)
            secret = as_stored(row, written, access=access, now=resources.clock())
            return replace(secret, warnings=warnings_of(value))

    def _try(
        self,
        seen: Bound,
        value: SecretValue,
        wanted: Wanted | None,
        revision: int | None,
        *,
        deed: Deed,
        access: Access,
    ) -> None:
        """Try a new value where a check is wanted; nothing is written, or marked, while that lasts."""
        if wanted is None:
            return
        if self._run_check is None:
            raise CheckFailed("A new value of this secret is tried first, which can't be done here.")
        row = seen.row
        check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
        check_value(value, cast(Visibility, row.visibility), self._resources.limits)
        deed.detail["check"] = try_value(wanted, value, secret=row.name, run=self._run_check, access=access)

    def _write_newest(
        self, address: SecretAddress, value: SecretValue, row: VariableRow, revision: int | None, *, access: Access
    ) -> Written:
        vault, role, cas = self._resources.vault, person(access), row.version
        for _attempt in range(_OVERTAKEN_AT_MOST):
            try:
                return vault.write_value(address, value, cas=cas, role=role)
            except WriteConflict:
                # Another writer was faster, or one died before it could say how far it came; Vault knows the newest.
                if revision:
                    break
                stored = vault.metadata(address, role=role)
                if stored is None or stored.current_version == cas:
                    break
                cas = stored.current_version
        raise PreconditionFailed(_OVERTAKEN)

    def update(self, name: str, changes: SecretChanges, *, revision: int | None, access: Access) -> Secret:
        """Change description, expiry or rules, keeping the binding in Vault in step.

        Rules in force stay in force until Vault has the new binding; meanwhile a call must pass the old
        rules and the new. A restricted secret gets wider rules only with a new value, and its older
        versions are destroyed, so that nobody can redirect a value that they never knew.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such secret.
            PreconditionFailed: Somebody changed the secret since this revision.
            ValueRequired: The rules become wider, and no new value came along.
            NotForThisType, NotGranted: Vault's operators manage the value, and don't let it be used so.
            AllowedHostsRequired, AllowedHostsTooWide, ValidationFailed: The rules can't be such.
            TooShort, TooLong, TooGuessable: The value isn't fit for the secret's visibility.
            Conflict: Another change is under way.
            BindingMismatch, VaultUnavailable: Vault holds something else, or can't be asked.
        """
        resources = self._resources
        with self._store.recorded(Event.DESCRIBE, name, access=access) as deed:
            require_for(access, Event.DESCRIBE)
            seen = self._store.require_bound(name, Event.DESCRIBE, deed=deed, access=access)
            if seen.row.source is not None:
                require_for_managed(seen.row, changes, managed=ManagedValues(resources))
            if changes.value is not UNSET:
                new_rules(seen.row, changes)  # what is refused anyway isn't tried
                block = seen.row.check_block if changes.check_block is UNSET else changes.check_block
                self._try(seen, changes.value, wanted_check(None, block), revision, deed=deed, access=access)
            row = self._begin_update(seen, changes, revision=revision, access=access)
            began = row.touched_at
            deed.detail["changed"] = changed_fields(changes)
            written = self._bring_to_vault(row, seen.address, changes, access=access)
            row = self._end_update(row, changes, written, began=began, deed=deed, access=access)
            secret = as_stored(row, written, access=access, now=resources.clock())
            return secret if changes.value is UNSET else replace(secret, warnings=warnings_of(changes.value))

    def _begin_update(
        self, seen: Bound, changes: SecretChanges, *, revision: int | None, access: Access
    ) -> VariableRow:
        """Write down in the row what is about to happen in Vault, if anything is."""
        resources = self._resources
        with resources.sessions.begin() as session:
            row = self._store.lock_bound(session, seen, Event.DESCRIBE, access=access, revision=revision)
            rules = new_rules(row, changes)
            if changes.check_block is not UNSET and changes.check_block is not None:
                _require_use(row, changes.check_block, session)
            if changes.value is not UNSET:
                check_value(changes.value, cast(Visibility, row.visibility), resources.limits)
            elif rules is not None:
                require_no_value(row, rules)
            if rules is not None or changes.value is not UNSET:
                event = Event.SET_VALUE if rules is None else Event.CHANGE_RULES
                begin(session, row, event, access=access, at=resources.clock())
            if rules is not None:
                set_next_rules(row, rules)
        return row

    def _bring_to_vault(
        self, row: VariableRow, address: SecretAddress, changes: SecretChanges, *, access: Access
    ) -> Written | None:
        """Store the new value under the old rules, destroy what it takes the place of, and only then tell the new ones.

        So Vault's binding alone says how far a change of rules came, and ``reconcile`` never has to believe the row.
        """
        vault, role, written = self._resources.vault, person(access), None
        if changes.value is not UNSET:
            try:
                value = with_verdict(changes.value, cast(Visibility, row.visibility), self._resources.limits)
                written = vault.write_value(address, value, cas=row.version, role=role)
            except WriteConflict:
                self._store.take_back_rules(row)
                raise PreconditionFailed(_OVERTAKEN) from None
        rules = next_rules_of(row)
        if rules is not None:
            if written is not None and widens(row, rules):
                vault.destroy_versions(address, _older_versions(written.version), role=role)
            vault.write_binding(address, digest(row, rules), role=role)
        return written

    def _end_update(
        self,
        row: VariableRow,
        changes: SecretChanges,
        written: Written | None,
        *,
        began: datetime,
        deed: Deed,
        access: Access,
    ) -> VariableRow:
        clock = self._resources.clock
        with self._resources.sessions.begin() as session:
            row = lock(session, row.id, state="active")
            take_over_rules(row)
            if changes.description is not UNSET:
                row.description = changes.description
            if changes.expires_at is not UNSET:
                row.expires_at = changes.expires_at
            if changes.check_block is not UNSET:
                row.check_block = changes.check_block
            settle(row, began=began, version=written.version if written else 0, access=access, at=clock())
            if written is not None:
                note_version(session, row, written.version, by=access.actor.name)
                deed.detail |= vault_facts(written.version, written.request_id)
            deed.complete(session, clock)
        return row

    def delete(self, name: str, *, confirm: str | None, force: bool, revision: int | None, access: Access) -> None:
        """Delete a secret with all its versions.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such secret.
            ConfirmationRequired: ``confirm`` isn't its name.
            PreconditionFailed: Somebody changed the secret since this revision.
            InUse: Blocks use it and ``force`` isn't set; ``extra["blocks"]`` names them.
            Conflict: It is being made or deleted at this moment, as far as can be known.
            VaultUnavailable: Vault can't be asked.
        """
        resources = self._resources
        with self._store.recorded(Event.DELETE, name, access=access) as deed:
            require_for(access, Event.DELETE)
            with resources.sessions.begin() as session:
                row = secret_row(session, access, name, for_update=True)
                deed.target = Target("secret", row.id, row.name)
                require_confirmation(confirm, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                begin(session, row, Event.DELETE, access=access, at=resources.clock())
                _require_unused(row, force, session)
                row.revision += 1
                address = address_of(row, settings_of(row.workspace, session).engine)
            try:
                resources.vault.delete(address, role=person(access))
            except Unanswered:
                raise  # it may still be carried out, so the name isn't given back, nor asked for again, for a while
            except VaultError:
                self._store.touch(row, resources.clock() - SURELY_OVER_AFTER)  # nothing was done: anybody may go on
                raise
            with resources.sessions.begin() as session:
                drop_deleted(session, row)
                deed.complete(session, resources.clock)


def _older_versions(version: int) -> list[int]:
    """Return the numbers of the versions before this one that Vault may still keep."""
    return list(range(max(1, version - VERSIONS_KEPT), version))


def _require_use(row: VariableRow, block: str, session: Session) -> None:
    if block not in blocks_using(row.name, row.workspace, session):
        sentence = f"There is no block {block[:64]} that uses {row.name}."
        raise ValidationFailed(sentence, errors={in_body("check_block"): [sentence]})


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
