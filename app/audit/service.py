"""Writing the record, and reading it back.

*No record, no deed*: ``recorded`` commits the intent before its block runs and the outcome before it lets go; when
either can't be stored it raises ``RecordUnavailable``, as Vault's own audit devices do.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from app.access import Access, Permission, require
from app.audit.chain import GENESIS, Event, Link, Outcome, fast_json, follow, secrets_of
from app.audit.models import ChainHeadRow, EventRow
from app.db import Raw, Sessions, raw_of
from app.kernel.clock import Clock
from app.kernel.errors import CallerError, PolicyError, RecordUnavailable, StrongroomError, ValidationFailed, in_query
from app.telemetry import event_recorded, step

Action = Literal[
    "workspace.create", "workspace.update", "workspace.delete",
    "member.add", "member.change", "member.remove",
    "variable.create", "variable.update", "variable.delete",
    "secret.create", "secret.update", "secret.set_value", "secret.rollback", "secret.delete", "secret.reveal",
    "secret.import",
    "block.create", "block.update", "block.delete",
    "call.run",
    "token.create", "token.revoke",
    "session.sign_in", "session.sign_out",
    "user.create", "user.disable", "user.enable", "user.reset_password", "user.change_password",
    "audit.export",
]  # fmt: skip

SERVICE_CHAIN: Final = ""
_COLUMNS: Final = (*Event.__slots__, "secrets")
_ADD_EVENTS: Final = f"INSERT INTO events ({', '.join(_COLUMNS)})"
_BEGIN_CHAIN: Final = "INSERT INTO chain_heads (chain, seq, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING"
_HEAD_OF: Final = "SELECT seq, hash FROM chain_heads WHERE chain = ?"
_MOVE_HEAD: Final = "UPDATE chain_heads SET seq = ?, hash = ? WHERE chain = ?"
# Plain columns, in an event's order: mapping objects costs several times what reading them does.
COLUMNS: Final = tuple(getattr(EventRow, name) for name in Event.__slots__)
# Longer than any deed can take, so that an intent without an outcome after that time is one whose process died.
IN_DOUBT_AFTER: Final = timedelta(seconds=150)


def _new_id() -> str:
    # By time first, as UUIDs of version 7 are, so that an index on it grows at its end and few pages are written anew.
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class Target:
    """What a deed is done to."""

    type: Literal["workspace", "member", "variable", "secret", "block", "call", "token", "session", "user", "audit"]
    id: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Deed:
    """A deed under way: the block that does it adds what it learns; `done` closes it in the deed's own transaction."""

    access: Access
    action: Action
    target: Target
    id: str = field(default_factory=_new_id)
    detail: dict[str, object] = field(default_factory=dict)
    at: datetime | None = None
    closed: bool = False

    def done(self, session: Session, clock: Clock) -> None:
        """Record the deed as done in the transaction that does it, so that neither exists without the other.

        What it changes is written first: rows before chains, in every transaction, or two would wait for each other.
        """
        session.flush()
        append(raw_of(session.connection()), [self.event("done", clock())])
        self.closed = True
        event_recorded(self.action, "done")

    def event(self, outcome: Outcome, at: datetime) -> Event:
        """Return this deed as an event that isn't yet in a chain."""
        actor = self.access.actor
        return Event(
            id=_new_id(),
            chain=self.access.workspace or SERVICE_CHAIN,
            seq=0,
            deed_id=self.id,
            at=at,
            workspace=self.access.workspace,
            actor_type=actor.type,
            actor_id=actor.id,
            acting_for=actor.acting_for,
            action=self.action,
            target_type=self.target.type,
            target_id=self.target.id,
            target_name=self.target.name,
            outcome=outcome,
            detail=dict(self.detail),
            request_id=self.access.request_id,
            hash="",
        )


class recorded:  # noqa: N801 - it reads as a verb where it is used
    """Record a deed around the block that does it: the intent before, the outcome after, success and failure alike.

    A deed that happens wholly in one local transaction needs no intent (``intent=False``) where it closes itself
    with ``Deed.done`` in that transaction; a refusal of it is recorded all the same.

    Raises:
        RecordUnavailable: the record can't be written; before the block, nothing was done.
    """

    __slots__ = ("_clock", "_deed", "_intent", "_sessions")

    def __init__(
        self, *, sessions: Sessions, clock: Clock, access: Access, action: Action, target: Target, intent: bool = True
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._intent = intent
        self._deed = Deed(access, action, target)

    def __enter__(self) -> Deed:
        if self._intent:
            self._commit("intended")
        return self._deed

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        deed = self._deed
        if error is None:
            if not deed.closed:
                self._commit("done")
        elif isinstance(error, StrongroomError):
            deed.detail |= {"code": error.code} | _told(error)
            self._commit("refused" if isinstance(error, CallerError | PolicyError) else "failed")
        elif isinstance(error, SQLAlchemyError):
            raise RecordUnavailable(
                "The database can't be written at the moment; nothing was done.", retry_after=5
            ) from None
        elif isinstance(error, Exception):
            deed.detail |= {"code": StrongroomError.code}
            self._commit("failed")

    def _commit(self, outcome: Outcome) -> None:
        conclude(self._deed, outcome, sessions=self._sessions, clock=self._clock)


def conclude(deed: Deed, outcome: Outcome, *, sessions: Sessions, clock: Clock) -> None:
    """Record how a deed ended that goes on after its ``recorded`` block, which it left ``closed``."""
    with step("record"):
        _stored(sessions, deed.event(outcome, clock()))
    event_recorded(deed.action, outcome)


def _told(error: StrongroomError) -> dict[str, object]:
    """What an error adds to the record: the missing action or the reason, which never hold a value."""
    return {key: error.extra[key] for key in ("action", "reason") if key in error.extra}


def _stored(sessions: Sessions, event: Event) -> None:
    try:
        sessions.together(event, append)
    except SQLAlchemyError:
        raise RecordUnavailable(
            "The record can't be written at the moment, so nothing is done.", retry_after=5
        ) from None


def append(raw: Raw, events: Sequence[Event]) -> None:
    """Add events to the ends of their chains, in order. Whoever holds a chain's head has the chain to itself.

    Heads are taken in one order everywhere, so that no two processes ever wait for each other.
    """
    heads = {chain: _take_head(raw, chain) for chain in sorted({event.chain for event in events})}
    rows: list[Sequence[object]] = []
    for event in events:
        heads[event.chain] = placed = follow(heads[event.chain], event)
        stored = {
            "seq": placed.seq,
            "hash": placed.hash,
            "at": raw.moment(event.at),
            "detail": _as_text(event.detail),
            "secrets": secrets_of(event),
        }
        rows.append([stored[name] if name in stored else getattr(event, name) for name in _COLUMNS])
    raw.insert(_ADD_EVENTS, rows)
    raw.run(_MOVE_HEAD, [(head.seq, head.hash, chain) for chain, head in heads.items()])


def _as_text(detail: Mapping[str, object]) -> str:
    written = fast_json(detail)
    return json.dumps(detail) if written is None else written.decode()


def _take_head(raw: Raw, chain: str) -> Link:
    found = raw.first(_HEAD_OF + raw.for_update, chain)
    if found is None:  # two may begin a chain at once: one row comes of it, and one of them waits for the other
        raw.run(_BEGIN_CHAIN, [(chain, GENESIS)])
        found = raw.first(_HEAD_OF + raw.for_update, chain)
    return Link(*found)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of events is narrowed to; moments are aware. ``folded`` leaves out intents whose outcome is there."""

    actor: str | None = None
    action: str | None = None
    secret: str | None = None
    block: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, newest first, and the ``seq`` to go on below (None: that was all)."""

    events: Sequence[Event]
    below: int | None


def list_events(
    filters: Filters, *, access: Access, sessions: Sessions, clock: Clock, limit: int, below: int | None = None
) -> EventPage:
    """List a workspace's events, newest first. An intent whose outcome never came reads ``unknown``.

    Raises:
        Forbidden: the actor may not read the record.
        ValidationFailed: the filters contradict each other.
    """
    require(access, Permission.AUDIT_READ)
    check_filters(filters)
    return read_page(filters, chain=str(access.workspace), sessions=sessions, now=clock(), limit=limit, below=below)


def check_filters(filters: Filters) -> None:
    """Raise ``ValidationFailed`` where the filters contradict each other."""
    if filters.since and filters.until and filters.since > filters.until:
        raise ValidationFailed(
            "The range of time ends before it begins.", errors={in_query("to"): ["Is before `from`."]}
        )


def read_page(
    filters: Filters, *, chain: str, sessions: Sessions, now: datetime, limit: int, below: int | None
) -> EventPage:
    """Read some events of a chain, newest first, below a ``seq``."""
    query = select(EventRow).where(EventRow.chain == chain).order_by(EventRow.seq.desc()).limit(limit + 1)
    for condition in _conditions(filters, now):
        query = query.where(condition)
    if below is not None:
        query = query.where(EventRow.seq < below)
    with sessions.read() as session:
        rows = session.scalars(query).all()
        settled = _settled(session, [row for row in rows if row.outcome == "intended"])
    events = [_as_event(row, settled=row.deed_id in settled, now=now) for row in rows[:limit]]
    return EventPage(events=events, below=events[-1].seq if len(rows) > limit else None)


def ends(session: Session) -> Mapping[str, int]:
    """Return the number of the newest event of every chain."""
    return {row[0]: row[1] for row in session.execute(select(ChainHeadRow.chain, ChainHeadRow.seq))}


def end_of(session: Session, chain: str) -> int:
    """Return the number of a chain's newest event; 0 where there is none."""
    return session.scalar(select(ChainHeadRow.seq).where(ChainHeadRow.chain == chain)) or 0


def outcomes_between(
    session: Session, chain: str, action: Action, *, after: int, through: int, limit: int
) -> Sequence[Event]:
    """Read how a chain's deeds of one kind ended, in order, as it was recorded."""
    query = select(*COLUMNS).where(EventRow.chain == chain, EventRow.action == action, EventRow.outcome != "intended")
    query = query.where(EventRow.seq > after, EventRow.seq <= through).order_by(EventRow.seq).limit(limit)
    return [Event(*row) for row in session.execute(query)]


def _conditions(filters: Filters, now: datetime) -> Iterator[ColumnElement[bool]]:
    if filters.actor:
        yield or_(EventRow.actor_id == filters.actor, EventRow.acting_for == filters.actor)
    if filters.action:
        yield EventRow.action == filters.action
    if filters.secret:
        yield EventRow.secrets.contains(f",{filters.secret},", autoescape=True)
    if filters.block:
        yield (EventRow.target_type == "block") & (EventRow.target_name == filters.block)
    later = aliased(EventRow)
    has_outcome = exists().where(later.deed_id == EventRow.deed_id, later.outcome != "intended")
    if filters.folded:
        yield (EventRow.outcome != "intended") | ~has_outcome
    if filters.outcome in ("intended", "unknown"):
        in_doubt = ~has_outcome & (EventRow.at < now - IN_DOUBT_AFTER)
        yield EventRow.outcome == "intended"
        yield in_doubt if filters.outcome == "unknown" else ~in_doubt
    elif filters.outcome:
        yield EventRow.outcome == filters.outcome
    if filters.since:
        yield EventRow.at >= filters.since
    if filters.until:
        yield EventRow.at < filters.until


def _settled(session: Session, intents: Sequence[EventRow]) -> set[str]:
    deeds = [intent.deed_id for intent in intents]
    if not deeds:
        return set()
    query = select(EventRow.deed_id).where(EventRow.deed_id.in_(deeds), EventRow.outcome != "intended")
    return set(session.scalars(query))


def _as_event(row: EventRow, *, settled: bool, now: datetime) -> Event:
    event = Event(**{name: getattr(row, name) for name in Event.__slots__})
    in_doubt = event.outcome == "intended" and not settled and event.at < now - IN_DOUBT_AFTER
    return replace(event, outcome="unknown") if in_doubt else event
