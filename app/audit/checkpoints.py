"""Checkpoints: Vault signs where each chain ends, so that nobody who can only write to the database can forge it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Select, Text, cast, func, select, union
from sqlalchemy.exc import IntegrityError

from app.audit.chain import (
    BEGINNING,
    STORED,
    Checkpoint,
    Event,
    Fault,
    Link,
    StoredEvent,
    Verdict,
    as_written,
    secrets_of,
    statement,
    verify,
)
from app.audit.models import ChainHeadRow, CheckpointRow, EventRow
from app.audit.newest import Newest, read_newest, store_newest
from app.db import Sessions
from app.kernel.clock import Clock
from app.vault import Vault

EVERY: Final = 1000
"""A checkpoint at least after so many events."""
WITHIN: Final = timedelta(seconds=45)
"""How old an unsigned event may get before it is signed: with a look every few seconds, that is within a minute."""
_AT_ONCE: Final = 500
_TABLE: Final = EventRow.__table__
_READ: Final = ("seq", "hash", "at", *STORED)
# Plain columns, the detail as the text that it is stored as: what maps rows and reads JSON costs more than all else.
_COLUMNS: Final = tuple(cast(_TABLE.c[name], Text) if name == "detail" else _TABLE.c[name] for name in _READ)
_NOT_A_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Signed:
    """What became of a chain that was to be signed: its new checkpoints, or the fault for which there is none."""

    chain: str
    checkpoints: Sequence[Checkpoint]
    fault: Fault | None


# --- signing ----------------------------------------------------------------------------------------------------------


def sign_due(*, sessions: Sessions, vault: Vault, clock: Clock, all_now: bool = False) -> Sequence[Signed]:
    """Sign every chain with ``EVERY`` unsigned events, or with one older than ``WITHIN``; or all that have any.

    What came since the last checkpoint is followed from it first: a chain that doesn't fit is not signed. Several
    processes may do this at once; they sign the same.

    Raises:
        VaultUnavailable: some chains are still unsigned.
    """
    due = [
        chain
        for chain, signed, head in _chains_to_sign(sessions)
        if all_now or _is_due(chain, signed, head, sessions, clock)
    ]
    genuine = genuine_by(vault.checkpoint_public_keys()) if due else _never
    return [_sign(chain, genuine, sessions=sessions, vault=vault, clock=clock) for chain in due]


def sign_now(chain: str, *, sessions: Sessions, vault: Vault, clock: Clock) -> Signed:
    """Sign where one chain ends now. Raises ``VaultUnavailable``."""
    return _sign(chain, genuine_by(vault.checkpoint_public_keys()), sessions=sessions, vault=vault, clock=clock)


def _chains_to_sign(sessions: Sessions) -> Sequence[tuple[str, int, int]]:
    """List the chains that have unsigned events: how far each is signed, and where it ends."""
    signed = (
        select(func.coalesce(func.max(CheckpointRow.seq), 0))
        .where(CheckpointRow.chain == ChainHeadRow.chain)
        .scalar_subquery()
    )
    query = select(ChainHeadRow.chain, signed, ChainHeadRow.seq).where(ChainHeadRow.seq > signed)
    with sessions.read() as session:
        return [(row[0], row[1], row[2]) for row in session.execute(query.order_by(ChainHeadRow.chain))]


def unsigned_events(sessions: Sessions) -> int:
    """Count the events that no checkpoint covers."""
    return sum(head - signed for _, signed, head in _chains_to_sign(sessions))


def _is_due(chain: str, signed: int, head: int, sessions: Sessions, clock: Clock) -> bool:
    if head - signed >= EVERY:
        return True
    query = select(func.min(EventRow.at)).where(EventRow.chain == chain, EventRow.seq > signed)
    with sessions.read() as session:
        oldest = session.scalar(query)
    return oldest is None or clock() - oldest >= WITHIN


def _never(_checkpoint: Checkpoint) -> bool:
    return False


def _sign(
    chain: str, genuine: Callable[[Checkpoint], bool], *, sessions: Sessions, vault: Vault, clock: Clock
) -> Signed:
    last, head = _last(chain, sessions), head_of(chain, sessions)
    if last is not None and not genuine(last):
        return Signed(chain, (), Fault("forged", last.seq))
    newest = read_newest(chain, vault)
    if (fault := _contradicts(newest, head, sessions)) is not None:
        return Signed(chain, (), fault)
    start = Link(last.seq, last.hash) if last else BEGINNING
    marks: list[Link] = []
    events = _note_marks(
        read_chain(chain, sessions, after=start.seq or None, through=head.seq), start.seq + EVERY, marks
    )
    verdict = verify(chain, events, (), genuine=genuine, start=start, head=head)
    if verdict.fault is not None:
        return Signed(chain, (), verdict.fault)
    if head.seq > (marks[-1] if marks else start).seq:
        marks.append(head)
    signed = [_sign_mark(chain, mark, sessions=sessions, vault=vault, clock=clock) for mark in marks]
    if newest_of := signed[-1:] or ([last] if last else []):
        store_newest(newest_of[0], vault)
    return Signed(chain, signed, None)


def _contradicts(newest: Newest | None, head: Link, sessions: Sessions) -> Fault | None:
    """Compare what Vault has of a chain with what is stored; nothing newer is signed over a difference."""
    if newest is None or newest.checkpoint is None:
        return None
    known = newest.checkpoint
    if known.seq > head.seq:
        return Fault("end_missing", head.seq + 1)
    with sessions.read() as session:
        stored = session.scalar(select(EventRow.hash).where(EventRow.chain == known.chain, EventRow.seq == known.seq))
    return None if stored == known.hash else Fault("rewritten", known.seq)


def store_all_newest(*, sessions: Sessions, vault: Vault) -> None:
    """Keep in Vault what it lacks: the newest checkpoints of chains that need no new one. For the start of a service.

    Raises:
        VaultUnavailable: Some are still missing there.
    """
    for chain in chains(sessions):
        last, newest = _last(chain, sessions), read_newest(chain, vault)
        behind = newest is None or newest.checkpoint is None or (last is not None and newest.checkpoint.seq < last.seq)
        if last is not None and behind and _contradicts(newest, head_of(chain, sessions), sessions) is None:
            store_newest(last, vault)


def _note_marks(events: Iterator[Event | StoredEvent], first: int, marks: list[Link]) -> Iterator[Event | StoredEvent]:
    """Pass events on, and note the place of every ``EVERY``-th."""
    due = first
    for event in events:
        if event.seq == due:
            marks.append(Link(event.seq, event.hash))
            due += EVERY
        yield event


def _sign_mark(chain: str, mark: Link, *, sessions: Sessions, vault: Vault, clock: Clock) -> Checkpoint:
    at = clock()
    signature = vault.sign_checkpoint(statement(chain, mark.seq, mark.hash, at))
    # Another process may have signed the same event; either word is good.
    with suppress(IntegrityError), sessions.begin() as session:
        session.add(CheckpointRow(chain=chain, seq=mark.seq, hash=mark.hash, at=at, signature=signature))
    return Checkpoint(chain, mark.seq, mark.hash, at, signature)


# --- verifying --------------------------------------------------------------------------------------------------------


def genuine_by(keys: Mapping[int, str]) -> Callable[[Checkpoint], bool]:
    """Return what tells whether Vault's key made a checkpoint's signature; ``keys``: base64 ed25519 by key version."""
    loaded = {version: Ed25519PublicKey.from_public_bytes(base64.b64decode(key)) for version, key in keys.items()}

    def _genuine(checkpoint: Checkpoint) -> bool:
        message = statement(checkpoint.chain, checkpoint.seq, checkpoint.hash, checkpoint.at)
        try:
            scheme, version, signature = checkpoint.signature.split(":")
            loaded[int(version.removeprefix("v"))].verify(base64.b64decode(signature, validate=True), message)
        except (ValueError, KeyError, binascii.Error, InvalidSignature):
            return False
        return scheme == "vault"

    return _genuine


def verify_chain(
    chain: str,
    *,
    sessions: Sessions,
    vault: Vault,
    keys: Mapping[int, str] | None = None,
    events_at_least: int | None = None,
) -> Verdict:
    """Follow a chain that has to be there to where Vault says that it ends, at least. An empty one is a fault.

    Args:
        keys: The public keys of ``_record``, by version; Vault is asked for them where none are given.
        events_at_least: See ``verify_stored``.

    Raises:
        VaultUnavailable: Vault can't be asked.
    """
    known = vault.checkpoint_public_keys() if keys is None else keys
    newest = read_newest(chain, vault)  # before the chain, which goes on meanwhile
    verdict = verify_stored(chain, sessions=sessions, keys=known, events_at_least=events_at_least, newest=newest)
    if verdict.fault is None and not verdict.end.seq and not verdict.restores:
        return replace(verdict, fault=Fault("empty", 0))
    return verdict


def verify_stored(
    chain: str,
    *,
    sessions: Sessions,
    keys: Mapping[int, str],
    events_at_least: int | None = None,
    newest: Newest | None = None,
) -> Verdict:
    """Follow a chain as it is stored now, while others may be adding to it.

    Args:
        keys: The public keys of ``_record``, by version: ed25519 in base64.
        events_at_least: Begin at the last checkpoint that leaves so many events to look at, and trust what it covers.
        newest: What Vault has of the chain, read before this is called.
    """
    genuine = genuine_by(keys)
    checkpoints = checkpoints_of(chain, sessions)  # before the head: one that comes meanwhile would lie beyond it
    if newest is not None and newest.checkpoint is not None:
        checkpoints = _with(newest.checkpoint, checkpoints)
    verdict = _verify_stored(chain, checkpoints, genuine, sessions=sessions, events_at_least=events_at_least)
    return replace(verdict, restores=newest.restores if newest else ())


def _with(newest: Checkpoint, checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    """Return the checkpoints with Vault's own in the place of the one that is stored at the same event."""
    return sorted([*(each for each in checkpoints if each.seq != newest.seq), newest], key=lambda each: each.seq)


def _verify_stored(
    chain: str,
    checkpoints: Sequence[Checkpoint],
    genuine: Callable[[Checkpoint], bool],
    *,
    sessions: Sessions,
    events_at_least: int | None,
) -> Verdict:
    head = head_of(chain, sessions)
    begin = _last_before(checkpoints, head.seq - events_at_least) if events_at_least is not None else None
    start = BEGINNING
    if begin is not None:
        if not genuine(begin):
            return Verdict(chain, BEGINNING, None, Fault("forged", begin.seq))
        start = Link(begin.seq, begin.hash)
    events = read_chain(chain, sessions, after=start.seq or None, through=head.seq)
    verdict = verify(chain, events, checkpoints, genuine=genuine, start=start, head=head)
    if verdict.fault is None and (stray := _beyond_head(chain, sessions)) is not None:
        return Verdict(chain, verdict.end, verdict.signed, Fault("inserted", stray))
    return verdict if verdict.signed or begin is None else Verdict(chain, verdict.end, begin, verdict.fault)


def _last_before(checkpoints: Sequence[Checkpoint], seq: int) -> Checkpoint | None:
    return next((each for each in reversed(checkpoints) if each.seq <= seq), None)


def _beyond_head(chain: str, sessions: Sessions) -> int | None:
    head = select(ChainHeadRow.seq).where(ChainHeadRow.chain == chain).scalar_subquery()
    with sessions.read() as session:
        return session.scalar(
            select(func.min(EventRow.seq)).where(EventRow.chain == chain, EventRow.seq > func.coalesce(head, 0))
        )


# --- reading ----------------------------------------------------------------------------------------------------------


def chains(sessions: Sessions) -> Sequence[str]:
    """List every chain that there is a trace of, sorted; the first is the service's own."""
    known = union(*(select(table.chain).distinct() for table in (ChainHeadRow, CheckpointRow, EventRow)))
    with sessions.read() as session:
        return sorted(session.scalars(known))


def head_of(chain: str, sessions: Sessions) -> Link:
    """Return where a chain ends, as its head says."""
    with sessions.read() as session:
        row = session.get(ChainHeadRow, chain)
        return BEGINNING if row is None else Link(row.seq, row.hash)


def checkpoints_of(chain: str, sessions: Sessions) -> Sequence[Checkpoint]:
    """Return a chain's checkpoints, oldest first."""
    query = select(CheckpointRow).where(CheckpointRow.chain == chain).order_by(CheckpointRow.seq)
    with sessions.read() as session:
        return [_as_checkpoint(row) for row in session.scalars(query)]


def _last(chain: str, sessions: Sessions) -> Checkpoint | None:
    query = select(CheckpointRow).where(CheckpointRow.chain == chain).order_by(CheckpointRow.seq.desc()).limit(1)
    with sessions.read() as session:
        row = session.scalar(query)
        return None if row is None else _as_checkpoint(row)


def _as_checkpoint(row: CheckpointRow) -> Checkpoint:
    return Checkpoint(**{name: getattr(row, name) for name in Checkpoint.__slots__})


def read_chain(chain: str, sessions: Sessions, *, after: int | None, through: int) -> Iterator[Event | StoredEvent]:
    """Read a chain's events in order, some at a time, so that no transaction stays open and little is in memory."""
    while True:
        query = select(*_COLUMNS).where(_TABLE.c.chain == chain, _TABLE.c.seq <= through)
        if after is not None:
            query = query.where(_TABLE.c.seq > after)
        events = _read(query.order_by(_TABLE.c.seq).limit(_AT_ONCE), sessions)
        yield from events
        if len(events) < _AT_ONCE:
            return
        after = events[-1].seq


def _read(query: Select[*tuple[Any, ...]], sessions: Sessions) -> Sequence[Event | StoredEvent]:
    try:
        with sessions.read() as session:
            return [_as_stored(row) for row in session.execute(query).all()]
    except (ValueError, TypeError):  # one of them holds what no event does, and shall be named
        return [_read_alone(seq, query, sessions) for seq in _numbers(query, sessions)]


def _numbers(query: Select[*tuple[Any, ...]], sessions: Sessions) -> Sequence[int]:
    with sessions.read() as session:
        return session.scalars(query.with_only_columns(_TABLE.c.seq)).all()


def _read_alone(seq: int, query: Select[*tuple[Any, ...]], sessions: Sessions) -> Event | StoredEvent:
    try:
        with sessions.read() as session:
            return _as_stored(session.execute(query.where(_TABLE.c.seq == seq)).one())
    except (ValueError, TypeError):
        return Event("", "", seq, "", _NOT_A_TIME, None, "", None, None, "", "", None, None, "failed", {}, None, "")


def _as_stored(row: Sequence[Any]) -> Event | StoredEvent:
    seq, digest, at, *_ = row
    if (written := as_written(seq, digest, at, tuple(row[3:]))) is not None:
        return written
    facts = dict(zip(_READ, row, strict=True))
    secrets, detail = facts.pop("secrets"), json.loads(facts.pop("detail"))
    if not isinstance(detail, dict):
        raise TypeError
    event = Event(detail=detail, **facts)
    # The column that filters look in is no part of the hash; a forged one makes the event count as changed.
    return event if secrets == secrets_of(event) else replace(event, hash="")
