"""What the record tells of a block's runs and of one's own deeds, and whether anything was done at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import aliased

from app.access import Access, Permission, require
from app.audit.chain import Event
from app.audit.models import EventRow
from app.audit.service import EventPage, Filters, Target, as_event, check_filters, conditions, end_of, read_page
from app.db import Sessions, live_processes

RUNS_LOOKED_THROUGH: Final = 50_000
COUNTED_AT_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class NumberedEvents:
    """Some events of a list that is gone through by number, newest first.

    ``through`` is the ``seq`` at which the list begins, so that newer events don't shift its pages; ``total`` is how
    many there are, and None where there are more than ``COUNTED_AT_MOST``.
    """

    events: Sequence[Event]
    through: int
    total: int | None
    more: bool


def list_by_number(
    filters: Filters, *, access: Access, sessions: Sessions, limit: int, offset: int, through: int | None = None
) -> NumberedEvents:
    """List a workspace's events, newest first, for pages that are asked for by their number.

    Args:
        offset: How many to leave out.
        through: Where the list begins, from the page before; None begins with the newest event.

    Raises:
        Forbidden: The actor may not read the record.
        ValidationFailed: The filters contradict each other.
    """
    require(access, Permission.AUDIT_READ)
    check_filters(filters)
    chain = str(access.workspace)
    with sessions.read() as session:
        end = end_of(session, chain)
        through = end if through is None else min(through, end)
        some = (
            select(EventRow.seq)
            .where(EventRow.chain == chain, EventRow.seq <= through, *conditions(filters, live_processes(session)))
            .limit(COUNTED_AT_MOST + 1)
        )
        counted = session.scalar(select(func.count()).select_from(some.subquery())) or 0
    found = read_page(filters, chain=chain, sessions=sessions, limit=limit, below=through + 1, offset=offset)
    total = counted if counted <= COUNTED_AT_MOST else None
    return NumberedEvents(found.events, through, total, more=found.below is not None)


def last_runs(block: Target, *, chain: str, sessions: Sessions, limit: int, below: int | None = None) -> EventPage:
    """Read how a block's runs ended, or that they are under way, newest first; one event for each run.

    Only the newest ``RUNS_LOOKED_THROUGH`` events of the chain are looked through, so that a block that hardly ever
    runs costs no more than another.

    Args:
        block: The block with its id, so that an earlier one of the same name has no part in it.
        below: The ``seq`` to go on below.
    """
    later = aliased(EventRow)
    with sessions.read() as session:
        live = live_processes(session)
        query = (
            select(EventRow)
            .where(EventRow.chain == chain, EventRow.action == "call.run", EventRow.target_type == block.type)
            .where(EventRow.seq > end_of(session, chain) - RUNS_LOOKED_THROUGH, EventRow.target_name == block.name)
            .where(or_(EventRow.target_id == block.id, EventRow.target_id.is_(None)))
            .where(~exists().where(later.deed_id == EventRow.deed_id, later.seq > EventRow.seq))
            .order_by(EventRow.seq.desc())
            .limit(limit + 1)
        )
        rows = session.scalars(query if below is None else query.where(EventRow.seq < below)).all()
    events = [as_event(row, settled=False, live=live, last=True) for row in rows[:limit]]
    return EventPage(events=events, below=events[-1].seq if len(rows) > limit else None)


def list_own_deeds(user: str, chains: Sequence[str], *, sessions: Sessions, limit: int) -> Sequence[Event]:
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


def has_run_by(actor_type: Literal["user", "token"], *, chain: str, sessions: Sessions) -> bool:
    """Tell whether any call of a chain was made, with success, by a person on the pages or by a program's token."""
    made = exists().where(
        EventRow.chain == chain,
        EventRow.action == "call.run",
        EventRow.outcome == "done",
        EventRow.actor_type == actor_type,
    )
    with sessions.read() as session:
        return bool(session.scalar(select(made)))
