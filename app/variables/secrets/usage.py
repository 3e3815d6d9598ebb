"""How secrets are used, counted from the record: in the background, so that no call has one more write in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access
from app.audit.outcomes import DeedOutcome, outcomes_between
from app.audit.service import end_of, ends
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import NotFound
from app.resources import Resources
from app.variables.models import SecretUseRow, UpstreamDenialRow, UsageMarkRow, VariableRow
from app.variables.secrets.changes import ChangeEvent as Change
from app.variables.secrets.store import require_for

DENIED_WITHIN: Final = timedelta(hours=24)
_DENIED: Final = (401, 403)
_AT_ONCE: Final = 500
_COUNT: Final = (
    update(VariableRow)
    .where(VariableRow.id == bindparam("used"))
    .values(calls=VariableRow.calls + bindparam("more"), last_used_at=bindparam("at"), last_used_by=bindparam("by"))
)
_ALL: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """How a secret is used. ``last_used_by`` is a block's name, None for a call that wasn't saved."""

    blocks: Sequence[str]
    calls: int
    last_used_at: datetime | None
    last_used_by: str | None
    upstream_denied_24h: int


class _Use(NamedTuple):
    """A value that went out: with which call, of which block, and whether the upstream denied it."""

    secret_id: str
    seq: int
    at: datetime
    block: str | None
    denied: bool


def count_usage(*, sessions: Sessions, clock: Clock) -> None:
    """Count what every workspace's record has gained since the last time; several processes may do so at once."""
    with sessions.read() as session:
        marks = {row.workspace: row.seq for row in session.scalars(select(UsageMarkRow))}
        behind = [chain for chain, end in ends(session).items() if chain and end > marks.get(chain, 0)]
    for workspace in behind:
        with suppress(IntegrityError):  # another process began to count it in the same moment
            while _count(workspace, sessions=sessions):
                pass
    with sessions.begin() as session:
        session.execute(delete(UpstreamDenialRow).where(UpstreamDenialRow.at < clock() - DENIED_WITHIN))


def _count(workspace: str, *, sessions: Sessions) -> bool:
    """Count some events, with the mark that says so in the same transaction; tells whether there are more.

    They are read before that transaction, since a call's record has to wait for as long as it lasts.
    """
    with sessions.read() as session:
        before = session.get(UsageMarkRow, workspace)
        since, end = before.seq if before else 0, end_of(session, workspace)
        events = outcomes_between(session, workspace, "call.run", after=since, through=end, limit=_AT_ONCE)
    uses, more = list(_uses(events)), len(events) == _AT_ONCE
    with sessions.begin() as session:
        mark = session.get(UsageMarkRow, workspace, with_for_update=True)
        if mark is None:
            mark = UsageMarkRow(workspace=workspace, seq=0)
            session.add(mark)
            session.flush()
        if mark.seq != since:  # another process has counted these meanwhile
            return True
        _add(session, uses)
        mark.seq = events[-1].seq if more else max(since, end)
    return more


def _uses(events: Sequence[DeedOutcome]) -> Iterator[_Use]:
    for event in events:
        detail = event.detail
        ids = detail.get("secret_ids")
        if not isinstance(ids, dict) or detail.get("check") or not went_out(event):
            continue
        block = event.target_name if event.target_type == "block" else None
        denied = detail.get("status") in _DENIED
        yield from (_Use(str(secret_id), event.seq, event.at, block, denied) for secret_id in ids.values())


def went_out(event: DeedOutcome) -> bool:
    """Tell whether a call reached the point where its values were sent."""
    if event.outcome == "done":
        return True
    code = str(event.detail.get("code", ""))
    return event.outcome == "failed" and code.startswith(("upstream_", "response_"))


def _add(session: Session, uses: Sequence[_Use]) -> None:
    calls, last = Counter(use.secret_id for use in uses), {use.secret_id: use for use in uses}
    counted = [
        {"used": secret_id, "more": calls[secret_id], "at": last[secret_id].at, "by": last[secret_id].block}
        for secret_id in sorted(calls)
    ]
    if counted:
        session.connection().execute(_COUNT, counted)
    session.add_all(UpstreamDenialRow(secret_id=use.secret_id, seq=use.seq, at=use.at) for use in uses if use.denied)


def usage_of(name: str, *, access: Access, resources: Resources) -> Usage:
    """Tell how a secret is used, up to this moment: what was counted, and what came since.

    Raises:
        Forbidden: The role may not.
        NotFound: There is no such secret.
    """
    require_for(access, Change.READ)
    workspace, since = str(access.workspace), resources.clock() - DENIED_WITHIN
    query = select(VariableRow).where(
        VariableRow.workspace == workspace, VariableRow.kind == "secret", VariableRow.name == name
    )
    blocks = select(SecretUseRow.block).where(SecretUseRow.workspace == workspace, SecretUseRow.secret_name == name)
    with resources.sessions.snapshot() as session:
        row = session.scalar(query)
        if row is None:
            raise NotFound(f"There is no secret {name[:64]}.")
        mark = session.get(UsageMarkRow, workspace)
        events = outcomes_between(
            session, workspace, "call.run", after=mark.seq if mark else 0, through=_ALL, limit=_ALL
        )
        used_in = session.scalars(blocks.order_by(SecretUseRow.block)).all()
        denied = denials([row.id], session=session, since=since).get(row.id, 0)
    new = [use for use in _uses(events) if use.secret_id == row.id]
    return Usage(
        blocks=used_in,
        calls=row.calls + len(new),
        last_used_at=new[-1].at if new else row.last_used_at,
        last_used_by=new[-1].block if new else row.last_used_by,
        upstream_denied_24h=denied + sum(use.denied and use.at >= since for use in new),
    )


def denials(secret_ids: Sequence[str], *, session: Session, since: datetime) -> Mapping[str, int]:
    """Count how often upstreams denied each of these secrets, by id; those without a denial are left out."""
    query = (
        select(UpstreamDenialRow.secret_id, func.count())
        .where(UpstreamDenialRow.secret_id.in_(secret_ids), UpstreamDenialRow.at >= since)
        .group_by(UpstreamDenialRow.secret_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
