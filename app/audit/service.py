"""Writing the record, and reading it back.

*No record, no deed*: ``recorded`` commits the intent before its block runs and the outcome before it lets go; when
either can't be stored it raises ``RecordUnavailable``, as Vault's own audit devices do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, exists, false, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.access import Access, Permission, require
from app.audit.actions import Action
from app.audit.append import append
from app.audit.chain import FIELDS, Draft, Event, Outcome, draft
from app.audit.models import ChainHeadRow, EventRow
from app.audit.openings import name_opening, openings
from app.audit.outcomes import is_outcome
from app.db import NAME_CHARACTERS, Sessions, cursor_of, live_processes
from app.kernel.clock import Clock
from app.kernel.errors import CallerError, PolicyError, RecordUnavailable, StrongroomError, ValidationFailed, in_query
from app.kernel.fresh import fresh_hex
from app.telemetry import event_recorded, step

SERVICE_CHAIN: Final = ""
_SECRET_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PROCESS: Final = slice(16, 16 + NAME_CHARACTERS)
"""Where in an intended deed's id the process stands that does it, as it is called in ``leases``."""


def _new_id() -> str:
    # By time first, as UUIDs of version 7 are, so that an index on it grows at its end and few pages are written anew.
    return f"{time.time_ns():016x}{fresh_hex(16)}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a deed is done to."""

    type: Literal["workspace", "member", "variable", "secret", "block", "call", "token", "session", "user", "audit"]
    id: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Deed:
    """A deed under way: the block that does it adds what it learns; `complete` closes it in its own transaction."""

    access: Access
    action: Action
    target: Target
    id: str = field(default_factory=_new_id)
    detail: dict[str, object] = field(default_factory=dict)
    at: datetime | None = None
    closed: bool = False

    def complete(self, session: Session, clock: Clock) -> None:
        """Record the deed as done in the transaction that does it, so that neither exists without the other.

        What it changes is written first: rows before chains, in every transaction, or two would wait for each other.
        """
        session.flush()
        append(cursor_of(session.connection()), [self.event("done", clock(), marked=True)])
        self.closed = True
        event_recorded(self.action, "done")

    def event(self, outcome: Outcome, at: datetime, *, marked: bool = False) -> Draft:
        """Return this deed as an event that isn't yet in a chain.

        Args:
            marked: Whether it is the deed's first event, which has to be let in by ``Access.mark``.
        """
        access, actor, target = self.access, self.access.actor, self.target
        workspace = access.workspace
        written = draft(
            (
                *(workspace or SERVICE_CHAIN, workspace, actor.type, actor.id, actor.acting_for),
                *(self.action, target.type, target.id, target.name),
            ),
            event_id=_new_id(),
            deed_id=self.id,
            at=at,
            outcome=outcome,
            detail=self.detail,
            request_id=access.request_id,
        )
        if marked:
            written.mark = access.mark
        return written


class recorded:  # noqa: N801 - it reads as a verb where it is used
    """Record a deed around the block that does it: the intent before, the outcome after, success and failure alike.

    Args:
        intent: False for a deed that happens wholly in one local transaction, where it closes itself by
            ``Deed.done``; a refusal of it is recorded all the same.
        detail: What is intended, as far as it is known: host, method, secrets.

    Raises:
        RecordUnavailable: The record can't be written. Before the block nothing was done; after it, the error's
            ``in_doubt`` says that something may have been.
    """

    __slots__ = ("_clock", "_deed", "_intent", "_sessions")

    def __init__(
        self,
        *,
        sessions: Sessions,
        clock: Clock,
        access: Access,
        action: Action,
        target: Target,
        intent: bool = True,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._intent = intent
        self._deed = Deed(access, action, target, detail=dict(detail or {}))

    def __enter__(self) -> Deed:
        if self._intent:
            intend(self._deed, sessions=self._sessions, clock=self._clock)
        return self._deed

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        deed = self._deed
        if error is None:
            if not deed.closed:
                self._conclude("done")
        elif isinstance(error, StrongroomError):
            deed.detail |= {"code": error.code} | _reasons(error)
            self._conclude("refused" if isinstance(error, CallerError | PolicyError) else "failed")
        elif isinstance(error, SQLAlchemyError):
            if self._intent:
                raise _in_doubt() from None
            raise _nothing_done() from None
        elif isinstance(error, Exception):
            deed.detail |= {"code": StrongroomError.code}
            self._conclude("failed")

    def _conclude(self, outcome: Outcome) -> None:
        conclude(self._deed, outcome, sessions=self._sessions, clock=self._clock)


def intend(deed: Deed, *, sessions: Sessions, clock: Clock) -> None:
    """Record that a deed is about to be done; its id names this process: while its lease lasts, the outcome is to come.

    Raises:
        RecordUnavailable: It can't be stored; nothing must be done.
        Conflict: The claim that the deed is done under is somebody else's by now; nothing must be done.
    """
    try:
        deed.id = deed.id[: _PROCESS.start] + sessions.lease.process + deed.id[_PROCESS.stop :]
        with step("record"):
            sessions.write_together(deed.event("intended", clock(), marked=True), append)
    except SQLAlchemyError:
        raise _nothing_done() from None
    event_recorded(deed.action, "intended")


def conclude(deed: Deed, outcome: Outcome, *, sessions: Sessions, clock: Clock) -> None:
    """Record how a deed ended, or (``streaming``) that its answer is about to go out.

    An outcome that can't be stored now is stored as soon as the database can be written again, as long as this process
    lives.

    Raises:
        RecordUnavailable: It isn't stored; what was done must not be answered.
    """
    event = deed.event(outcome, clock())
    try:
        with step("record"):
            sessions.write_together(event, append)
    except SQLAlchemyError:
        sessions.lease.later(event, append)
        raise _in_doubt() from None
    event_recorded(deed.action, outcome)


def conclude_later(deed: Deed, outcome: Outcome, *, sessions: Sessions, clock: Clock) -> None:
    """Record how a deed ended as soon as the database can be written again, as long as this process lives."""
    sessions.lease.later(deed.event(outcome, clock()), append)
    event_recorded(deed.action, outcome)


def _reasons(error: StrongroomError) -> dict[str, object]:
    """Return what an error adds to the record: the missing action or the reason, which never hold a value."""
    return {key: error.extra[key] for key in ("action", "reason") if key in error.extra}


def _nothing_done() -> RecordUnavailable:
    return RecordUnavailable("The record can't be written at the moment, so nothing is done.", retry_after=5)


def _in_doubt() -> RecordUnavailable:
    return RecordUnavailable(
        "The record can't be written at the moment: what came of this isn't known.",
        retry_after=5,
        extra={"in_doubt": True},
    )


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of events is narrowed to; moments are aware.

    ``folded`` leaves out intents whose outcome is there; ``partial`` has the fields of which a
    part is enough, whatever its case; ``version`` is of ``secret``, named as a whole.
    """

    actor: str | None = None
    action: str | None = None
    secret: str | None = None
    block: str | None = None
    call: str | None = None
    outcome: str | None = None
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    folded: bool = False
    partial: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, newest first, and the ``seq`` to go on below (None: that was all)."""

    events: Sequence[Event]
    below: int | None


def list_events(
    filters: Filters, *, access: Access, sessions: Sessions, limit: int, below: int | None = None
) -> EventPage:
    """List a workspace's events, newest first. An intent without an outcome, whose process is dead, reads ``unknown``.

    Raises:
        Forbidden: the actor may not read the record.
        ValidationFailed: the filters contradict each other.
    """
    require(access, Permission.AUDIT_READ)
    check_filters(filters)
    return read_page(filters, chain=str(access.workspace), sessions=sessions, limit=limit, below=below)


def check_filters(filters: Filters) -> None:
    """Raise ``ValidationFailed`` where the filters contradict each other."""
    if filters.since and filters.until and filters.since > filters.until:
        raise ValidationFailed(
            "The range of time ends before it begins.", errors={in_query("to"): ["Must not be before `from`."]}
        )


def read_page(
    filters: Filters, *, chain: str, sessions: Sessions, limit: int, below: int | None, offset: int = 0
) -> EventPage:
    """Read some events of a chain, newest first, below a ``seq``, and leave out the first ``offset`` of them."""
    ordered = select(EventRow).where(EventRow.chain == chain).order_by(EventRow.seq.desc())
    query = ordered.offset(offset).limit(limit + 1)
    if below is not None:
        query = query.where(EventRow.seq < below)
    with sessions.read() as session:
        live = live_processes(session)
        rows = session.scalars(query.where(*conditions(filters, live))).all()
        intents = [row for row in rows if row.outcome == "intended"]
        settled = _deeds_with_outcome(session, intents)
        began = openings(session, [row.deed_id for row in intents if row.deed_id not in settled])
    events = [as_event(row, settled=row.deed_id in settled, live=live) for row in rows[:limit]]
    events = [name_opening(event, began) for event in events]
    return EventPage(events=events, below=events[-1].seq if len(rows) > limit else None)


def ends(session: Session) -> Mapping[str, int]:
    """Return the number of the newest event of every chain."""
    return {row[0]: row[1] for row in session.execute(select(ChainHeadRow.chain, ChainHeadRow.seq))}


def end_of(session: Session, chain: str) -> int:
    """Return the number of a chain's newest event; 0 where there is none."""
    return session.scalar(select(ChainHeadRow.seq).where(ChainHeadRow.chain == chain)) or 0


def _process(deed_id: InstrumentedAttribute[str]) -> ColumnElement[str]:
    return func.substr(deed_id, _PROCESS.start + 1, NAME_CHARACTERS)


def conditions(filters: Filters, live: frozenset[str]) -> Iterator[ColumnElement[bool]]:
    """Yield what a query has to ask for; ``live`` are the processes that live."""
    yield from _name_conditions(filters)
    if filters.action:
        yield EventRow.action == filters.action
    if filters.call:
        yield EventRow.deed_id == filters.call
    later = aliased(EventRow)
    has_outcome = exists().where(later.deed_id == EventRow.deed_id, is_outcome(later))
    if filters.folded:
        yield is_outcome(EventRow) | ((EventRow.outcome == "intended") & ~has_outcome)
    if filters.outcome in ("intended", "unknown"):
        in_doubt = ~has_outcome & _process(EventRow.deed_id).not_in(sorted(live))
        yield EventRow.outcome == "intended"
        yield in_doubt if filters.outcome == "unknown" else ~in_doubt
    elif filters.outcome:
        yield EventRow.outcome == filters.outcome
    if filters.since:
        yield EventRow.at >= filters.since
    if filters.until:
        yield EventRow.at < filters.until


def _name_conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.actor:
        yield or_(*(_compare(each, "actor", filters) for each in (EventRow.actor_id, EventRow.acting_for)))
    if filters.secret and "secret" in filters.partial:
        yield EventRow.secrets.icontains(filters.secret, autoescape=True)
    elif filters.secret:
        yield EventRow.secrets.contains(f",{filters.secret},", autoescape=True)
    if filters.version is not None:
        yield _of_version(filters.secret or "", filters.version)
    if filters.block:
        yield (EventRow.target_type == "block") & _compare(EventRow.target_name, "block", filters)


def _of_version(secret: str, version: int) -> ColumnElement[bool]:
    """Ask for what was done with one version of a secret, or to it."""
    if not _SECRET_NAME.fullmatch(secret):  # which no JSON path may be made of
        return false()
    carried = EventRow.detail["secret_versions"][secret].as_integer() == version
    return or_(carried, (EventRow.target_name == secret) & (EventRow.detail["version"].as_integer() == version))


def _compare(column: InstrumentedAttribute[Any], field_name: str, filters: Filters) -> ColumnElement[bool]:
    wanted = getattr(filters, field_name)
    return column.icontains(wanted, autoescape=True) if field_name in filters.partial else column == wanted


def _deeds_with_outcome(session: Session, intents: Sequence[EventRow]) -> set[str]:
    deeds = [intent.deed_id for intent in intents]
    if not deeds:
        return set()
    query = select(EventRow.deed_id).where(EventRow.deed_id.in_(deeds), is_outcome(EventRow))
    return set(session.scalars(query))


def as_event(row: EventRow, *, settled: bool, live: frozenset[str], last: bool = False) -> Event:
    """Make an event of a row; ``last`` says that nothing came after it of its deed."""
    event = Event(**{name: getattr(row, name) for name in FIELDS})
    is_open = event.outcome == "intended" or (last and event.outcome == "streaming")
    in_doubt = is_open and not settled and event.deed_id[_PROCESS] not in live
    return replace(event, outcome="unknown") if in_doubt else event
