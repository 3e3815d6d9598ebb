"""A secret's row and its way through a change: found, marked, settled or taken back.

A change that goes to Vault marks the row first and settles it afterwards; what stays marked, ``reconcile`` looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, Row, Select, delete, select, update
from sqlalchemy.orm import Session

from app.access import Access
from app.audit.service import Action, Deed, Target, recorded
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import BindingMismatch, Conflict, NotFound
from app.kernel.preconditions import check_revision
from app.variables.models import SecretVersionRow, VariableRow
from app.variables.secrets.binding import binding
from app.vault import VERSIONS_KEPT, Engine, PersonRole, SecretAddress, StoredMetadata, Vault, Visibility, Written
from app.workspaces.service import settings_of

# Longer than the slowest living change can take, and than Vault works on a request by itself (90 seconds). Source:
# https://developer.hashicorp.com/vault/docs/configuration#default_max_request_duration
SURELY_OVER_AFTER: Final = timedelta(minutes=2)


def recorded_change(
    access: Access, action: Action, name: str, *, sessions: Sessions, clock: Clock
) -> AbstractContextManager[Deed]:
    """Record what is done to a secret, by the name that was asked for until its row is found."""
    target = Target("secret", None, name[:64])
    return recorded(sessions=sessions, clock=clock, access=access, action=action, target=target)


def person(access: Access) -> PersonRole:
    """Return the Vault role of whoever asks."""
    return cast(PersonRole, str(access.role))


def vault_facts(version: int, request_id: str | None) -> dict[str, object]:
    """Return what the record keeps of Vault's answer."""
    return {"version": version} | ({"vault_request_id": request_id} if request_id else {})


# --- which row, and where its value lies


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


def held(session: Session, secret_id: str, *, state: str) -> VariableRow:
    """Lock and return a row that is still in this state. Raises ``Conflict``."""
    row = session.get(VariableRow, secret_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != state:
        raise Conflict("The secret was deleted at the same moment.")
    return row


def address_of(row: VariableRow | Row[Any], engine: Engine) -> SecretAddress:
    """Return where the row says that its value lies."""
    return SecretAddress(row.workspace, engine, cast(Visibility, row.visibility), row.name)


def digest(row: VariableRow | Row[Any], hosts: Sequence[str], places: Sequence[str]) -> str:
    """Return the binding of the row with these hosts and places."""
    return binding(
        workspace=row.workspace,
        secret_id=row.id,
        name=row.name,
        visibility=str(row.visibility),
        hosts=hosts,
        places=places,
    )


# --- before a change


def require_active(row: VariableRow) -> None:
    """Raise ``Conflict`` where the secret is being made or deleted."""
    if row.state != "active":
        raise Conflict(
            f"{row.name} is {row.state}; it can't be used or changed until that is finished.", retry_after=60
        )


def require_nobody_at_work(row: VariableRow, now: datetime) -> None:
    """Raise ``Conflict`` where the secret may be being made or deleted by somebody else at this moment.

    Vault deletes by name: a second deletion could reach it when the first has given the name back, and would take the
    next secret's value; and one of a secret that isn't there yet would leave behind what its maker writes afterwards.
    """
    if row.state != "active" and row.touched_at > now - SURELY_OVER_AFTER:
        under_way = "created" if row.state == "pending" else "deleted"
        raise Conflict(
            f"{row.name} is being {under_way} at this moment; what was cut off is mended within three minutes.",
            retry_after=5,
        )


def require_settled(row: VariableRow) -> None:
    """Raise ``Conflict`` where, besides, a change of hosts or places isn't known to have ended.

    So that no value slips in between such a change's new value and its new rules.
    """
    require_active(row)
    if row.next_hosts is not None:
        raise Conflict(f"Another change of {row.name} is under way.", retry_after=60)


@dataclass(frozen=True, slots=True)
class Bound:
    """A secret that may be changed, as Vault was told of it, and what lies beside its value."""

    row: VariableRow
    address: SecretAddress
    stored: StoredMetadata

    @property
    def binding(self) -> str:
        """The binding that Vault and the row agree on."""
        return digest(self.row, self.row.allowed_hosts, self.row.allowed_places)


def bound(name: str, *, deed: Deed, access: Access, sessions: Sessions, vault: Vault) -> Bound:
    """Return a secret if Vault was told the same rules as its row says.

    Nothing is built on a row that Vault wasn't told of: a new binding would make a forged one good.

    Raises:
        Conflict: it is being made, deleted, or given other rules.
        NotFound, BindingMismatch, VaultUnavailable
    """
    for _attempt in range(2):  # once more, since the rules may have changed between the two looks
        row, address = found(name, access=access, sessions=sessions)
        deed.target = Target("secret", row.id, row.name)
        require_settled(row)
        stored = vault.metadata(address, role=person(access))
        if stored is not None and stored.binding == digest(row, row.allowed_hosts, row.allowed_places):
            return Bound(row, address, stored)
    raise BindingMismatch(f"What the database says of {name} isn't what Vault was told. Run `strongroom doctor`.")


def found(name: str, *, access: Access, sessions: Sessions) -> tuple[VariableRow, SecretAddress]:
    """Return a secret's row and where its value lies. Raises ``NotFound``."""
    with sessions.read() as session:
        row = secret_row(session, access, name)
        return row, address_of(row, settings_of(row.workspace, session).engine)


def lock_bound(session: Session, seen: Bound, *, access: Access, revision: int | None) -> VariableRow:
    """Lock the row of a secret that was bound a moment ago, if it still says the same.

    Raises:
        Conflict, NotFound, PreconditionFailed
    """
    row = secret_row(session, access, seen.row.name, for_update=True)
    check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
    require_settled(row)
    if digest(row, row.allowed_hosts, row.allowed_places) != seen.binding:
        raise Conflict(f"{row.name} was changed at the same moment.", retry_after=1)
    return row


def mark(session: Session, row: VariableRow, *, by: str, at: datetime) -> None:
    """Say in the row that a write to Vault begins.

    Whoever began one before and isn't known to have ended it made the next version, if anybody did: their name is
    kept for it, until whoever really made it says so.
    """
    if row.unfinished and session.get(SecretVersionRow, (row.id, row.version + 1)) is None:
        note_version(session, row, row.version + 1, by=row.touched_by)
    row.unfinished, row.touched_at, row.touched_by = True, at, by


def touch(row: VariableRow, at: datetime, *, sessions: Sessions) -> bool:
    """Put another moment into an unfinished row, which keeps others away while it is new.

    Tells whether the row still was as it was seen; nothing happens where it wasn't.
    """
    same = (VariableRow.id == row.id, VariableRow.unfinished, VariableRow.touched_at == row.touched_at)
    with sessions.begin() as session:
        done = session.execute(
            update(VariableRow).where(*same).values(touched_at=at).execution_options(synchronize_session=False)
        )
    row.touched_at = at
    return cast(CursorResult[Any], done).rowcount == 1


# --- after it


def stored_version(
    row: VariableRow, written: Written, *, began: datetime, deed: Deed, access: Access, sessions: Sessions, clock: Clock
) -> VariableRow:
    """Say that a change ended that stored a version, in the row and in the record at once; returns the row."""
    deed.detail |= vault_facts(written.version, written.request_id)
    with sessions.begin() as session:
        row = held(session, row.id, state="active")
        settle(row, began=began, version=written.version, access=access, clock=clock)
        note_version(session, row, written.version, by=access.actor.name)
        deed.done(session, clock)
    return row


def settle(row: VariableRow, *, began: datetime, version: int, access: Access, clock: Clock) -> None:
    """Say that a change ended, which began at that moment; one that began later is still under way.

    Where a newer version overtook the change's own, who stored that one stays named as who changed the secret last.
    """
    row.unfinished = row.touched_at != began
    row.revision += 1
    if not 0 < version < row.version:
        row.updated_at, row.updated_by = clock(), access.actor.name
    row.version = max(row.version, version)


def note_version(session: Session, row: VariableRow, version: int, *, by: str) -> None:
    """Keep who made a version, and forget who made those that Vault keeps no more."""
    session.merge(SecretVersionRow(secret_id=row.id, version=version, created_by=by))
    session.execute(
        delete(SecretVersionRow).where(
            SecretVersionRow.secret_id == row.id, SecretVersionRow.version <= version - VERSIONS_KEPT
        )
    )


def take_back_rules(row: VariableRow, *, sessions: Sessions) -> None:
    """Take back new rules that Vault wasn't told of.

    The row stays marked: what became of its value, ``reconcile`` finds out.
    """
    with sessions.begin() as session:
        current = session.get(VariableRow, row.id, with_for_update=True)
        if current is not None and current.touched_at == row.touched_at:
            current.next_hosts = current.next_places = None


def drop_deleted(session: Session, row: VariableRow) -> None:
    """Give a name back whose secret Vault holds no more; unless somebody else has taken the deletion over meanwhile."""
    session.execute(
        delete(VariableRow).where(
            VariableRow.id == row.id, VariableRow.state == "deleting", VariableRow.touched_at == row.touched_at
        )
    )
