"""What the record tells somebody of themselves, and whether anything was done at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import exists, select

from app.audit.chain import Event
from app.audit.models import EventRow
from app.audit.service import RUNS_LOOKED_THROUGH, Filters, as_event, conditions, end_of
from app.db import Sessions, live_processes


def own_deeds(user: str, chains: Sequence[str], *, sessions: Sessions, limit: int) -> Sequence[Event]:
    """Read what a user did and looked at, for themselves: one event for each deed, the latest first.

    Only the newest ``RUNS_LOOKED_THROUGH`` events of each chain are looked through.
    """
    found: list[Event] = []
    with sessions.read() as session:
        live = live_processes(session)
        for chain in chains:
            query = (
                select(EventRow)
                .where(EventRow.chain == chain, EventRow.seq > end_of(session, chain) - RUNS_LOOKED_THROUGH)
                .where(*conditions(Filters(actor=user, folded=True), live))
                .order_by(EventRow.seq.desc())
                .limit(limit)
            )
            found += [as_event(row, settled=False, live=live) for row in session.scalars(query)]
    return sorted(found, key=lambda event: event.at, reverse=True)[:limit]


def ran_by(actor_type: Literal["user", "token"], *, chain: str, sessions: Sessions) -> bool:
    """Tell whether any call of a chain was made, with success, by a person on the pages or by a program's token."""
    made = exists().where(
        EventRow.chain == chain,
        EventRow.action == "call.run",
        EventRow.outcome == "done",
        EventRow.actor_type == actor_type,
    )
    with sessions.read() as session:
        return bool(session.scalar(select(made)))
