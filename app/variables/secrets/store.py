"""A secret's row, and its way through a change: found, locked, marked, settled. What may happen, ``changes`` decides.

A change that goes to Vault marks the row first and settles it afterwards; what stays marked, ``reconcile`` looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, Row, Select, delete, select, update
from sqlalchemy.orm import Session

from app.access import Access, require
from app.audit.actions import Action
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import BindingMismatch, Conflict, NotFound
from app.kernel.preconditions import check_revision
from app.outbound.requests_allowed import as_json, from_json, write_line
from app.resources import Resources
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets import types
from app.variables.secrets.binding import Rules, Source, binding
from app.variables.secrets.changes import NEEDS, SURELY_OVER_AFTER, ChangeEvent, State, advance, require_own_value
from app.variables.secrets.types import MadeOf
from app.vault import VERSIONS_KEPT, Engine, PersonRole, SecretAddress, StoredMetadata, Visibility, Written
from app.workspaces.service import settings_of

ACTIONS: Final[dict[ChangeEvent, Action]] = {
    ChangeEvent.CREATE: "secret.create",
    ChangeEvent.DESCRIBE: "secret.update",
    ChangeEvent.CHANGE_RULES: "secret.update",
    ChangeEvent.DESTROY_VERSION: "secret.update",
    ChangeEvent.SET_VALUE: "secret.set_value",
    ChangeEvent.ROLL_BACK: "secret.rollback",
    ChangeEvent.DELETE: "secret.delete",
    ChangeEvent.REVEAL: "secret.reveal",
}
"""What the record calls each event that it tells of."""


_MOST_FACTS: Final = 20
_LONGEST_FACT: Final = 200


def person(access: Access) -> PersonRole:
    """Return the Vault role of whoever asks."""
    return cast(PersonRole, str(access.role))


def vault_facts(version: int | None, request_id: str | None) -> dict[str, object]:
    """Return what the record keeps of Vault's answer."""
    return {"version": version} | ({"vault_request_id": request_id} if request_id else {})


# --- what a row says --------------------------------------------------------------------------------------------------


def state_of(row: VariableRow | None) -> State:
    """Return the state that the row says its secret is in."""
    if row is None:
        return State.ABSENT
    if row.state != "active":
        return State(row.state)
    if not row.unfinished:
        return State.ACTIVE
    return State.VALUE_CHANGING if row.next_hosts is None else State.RULES_CHANGING


def rules_of(row: VariableRow | Row[Any]) -> Rules:
    """Return the rules in force."""
    requests = None if row.allowed_requests is None else from_json(row.allowed_requests)
    return Rules(
        tuple(row.allowed_hosts), tuple(row.allowed_places), requests, bool(row.wide), _read_made_of(row, row.made_of)
    )


def _read_made_of(row: VariableRow | Row[Any], document: Mapping[str, Any] | None) -> MadeOf | None:
    return None if row.type == "value" else types.from_json(row.type, document or {})


def next_rules_of(row: VariableRow | Row[Any]) -> Rules | None:
    """Return the rules that the row is to get, of which Vault may have been told already; None without such."""
    if row.next_hosts is None or row.next_places is None:
        return None
    requests = None if row.next_requests is None else from_json(row.next_requests)
    return Rules(
        tuple(row.next_hosts),
        tuple(row.next_places),
        requests,
        bool(row.next_wide),
        _read_made_of(row, row.next_made_of),
    )


def set_next_rules(row: VariableRow, rules: Rules | None) -> None:
    """Write down the rules that the row is to get, or that it is to get none."""
    row.next_hosts = None if rules is None else list(rules.hosts)
    row.next_places = None if rules is None else list(rules.places)
    row.next_requests = None if rules is None or rules.requests is None else as_json(rules.requests)
    row.next_wide = rules is not None and rules.wide
    row.next_made_of = None if rules is None or rules.made_of is None else types.as_json(rules.made_of)


def set_rules(row: VariableRow, rules: Rules) -> None:
    """Put rules in force."""
    row.allowed_hosts, row.allowed_places, row.wide = list(rules.hosts), list(rules.places), rules.wide
    row.allowed_requests = None if rules.requests is None else as_json(rules.requests)
    row.made_of = None if rules.made_of is None else types.as_json(rules.made_of)


def take_over_rules(row: VariableRow) -> None:
    """Put the rules in force that Vault has been told of."""
    rules = next_rules_of(row)
    if rules is not None:
        set_rules(row, rules)
        set_next_rules(row, None)


def source_of(row: VariableRow | Row[Any]) -> Source | None:
    """Return where the row says that Vault's operators keep its value; None of one that was written here."""
    return None if row.source is None else Source(str(row.source.get("path")), str(row.source.get("field")))


def digest(row: VariableRow | Row[Any], rules: Rules) -> str:
    """Return the binding of the row with these rules."""
    return binding(
        workspace=row.workspace,
        secret_id=row.id,
        name=row.name,
        visibility=str(row.visibility),
        rules=rules,
        source=source_of(row),
    )


def address_of(row: VariableRow | Row[Any], engine: Engine) -> SecretAddress:
    """Return where the row says that its value lies."""
    return SecretAddress(row.workspace, engine, cast(Visibility, row.visibility), row.name)


# --- within a transaction ---------------------------------------------------------------------------------------------


def secrets_of(access: Access) -> Select[VariableRow]:
    """Select the rows of the workspace that ``access`` stands in."""
    return select(VariableRow).where(VariableRow.workspace == access.workspace)


def secret_row(session: Session, access: Access, name: str, *, for_update: bool = False) -> VariableRow:
    """Return a secret's row by its exact name. Raises ``NotFound``."""
    query = secrets_of(access).where(VariableRow.kind == "secret", VariableRow.name == name)
    row = session.scalar(query.with_for_update() if for_update else query)
    if row is None:
        raise NotFound(f"There is no secret {name[:64]}.")
    return row


def lock(session: Session, secret_id: str, *, state: str) -> VariableRow:
    """Lock and return a row that is still in this state. Raises ``Conflict``."""
    row = session.get(VariableRow, secret_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != state:
        raise Conflict("The secret was deleted at the same moment.")
    return row


def begin(session: Session, row: VariableRow, event: ChangeEvent, *, access: Access, at: datetime) -> None:
    """Say in the row that a write to Vault begins.

    Whoever began one before and isn't known to have ended it made the next version, if anybody did: their name is
    kept for it, until whoever really made it says so.

    Raises:
        Conflict: The secret's state doesn't let it happen now.
    """
    state = advance(state_of(row), event, name=row.name, silent=row.touched_at <= at - SURELY_OVER_AFTER)
    row.state = "deleting" if state is State.DELETING else "active"
    if row.unfinished and session.get(SecretVersionRow, (row.id, row.version + 1)) is None:
        note_version(session, row, row.version + 1, by=row.touched_by)
    row.unfinished, row.touched_at, row.touched_by = True, at, access.actor.name


def rules_facts(rules: Rules) -> dict[str, object]:
    """Return what the record keeps of rules: hosts, places and requests as people write them, the first of each."""
    requests = None if rules.requests is None else [write_line(each) for each in rules.requests]
    lists = {"allowed_hosts": rules.hosts, "allowed_places": rules.places, "allowed_requests": requests}
    return {name: each and [text[:_LONGEST_FACT] for text in each[:_MOST_FACTS]] for name, each in lists.items()}


def settle(row: VariableRow, *, began: datetime, version: int, access: Access, at: datetime) -> None:
    """Say that a change ended, which began at that moment; one that began later is still under way.

    Where a newer version overtook the change's own, who stored that one stays named as who changed the secret last.
    """
    row.unfinished = row.touched_at != began
    row.revision += 1
    if not 0 < version < row.version:
        row.updated_at, row.updated_by = at, access.actor.name
    row.version = max(row.version, version)


def note_version(session: Session, row: VariableRow, version: int, *, by: str) -> None:
    """Keep who made a version, and forget who made those that Vault keeps no more."""
    session.merge(SecretVersionRow(secret_id=row.id, version=version, created_by=by))
    session.execute(
        delete(SecretVersionRow).where(
            SecretVersionRow.secret_id == row.id, SecretVersionRow.version <= version - VERSIONS_KEPT
        )
    )


def drop_deleted(session: Session, row: VariableRow) -> None:
    """Give a name back whose secret Vault holds no more; unless somebody else has taken the deletion over meanwhile."""
    session.execute(
        delete(VariableRow).where(
            VariableRow.id == row.id, VariableRow.state == "deleting", VariableRow.touched_at == row.touched_at
        )
    )


# --- across transactions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """A secret that may be changed, as Vault was told of it, and what lies beside its value."""

    row: VariableRow
    address: SecretAddress
    stored: StoredMetadata

    @property
    def binding(self) -> str:
        """The binding that Vault and the row agree on."""
        return digest(self.row, rules_of(self.row))


class SecretStore:
    """Rows and their entries in Vault, kept in step; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._sessions = resources.sessions
        self._vault = resources.vault
        self._clock = resources.clock

    def recorded(
        self, event: ChangeEvent, name: str, *, access: Access, action: Action | None = None
    ) -> AbstractContextManager[Deed]:
        """Record what is done to a secret, by the name that was asked for until its row is found."""
        target = Target("secret", None, name[:64])
        action = action or ACTIONS[event]
        return recorded(sessions=self._sessions, clock=self._clock, access=access, action=action, target=target)

    def find(self, name: str, *, access: Access) -> tuple[VariableRow, SecretAddress]:
        """Return a secret's row and where its value lies. Raises ``NotFound``."""
        with self._sessions.read() as session:
            row = secret_row(session, access, name)
            return row, address_of(row, settings_of(row.workspace, session).engine)

    def require_bound(self, name: str, event: ChangeEvent, *, deed: Deed, access: Access) -> Bound:
        """Return a secret if Vault was told the same rules as its row says.

        Nothing is built on a row that Vault wasn't told of: a new binding would make a forged one good.

        Raises:
            Conflict: The secret's state doesn't let the event happen now.
            NotFound: There is no such secret.
            NotForThisType: Vault's operators manage the value, and the event would change it.
            BindingMismatch: Vault was told something else.
            VaultUnavailable: Vault can't be asked.
        """
        for _attempt in range(2):  # once more, since the rules may have changed between the two looks
            row, address = self.find(name, access=access)
            deed.target = Target("secret", row.id, row.name)
            require_own_value(event, name=row.name, managed=row.source is not None)
            advance(state_of(row), event, name=row.name)
            stored = self._vault.metadata(address, role=person(access))
            if stored is not None and stored.binding == digest(row, rules_of(row)):
                return Bound(row, address, stored)
        raise BindingMismatch(f"What the database says of {name} doesn't match Vault. Run `strongroom doctor`.")

    def lock_bound(
        self, session: Session, seen: Bound, event: ChangeEvent, *, access: Access, revision: int | None
    ) -> VariableRow:
        """Lock the row of a secret that was bound a moment ago, if it still says the same.

        Raises:
            Conflict, NotFound, PreconditionFailed: Somebody changed or deleted it meanwhile.
        """
        row = secret_row(session, access, seen.row.name, for_update=True)
        check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
        advance(state_of(row), event, name=row.name)
        if digest(row, rules_of(row)) != seen.binding:
            raise Conflict(f"{row.name} was changed at the same moment.", retry_after=1)
        return row

    def touch(self, row: VariableRow, at: datetime) -> bool:
        """Put another moment into an unfinished row, which keeps others away while it is new.

        Returns:
            Whether the row still was as it was seen; nothing happens where it wasn't.
        """
        same = (VariableRow.id == row.id, VariableRow.unfinished, VariableRow.touched_at == row.touched_at)
        with self._sessions.begin() as session:
            done = session.execute(
                update(VariableRow).where(*same).values(touched_at=at).execution_options(synchronize_session=False)
            )
        row.touched_at = at
        return cast(CursorResult[Any], done).rowcount == 1

    def settle_version(
        self, row: VariableRow, written: Written, *, began: datetime, deed: Deed, access: Access
    ) -> VariableRow:
        """Say that a change ended that stored a version, in the row and in the record at once; return the row."""
        deed.detail |= vault_facts(written.version, written.request_id)
        with self._sessions.begin() as session:
            row = lock(session, row.id, state="active")
            settle(row, began=began, version=written.version, access=access, at=self._clock())
            note_version(session, row, written.version, by=access.actor.name)
            deed.complete(session, self._clock)
        return row

    def take_back_rules(self, row: VariableRow) -> None:
        """Take back new rules that Vault wasn't told of.

        The row stays marked: what became of its value, ``reconcile`` finds out.
        """
        with self._sessions.begin() as session:
            current = session.get(VariableRow, row.id, with_for_update=True)
            if current is not None and current.touched_at == row.touched_at:
                set_next_rules(current, None)

    def drop_pending(self, row: VariableRow) -> None:
        """Delete the row of a secret that never came to be."""
        with self._sessions.begin() as session:
            session.execute(delete(VariableRow).where(VariableRow.id == row.id, VariableRow.state == "pending"))


def require_for(access: Access, event: ChangeEvent) -> None:
    """Do nothing where the table of changes lets this role ask for the event. Raises ``Forbidden``."""
    require(access, NEEDS[event])
