"""How deeds ended: read for what counts them, of which there are very many."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from app.audit.actions import Action
from app.audit.chain import Outcome
from app.audit.models import EventRow


class DeedOutcome(NamedTuple):
    """How a deed ended; whole numbers of over 64 bits in its detail are rounded."""

    seq: int
    at: datetime
    actor_type: str
    actor_id: str | None
    acting_for: str | None
    action: Action
    target_type: str
    target_id: str | None
    target_name: str | None
    outcome: Outcome
    detail: Mapping[str, Any]


# Plain columns, and the detail as the text that it is: mapping objects costs several times what reading them does.
_OUTCOME: Final = tuple(EventRow.__table__.c[name] for name in DeedOutcome._fields[:-1])
_DETAIL: Final = cast(EventRow.__table__.c.detail, Text)


def outcomes_between(
    session: Session, chain: str, action: Action, *, after: int, through: int, limit: int, secret: str | None = None
) -> Sequence[DeedOutcome]:
    """Read how a chain's deeds of one kind ended, in order; only those that concern a secret, where one is named."""
    query = select(*_OUTCOME, _DETAIL).where(EventRow.chain == chain, EventRow.action == action, is_outcome(EventRow))
    if secret is not None:
        query = query.where(EventRow.secrets.contains(f",{secret},", autoescape=True))
    query = query.where(EventRow.seq > after, EventRow.seq <= through).order_by(EventRow.seq).limit(limit)
    return [DeedOutcome._make((*row[:-1], _read_detail(row[-1]))) for row in session.execute(query).all()]


def _read_detail(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # half of a surrogate pair
        return json.loads(text)


def is_outcome(row: type[EventRow]) -> ColumnElement[bool]:
    """Ask whether an event tells how a deed ended."""
    return row.outcome.not_in(("intended", "streaming"))
