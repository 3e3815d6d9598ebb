"""What the call pipeline and blocks have to know of secrets: which may be used, by which rules, and who uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Row, Select, Table, bindparam, delete, select
from sqlalchemy.orm import Session

from app.db import Sessions
from app.kernel.errors import BindingMismatch, Conflict
from app.variables.models import SecretUseRow, VariableRow
from app.variables.secrets.binding import Rules, Source
from app.variables.secrets.store import address_of, digest, next_rules_of, rules_of, source_of
from app.variables.secrets.types import MadeOf, SecretType
from app.vault import SecretAddress, StoredPointer, StoredValue
from app.workspaces.service import Workspace

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
class UsableSecret:
    """What the call pipeline has to know of a secret before it reads the value.

    ``rules`` has one entry, or two while a change of them is under way; a call must pass each. ``bindings`` are the
    digests of the same: Vault's must be one of them.
    """

    id: str
    name: str
    address: SecretAddress
    rules: tuple[Rules, ...]
    bindings: tuple[str, ...]
    state: str
    expires_at: datetime | None
    version: int
    source: Source | None = None
    source_version: int | None = None
    """Of a value that Vault's operators manage: which version of it a call saw last."""

    @property
    def type(self) -> SecretType:
        """The secret's type."""
        made_of = self.rules[0].made_of
        return "value" if made_of is None else made_of.type


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
    return {row.name: usable(row, address_of(row, workspace.engine)) for row in rows}


def usable(row: VariableRow | Row[Any], address: SecretAddress) -> UsableSecret:
    """Return what a row says of a secret that is to be used."""
    next_rules = next_rules_of(row)
    rules = (rules_of(row),) if next_rules is None else (rules_of(row), next_rules)
    return UsableSecret(
        id=row.id,
        name=row.name,
        address=address,
        rules=rules,
        bindings=tuple(digest(row, each) for each in rules),
        state=row.state,
        expires_at=row.expires_at,
        version=row.version,
        source=source_of(row),
        source_version=row.source_version,
    )


def parts_by_binding(stored: StoredValue | StoredPointer, secret: UsableSecret) -> MadeOf | None:
    """Return what makes a secret up by the rules that Vault was told of; the binding was compared before."""
    return secret.rules[secret.bindings.index(str(stored.binding))].made_of


def check_binding(stored: StoredValue | StoredPointer, secret: UsableSecret) -> None:
    """Raise ``BindingMismatch`` where Vault was told other rules for this value than the database now says."""
    if stored.binding is None or stored.binding not in secret.bindings:
        raise binding_mismatch(secret.name)


def binding_mismatch(name: str) -> BindingMismatch:
    """Say that the database and Vault don't agree on a secret."""
    return BindingMismatch(f"What the database says of {name} doesn't match Vault. Run `strongroom doctor`.")


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
        if row is None or usable(row, secret.address) != secret:
            raise Conflict(f"{secret.name} was changed or deleted at the same moment.", retry_after=1) from None
        raise


def blocks_using(name: str, workspace: str, session: Session) -> Sequence[str]:
    """Name the blocks that use a secret, sorted."""
    query = select(SecretUseRow.block).where(SecretUseRow.workspace == workspace, SecretUseRow.secret_name == name)
    return session.scalars(query.order_by(SecretUseRow.block)).all()


def uses_of_any(part: str, workspace: str) -> Select[str]:
    """Return the query for the blocks that use a secret with this in its name, whatever the case."""
    like = SecretUseRow.secret_name.icontains(part, autoescape=True)
    return select(SecretUseRow.block).where(SecretUseRow.workspace == workspace, like)


def secrets_checked_by(block: str, workspace: str, session: Session) -> Sequence[str]:
    """Name the secrets whose new values are tried with a block, sorted."""
    query = select(VariableRow.name).where(VariableRow.workspace == workspace, VariableRow.check_block == block)
    return session.scalars(query.order_by(VariableRow.name)).all()


def note_uses(session: Session, *, workspace: str, block: str, secrets: Iterable[str]) -> None:
    """Replace what is known of the secrets that a block uses (none: the block is gone)."""
    session.execute(delete(SecretUseRow).where(SecretUseRow.workspace == workspace, SecretUseRow.block == block))
    session.add_all(SecretUseRow(workspace=workspace, secret_name=name, block=block) for name in sorted(set(secrets)))
