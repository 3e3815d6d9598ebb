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

from sqlalchemy.orm import Session

from app.access import Access
from app.audit.service import Deed, Target
from app.kernel.errors import (
    CheckFailed,
    NotForThisType,
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
from app.variables.models import VariableRow
from app.variables.secrets.changes import SURELY_OVER_AFTER, ChangeEvent
from app.variables.secrets.check import Check, RequiredCheck, RunCheck, required_check, try_value
from app.variables.secrets.creation import NewSecret, SecretCreation
from app.variables.secrets.deposits import (
    Deposit,
    read_credential,
    remove_deposit,
    require_token_url,
)
from app.variables.secrets.edits import (
    SecretChanges,
    changed_fields,
    new_made_of,
    new_rules,
    older_versions,
    require_for_managed,
    require_no_key,
    require_no_value,
    widens,
    with_credential,
)
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.queries import Secret, as_stored, warnings_of
from app.variables.secrets.references import blocks_using
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
    rules_facts,
    rules_of,
    secret_row,
    set_next_rules,
    settle,
    take_over_rules,
    vault_facts,
)
from app.variables.validation import check_value, require_unused
from app.vault import SecretAddress, Visibility, Written
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
            NotForThisType: Vault's operators manage the value.
            TooShort, TooLong, TooGuessable: The value isn't fit for the secret's visibility.
            PreconditionFailed: Somebody changed the secret since this revision.
            Conflict: Another change is under way.
            CheckFailed: The value didn't pass; nothing was changed.
            BindingMismatch, VaultUnavailable: Vault holds something else, or can't be asked.
        """
        resources = self._resources
        with self._store.recorded(ChangeEvent.SET_VALUE, name, access=access) as deed:
            require_for(access, ChangeEvent.SET_VALUE)
            seen = self._store.require_bound(name, ChangeEvent.SET_VALUE, deed=deed, access=access)
            deposit = self._read(seen.row, SecretChanges(value=value), check)
            self._try(seen, value, required_check(check, seen.row.check_block), revision, deed=deed, access=access)
            with resources.sessions.begin() as session:
                row = self._store.lock_bound(session, seen, ChangeEvent.SET_VALUE, access=access, revision=revision)
                begin(session, row, ChangeEvent.SET_VALUE, access=access, at=resources.clock())
            began = row.touched_at
            written = self._write_newest(seen.address, deposit, row, revision, access=access)
            row = self._store.settle_version(row, written, began=began, deed=deed, access=access)
            secret = as_stored(row, written, access=access, now=resources.clock())
            return replace(secret, warnings=warnings_of(value))

    def put_value(
        self,
        name: str,
        changes: SecretChanges,
        *,
        revision: int | None,
        access: Access,
        check: Check | bool | None = None,
    ) -> Secret:
        """Store a new value, or a new key or a client's new credentials with what makes the secret up from now on.

        Raises:
            NotForThisType: A new key can't be tried.
            StrongroomError: Whatever ``set_value`` and ``update`` raise.
        """
        if isinstance(changes.value, SecretValue) and changes.credential is UNSET and not changes.parts:
            return self.set_value(name, changes.value, revision=revision, access=access, check=check)
        return self._change(name, changes, ChangeEvent.SET_VALUE, revision=revision, access=access, check=check)

    def _try(
        self,
        seen: Bound,
        value: SecretValue,
        wanted: RequiredCheck | None,
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
        self, address: SecretAddress, deposit: Deposit, row: VariableRow, revision: int | None, *, access: Access
    ) -> Written:
        vault, role, cas = self._resources.vault, person(access), row.version
        for _attempt in range(_OVERTAKEN_AT_MOST):
            try:
                return deposit.write(vault, address, cas=cas, role=role)
            except WriteConflict:
                # Another writer was faster, or one died before it could say how far it came; Vault knows the newest.
                if revision:
                    break
                stored = vault.metadata(address, role=role)
                if stored is None or stored.current_version == cas:
                    break
                cas = stored.current_version
        raise PreconditionFailed(_OVERTAKEN)

    def update(
        self,
        name: str,
        changes: SecretChanges,
        *,
        revision: int | None,
        access: Access,
        check: Check | bool | None = None,
    ) -> Secret:
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
        return self._change(name, changes, ChangeEvent.DESCRIBE, revision=revision, access=access, check=check)

    def _change(
        self,
        name: str,
        changes: SecretChanges,
        event: ChangeEvent,
        *,
        revision: int | None,
        access: Access,
        check: Check | bool | None = None,
    ) -> Secret:
        resources = self._resources
        with self._store.recorded(event, name, access=access) as deed:
            require_for(access, event)
            seen = self._store.require_bound(name, event, deed=deed, access=access)
            if seen.row.source is not None:
                require_for_managed(seen.row, changes, managed=ManagedValues(resources))
            if event is ChangeEvent.SET_VALUE:
                changes = with_credential(seen.row, changes)
            deposit = self._read(seen.row, changes, check) if changes.given is not None else None
            if isinstance(changes.value, SecretValue):
                new_rules(seen.row, changes)  # what is refused anyway isn't tried
                block = seen.row.check_block if changes.check_block is UNSET else changes.check_block
                self._try(seen, changes.value, required_check(check, block), revision, deed=deed, access=access)
            row = self._begin_update(seen, changes, event, revision=revision, access=access)
            began = row.touched_at
            deed.detail["changed"] = changed_fields(changes)
            if (rules := next_rules_of(row)) is not None:
                deed.detail |= rules_facts(rules)
            written = self._bring_to_vault(row, seen.address, deposit, access=access)
            row = self._end_update(row, changes, written, began=began, deed=deed, access=access)
            secret = as_stored(row, written, access=access, now=resources.clock())
            value = changes.given
            return secret if not isinstance(value, SecretValue) else replace(secret, warnings=warnings_of(value))

    def _read(self, row: VariableRow, changes: SecretChanges, check: Check | bool | None) -> Deposit:
        """Read what is given.

        Raises:
            NotForThisType: A new value of this type can't be tried.
            StrongroomError: It isn't fit.
        """
        before, made_of = rules_of(row).made_of, new_made_of(row, changes)
        if before is not None and isinstance(check, Check):
            raise NotForThisType(f"{row.name} is of the type {row.type}: a new key of it can't be checked.")
        require_token_url(made_of if made_of != before else None, outbound=self._resources.outbound)
        limits, visibility = self._resources.limits, cast(Visibility, row.visibility)
        return read_credential(changes.given, made_of, visibility, limits, before=before)

    def _begin_update(
        self, seen: Bound, changes: SecretChanges, asked: ChangeEvent, *, revision: int | None, access: Access
    ) -> VariableRow:
        """Write down in the row what is about to happen in Vault, if anything is."""
        resources = self._resources
        with resources.sessions.begin() as session:
            row = self._store.lock_bound(session, seen, asked, access=access, revision=revision)
            rules = new_rules(row, changes)
            if changes.check_block is not UNSET and changes.check_block is not None:
                require_no_key(row)
                _require_use(row, changes.check_block, session)
            if changes.given is None and rules is not None:
                require_no_value(row, rules)
            if rules is not None or changes.given is not None:
                event = ChangeEvent.SET_VALUE if rules is None else ChangeEvent.CHANGE_RULES
                begin(session, row, event, access=access, at=resources.clock())
            if rules is not None:
                set_next_rules(row, rules)
        return row

    def _bring_to_vault(
        self, row: VariableRow, address: SecretAddress, deposit: Deposit | None, *, access: Access
    ) -> Written | None:
        """Store the new value under the old rules, destroy what it takes the place of, and only then tell the new ones.

        So Vault's binding alone says how far a change of rules came, and ``reconcile`` never has to believe the row.
        """
        vault, role, written = self._resources.vault, person(access), None
        if deposit is not None:
            try:
                written = deposit.write(vault, address, cas=row.version, role=role)
            except WriteConflict:
                self._store.take_back_rules(row)
                raise PreconditionFailed(_OVERTAKEN) from None
            except ValidationFailed:
                self._store.take_back_rules(row)
                raise
        rules = next_rules_of(row)
        if rules is not None:
            if written is not None and widens(row, rules):
                vault.destroy_versions(address, older_versions(written.version), role=role)
            vault.write_binding(address, digest(row, rules), role=role)
        if deposit is not None:
            deposit.finish(vault, address, role=role)
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
                row.reconnect = False
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
        with self._store.recorded(ChangeEvent.DELETE, name, access=access) as deed:
            require_for(access, ChangeEvent.DELETE)
            with resources.sessions.begin() as session:
                row = secret_row(session, access, name, for_update=True)
                deed.target = Target("secret", row.id, row.name)
                require_confirmation(confirm, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                begin(session, row, ChangeEvent.DELETE, access=access, at=resources.clock())
                if not force:
                    require_unused(row.name, blocks_using(row.name, row.workspace, session))
                row.revision += 1
                address = address_of(row, settings_of(row.workspace, session).engine)
            try:
                remove_deposit(resources.vault, address, row.type, role=person(access))
            except Unanswered:
                raise  # it may still be carried out, so the name isn't given back, nor asked for again, for a while
            except VaultError:
                self._store.touch(row, resources.clock() - SURELY_OVER_AFTER)  # nothing was done: anybody may go on
                raise
            with resources.sessions.begin() as session:
                drop_deleted(session, row)
                deed.complete(session, resources.clock)


def _require_use(row: VariableRow, block: str, session: Session) -> None:
    if block not in blocks_using(row.name, row.workspace, session):
        sentence = f"There is no block {block[:64]} that uses {row.name}."
        raise ValidationFailed(sentence, errors={in_body("check_block"): [sentence]})
