"""Plain variables and secrets in one list, as the Variables panel shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from sqlalchemy import ColumnElement, Select, Text, func, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from app.access import Access, Permission, require
from app.kernel.errors import NotFound
from app.resources import Resources
from app.variables.models import SecretUseRow, UpstreamDenialRow, VariableRow
from app.variables.secrets.queries import EXPIRING_WITHIN, Secret, as_secret
from app.variables.secrets.references import blocks_using
from app.variables.secrets.usage import DENIED_WITHIN, denials
from app.variables.service import Variable, as_variable, blocks_by_variable
from app.vault import Visibility

Kind = Literal["plain", "secret"]
Order = Literal["name", "-name", "updated", "-updated", "used", "-used"]
ORDERS: Final = get_args(Order)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the list: a variable or a secret, how many blocks use it, and how often upstreams denied it lately."""

    kind: Kind
    item: Variable | Secret
    last_used_at: datetime | None
    used_in: int
    denied: int = 0


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a list goes on: after the row with this moment (of the column sorted by) and this name."""

    moment: datetime
    folded_name: str


def after_name(folded_name: str) -> ListPosition:
    """Return the place after a name, in a list that goes by name."""
    return ListPosition(_NEVER, folded_name)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the list is narrowed to, and its order. ``q`` has words for names, descriptions and hosts, in any order and
    case; ``unused`` leaves only secrets that no call ever carried, ``expiring`` those that have expired or will soon,
    ``denied`` those that an upstream denied lately.
    """

    q: str | None = None
    kind: Kind | None = None
    order: Order = "name"
    unused: bool = False
    visibility: Visibility | None = None
    expiring: bool = False
    denied: bool = False


@dataclass(frozen=True, slots=True)
class ListedEntries:
    """Some rows, where to go on (None: that was all), and how many there are altogether, where that was counted."""

    entries: Sequence[Entry]
    after: ListPosition | None
    total: int | None


def list_variables(
    wanted: ListQuery,
    *,
    access: Access,
    resources: Resources,
    limit: int,
    after: ListPosition | None = None,
    offset: int = 0,
    counted: bool = True,
) -> ListedEntries:
    """List a workspace's variables and secrets.

    Args:
        offset: How many rows to leave out, where the list is asked for by the number of a page.
        counted: Whether to count them all; without, a page costs the same however many there are.

    Raises:
        Forbidden: The role may not.
    """
    require(access, Permission.VARIABLE_READ)
    require(access, Permission.SECRET_READ)
    now = resources.clock()
    narrowed = _narrow(wanted, access, now=now)
    query = _order(narrowed, wanted.order).offset(offset).limit(limit + 1)
    if after is not None:
        query = query.where(_beyond(after, wanted.order))
    with resources.sessions.read() as session:
        rows = session.scalars(query).all()
        used = _uses(rows[:limit], access, session)
        denied = denials([row.id for row in rows[:limit]], session=session, since=now - DENIED_WITHIN)
        total = session.scalar(select(func.count()).select_from(narrowed.subquery())) if counted else None
    entries = [_as_entry(row, used, denied, access=access, now=now) for row in rows[:limit]]
    return ListedEntries(entries, _place(rows[limit - 1], wanted.order) if len(rows) > limit else None, total)


def get_entry(name: str, *, access: Access, resources: Resources) -> tuple[Entry, Sequence[str]]:
    """Return the variable or secret with exactly this name, and the names of the blocks that use it.

    Raises:
        Forbidden, NotFound
    """
    require(access, Permission.VARIABLE_READ)
    require(access, Permission.SECRET_READ)
    with resources.sessions.read() as session:
        row = session.scalar(_of(access).where(VariableRow.name == name))
        if row is None:
            raise NotFound(f"There is no variable or secret {name[:64]}.")
        blocks = _blocks(row, session)
    used = _Uses({name: len(blocks)}, {name: blocks})
    return _as_entry(row, used, {}, access=access, now=resources.clock()), blocks


def _blocks(row: VariableRow, session: Session) -> Sequence[str]:
    if row.kind == "secret":
        return blocks_using(row.name, row.workspace, session)
    return blocks_by_variable([row.name], row.workspace, session).get(row.name, ())


def _of(access: Access) -> Select[VariableRow]:
    return select(VariableRow).where(VariableRow.workspace == access.workspace)


def _narrow(wanted: ListQuery, access: Access, *, now: datetime) -> Select[VariableRow]:
    query = _of(access)
    if wanted.kind is not None:
        query = query.where(VariableRow.kind == wanted.kind)
    if wanted.unused:
        query = query.where(VariableRow.kind == "secret", VariableRow.last_used_at.is_(None))
    if wanted.visibility is not None:
        query = query.where(VariableRow.visibility == wanted.visibility)
    if wanted.expiring:
        query = query.where(VariableRow.expires_at <= now + EXPIRING_WITHIN)
    if wanted.denied:
        recent = select(UpstreamDenialRow.secret_id).where(UpstreamDenialRow.at >= now - DENIED_WITHIN)
        query = query.where(VariableRow.id.in_(recent))
    if wanted.q:
        for word in wanted.q.split():  # in any order, each somewhere
            looked_in = (VariableRow.name, VariableRow.description, sql_cast(VariableRow.allowed_hosts, Text))
            query = query.where(or_(*(column.icontains(word, autoescape=True) for column in looked_in)))
    return query


# The column sorted by, as SQL and of a row; equal moments are told apart by the name, which is unique.
_MOMENTS: Final[Mapping[str, tuple[ColumnElement[datetime], Callable[[VariableRow], datetime]]]] = {
    "updated": (VariableRow.updated_at.expression, lambda row: row.updated_at),
    "used": (func.coalesce(VariableRow.last_used_at, _NEVER), lambda row: row.last_used_at or _NEVER),
}


def _order(query: Select[VariableRow], order: Order) -> Select[VariableRow]:
    field, descends = order.lstrip("-"), order.startswith("-")
    first = VariableRow.folded_name if field == "name" else _MOMENTS[field][0]
    return query.order_by(first.desc() if descends else first, VariableRow.folded_name)


def _beyond(after: ListPosition, order: Order) -> ColumnElement[bool]:
    field, descends, name = order.lstrip("-"), order.startswith("-"), VariableRow.folded_name
    if field == "name":
        return name < after.folded_name if descends else name > after.folded_name
    moment = _MOMENTS[field][0]
    further = moment < after.moment if descends else moment > after.moment
    return further | ((moment == after.moment) & (name > after.folded_name))


def _place(row: VariableRow, order: Order) -> ListPosition:
    field = order.lstrip("-")
    return ListPosition(_NEVER if field == "name" else _MOMENTS[field][1](row), row.folded_name)


@dataclass(frozen=True, slots=True)
class _Uses:
    """How many blocks use each secret, and which use each plain variable, by name."""

    secrets: Mapping[str, int]
    variables: Mapping[str, Sequence[str]]


def _uses(rows: Sequence[VariableRow], access: Access, session: Session) -> _Uses:
    secrets, plain = ([row.name for row in rows if row.kind == kind] for kind in ("secret", "plain"))
    query = (
        select(SecretUseRow.secret_name, func.count())
        .where(SecretUseRow.workspace == access.workspace, SecretUseRow.secret_name.in_(secrets))
        .group_by(SecretUseRow.secret_name)
    )
    counts = {row[0]: row[1] for row in session.execute(query)}
    return _Uses(counts, blocks_by_variable(plain, str(access.workspace), session))


def _as_entry(row: VariableRow, used: _Uses, denied: Mapping[str, int], *, access: Access, now: datetime) -> Entry:
    if row.kind == "plain":
        variable = as_variable(row, used.variables, access=access)
        return Entry("plain", variable, row.last_used_at, len(variable.used_in))
    secret = as_secret(row, access=access, now=now)
    return Entry("secret", secret, row.last_used_at, used.secrets.get(row.name, 0), denied.get(row.id, 0))
