"""The hash chain over a workspace's events: each hash covers the event and the hash before it. Pure.

Whoever can write to the database can compute every hash anew; what they can't make is a checkpoint, which Vault signs
and which covers all that came before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import orjson

from app.audit.canonical import canonical, fast_json

GENESIS: Final = "0" * 64
Outcome = Literal["intended", "streaming", "done", "refused", "failed", "unknown"]


def _fact(name: str, part: int | None = None) -> Any:
    """Declare a field of an event: the hash covers it under this name, as this part of a list where one is given."""
    return field(metadata={"fact": (name, part)})


def _own_hash() -> Any:
    """Declare the one field that the hash can't cover."""
    return field()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the record: what stands here is a column of the table, and is hashed.

    INSERT, hash, CSV and JSON go by these fields; one that isn't declared with ``_fact`` can't be (``_facts`` below).
    """

    id: str = _fact("id")
    chain: str = _fact("chain")
    seq: int = _fact("seq")
    deed_id: str = _fact("deed_id")
    at: datetime = _fact("at")
    workspace: str | None = _fact("workspace")
    actor_type: str = _fact("actor", 0)
    actor_id: str | None = _fact("actor", 1)
    acting_for: str | None = _fact("actor", 2)
    action: str = _fact("action")
    target_type: str = _fact("target", 0)
    target_id: str | None = _fact("target", 1)
    target_name: str | None = _fact("target", 2)
    outcome: Outcome = _fact("outcome")
    detail: Mapping[str, object] = _fact("detail")
    request_id: str | None = _fact("request_id")
    hash: str = _own_hash()

    def follows(self, previous: str, seq: int) -> bool:
        """Tell whether its hash is that of these facts with this number, after that hash."""
        return link(previous, facts_of(self) | {"seq": seq}) == self.hash


def _facts() -> Mapping[str, tuple[str, ...]]:
    """Return the fields that each fact is made of; every field but the hash itself is in one."""
    facts: dict[str, tuple[str, ...]] = {}
    for each in fields(Event):
        if each.name != "hash":
            name, part = each.metadata["fact"]
            if len(facts.get(name, ())) != (part or 0):
                raise TypeError(f"the parts of {name} aren't in order")
            facts[name] = (*facts.get(name, ()), each.name)
    return facts


FACTS: Final = _facts()
"""What a hash covers: the name of each fact, and the fields of ``Event`` that it is made of."""
FIELDS: Final = tuple(each.name for each in fields(Event))
"""The columns of the table, in an event's order."""
_KEPT_AS_THEY_ARE: Final = tuple((name, of[0]) for name, of in FACTS.items() if len(of) == 1 and name != "at")
_LISTS: Final = tuple((name, of) for name, of in FACTS.items() if len(of) > 1)


def link(previous: str, facts: Mapping[str, object]) -> str:
    """Hash an event's facts onto the hash before it: SHA-256 over both, the facts as canonical JSON."""
    return _digest(previous, canonical(facts))


def _digest(previous: str, facts: bytes) -> str:
    return hashlib.sha256(previous.encode() + b"\n" + facts).hexdigest()


def facts_of(event: Event) -> dict[str, object]:
    """Return what the hash of an event covers: everything but the hash itself."""
    facts: dict[str, object] = {name: getattr(event, of) for name, of in _KEPT_AS_THEY_ARE}
    for name, parts in _LISTS:
        facts[name] = [getattr(event, of) for of in parts]
    facts["at"] = rfc3339(event.at)
    facts["detail"] = dict(event.detail)
    return facts


_HOLES: Final = ("at", "deed_id", "detail", "id", "outcome", "request_id", "seq")
"""The facts that differ among the events of one actor who does one thing to one target; sorted, as they are written."""
CONSTANT: Final = tuple(name for fact, of in FACTS.items() if fact not in _HOLES for name in of)
"""The fields of all other facts."""
STORED: Final = ("id", "deed_id", "detail", "outcome", "request_id", "secrets", *CONSTANT)
"""The columns of ``Draft.row``."""
_SECRETS: Final = STORED.index("secrets")


@dataclass(slots=True)
class Draft:
    """An event as it is hashed and stored, but for its place: so all of it is written before anybody waits for that.

    Args:
        before: Its canonical JSON up to its number.
        after: Its canonical JSON from there on.
        row: What is stored of it besides its moment and its place, in the order of ``STORED``.
        mark: Looks, in the transaction that stores it, whether it may be; see ``Access.mark``.
    """

    chain: str
    deed_id: str
    at: datetime
    before: bytes
    after: bytes
    row: tuple[str | None, ...]
    mark: Callable[[Any, str], None] | None = None


def draft(
    constants: tuple[str | None, ...],
    *,
    event_id: str,
    deed_id: str,
    at: datetime,
    outcome: Outcome,
    detail: Mapping[str, object],
    request_id: str | None,
) -> Draft:
    """Write an event once, for its hash and for its row; ``constants`` are what ``CONSTANT`` names.

    What differs is filled into a template of what intent and outcome have in common.
    """
    written = fast_json(detail, option=orjson.OPT_SORT_KEYS)
    first, second, third, fourth, fifth, sixth, seventh, after = _template(*constants)
    moment = rfc3339(at).encode()
    before = b"".join(
        (
            *(first, b'"', moment, b'"', second, _word(deed_id), third, written or canonical(detail), fourth),
            *(_word(event_id), fifth, _word(outcome), sixth, _word(request_id), seventh),
        )
    )
    stored = written.decode() if written else json.dumps(detail)
    secrets = secrets_in(detail, constants[_TARGET_TYPE], constants[_TARGET_NAME])
    row = (event_id, deed_id, stored, outcome, request_id, secrets, *constants)
    return Draft(str(constants[_CHAIN]), deed_id, at, before, after, row)


_CHAIN: Final = CONSTANT.index("chain")
_TARGET_TYPE: Final = CONSTANT.index("target_type")
_TARGET_NAME: Final = CONSTANT.index("target_name")


class StoredEvent(NamedTuple):
    """An event that is stored as it would be written: its place in a chain, and what its hash covers besides."""

    seq: int
    hash: str
    written: Draft

    def follows(self, previous: str, seq: int) -> bool:
        """Tell whether its hash is that of these facts with this number, after that hash."""
        return place(Link(seq - 1, previous), self.written).hash == self.hash


def as_written(seq: int, digest: str, at: datetime, row: tuple[Any, ...]) -> StoredEvent | None:
    """Write a stored event once more, and return it where each of its columns is as it would be stored.

    Args:
        row: As ``Draft.row``.

    Returns:
        None where any of them isn't, so that it has to be read with care.
    """
    event_id, deed_id, detail, outcome, request_id = row[:_SECRETS]
    try:
        again = draft(
            row[_SECRETS + 1 :],
            event_id=event_id,
            deed_id=deed_id,
            at=at,
            outcome=outcome,
            detail=orjson.loads(detail),  # a number that it rounds is written otherwise than it is stored
            request_id=request_id,
        )
    except (ValueError, TypeError, AttributeError):
        return None
    return StoredEvent(seq, digest, again) if again.row == row else None


@lru_cache(maxsize=1024, typed=True)
def _template(*constants: str | None) -> tuple[bytes, ...]:
    """Write what these events have in common, as the canonical JSON around the holes: one piece more than holes."""
    values = dict(zip(CONSTANT, constants, strict=True))
    pieces, piece = [], b"{"
    for fact in sorted(FACTS):
        piece += canonical(fact) + b":"
        if fact in _HOLES:
            pieces.append(piece)
            piece = b""
        else:
            of = FACTS[fact]
            piece += canonical([values[name] for name in of] if len(of) > 1 else values[of[0]])
        piece += b","
    return (*pieces, piece[:-1] + b"}")


def place(before: Link, event: Draft) -> Link:
    """Return the place of an event that comes next in a chain."""
    seq = before.seq + 1
    return Link(seq, _digest(before.hash, b"%b%d%b" % (event.before, seq, event.after)))


def _word(text: str | None) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:  # half of a surrogate pair
        return canonical(text)


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds, as the API and the record do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def secrets_of(event: Event) -> str:
    """Return the names of the secrets that an event concerns, each between commas: what a filter looks for."""
    return secrets_in(event.detail, event.target_type, event.target_name)


def secrets_in(detail: Mapping[str, object], target_type: str | None, target_name: str | None) -> str:
    """Return what ``secrets_of`` does, of these facts."""
    if target_type == "secret":
        return f",{target_name},"
    used = detail.get("secrets")
    return f",{','.join(map(str, used))}," if used and isinstance(used, list) else ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Vault's word that at this moment the chain ended with this event."""

    chain: str
    seq: int
    hash: str
    at: datetime
    signature: str


def statement(chain: str, seq: int, digest: str, at: datetime) -> bytes:
    """Return what Vault signs."""
    return canonical({"strongroom": "checkpoint", "chain": chain, "seq": seq, "hash": digest, "at": rfc3339(at)})


class Link(NamedTuple):
    """A place in a chain: the number of an event, and its hash. ``BEGINNING`` comes before the first."""

    seq: int
    hash: str


BEGINNING: Final = Link(0, GENESIS)


_WORDS: Final = {
    "changed": "event {seq} isn't what was recorded: it was changed, or something before it was taken out",
    "removed": "event {seq} was removed",
    "inserted": "event {seq} was inserted",
    "reordered": "event {seq} isn't in its place: events were reordered",
    "rewritten": "from event {seq} on something was changed and hashed anew: Vault had signed something else",
    "forged": "the signature at event {seq} isn't Vault's",
    "end_missing": "the end is missing, from event {seq} on",
    "empty": "there is no event at all, where there must be some",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing in a chain that isn't as it was recorded; ``seq`` numbers the event from 1 on.

    ``rewritten``: hashes fit, but not the next checkpoint, so that something from this event on was changed and every
    hash computed anew. ``forged``: the checkpoint at this event isn't Vault's. ``end_missing``: from this event on.
    """

    kind: Literal["changed", "removed", "inserted", "reordered", "rewritten", "forged", "end_missing", "empty"]
    seq: int

    @property
    def told(self) -> str:
        """The fault in words."""
        return _WORDS[self.kind].format(seq=self.seq)


@dataclass(frozen=True, slots=True)
class Restore:
    """An older database that an operator accepted at this moment: events after one, through another, are missing."""

    after: int
    through: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of a chain: how far it reaches, how far that is signed and since when, and its first fault."""

    chain: str
    end: Link
    signed: Checkpoint | None
    fault: Fault | None
    restores: Sequence[Restore] = ()

    @property
    def unsigned(self) -> int:
        """How many events came after the last checkpoint."""
        return max(0, self.end.seq - (self.signed.seq if self.signed else 0))


def verify(
    chain: str,
    events: Iterable[Event | StoredEvent],
    checkpoints: Iterable[Checkpoint],
    *,
    genuine: Callable[[Checkpoint], bool],
    start: Link = BEGINNING,
    head: Link | None = None,
) -> Verdict:
    """Follow a chain from a place that is trusted to its end; ``events`` in the order in which they are stored.

    ``head`` is where the chain is said to end, where that is known. Stops at the first fault.
    """
    waiting = {each.seq: each for each in checkpoints if each.seq > start.seq}
    signed, at, rest = None, start, iter(events)
    for event in rest:
        fault = _fault_of_place(event, at, rest)
        if fault is None:
            at = Link(event.seq, event.hash)
            if (checkpoint := waiting.pop(event.seq, None)) is not None:
                fault = _contradiction(checkpoint, event.hash, signed or start, genuine)
                signed = signed if fault else checkpoint
        if fault is not None:
            return Verdict(chain, at, signed, fault)
    return Verdict(chain, at, signed, _short(at, waiting, signed or start, head, genuine))


def _fault_of_place(event: Event | StoredEvent, before: Link, rest: Iterator[Event | StoredEvent]) -> Fault | None:
    """Tell what is wrong with an event in this place; only then is the rest of the chain looked through."""
    wanted = before.seq + 1
    if event.seq < wanted:
        return Fault("inserted", event.seq)
    if event.seq > wanted:
        return Fault("reordered" if any(each.seq == wanted for each in rest) else "removed", wanted)
    if event.follows(before.hash, wanted):
        return None
    displaced = next((each for each in rest if each.follows(before.hash, wanted)), None)
    if displaced is None:
        return Fault("changed", wanted)
    swapped = displaced.seq > wanted + 1 or event.follows(displaced.hash, wanted + 1)
    return Fault("reordered" if swapped else "inserted", wanted)


def _contradiction(
    checkpoint: Checkpoint, digest: str, trusted: Checkpoint | Link, genuine: Callable[[Checkpoint], bool]
) -> Fault | None:
    if not genuine(checkpoint):
        return Fault("forged", checkpoint.seq)
    return Fault("rewritten", trusted.seq + 1) if checkpoint.hash != digest else None


def _short(
    at: Link,
    waiting: Mapping[int, Checkpoint],
    trusted: Checkpoint | Link,
    head: Link | None,
    genuine: Callable[[Checkpoint], bool],
) -> Fault | None:
    """Tell whether a chain that fits in itself ends before the place where it should."""
    for seq in sorted(waiting):
        return Fault("end_missing", at.seq + 1) if genuine(waiting[seq]) else Fault("forged", seq)
    if head is None or head == at:
        return None
    if head.seq > at.seq:
        return Fault("end_missing", at.seq + 1)
    return Fault("rewritten", trusted.seq + 1) if head.seq == at.seq else Fault("inserted", head.seq + 1)
