"""Adding events to the ends of their chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from app.audit.chain import FIELDS, GENESIS, Event, Link, place, secrets_of
from app.audit.models import EventRow
from app.db import Cursor

if {each.name for each in EventRow.__table__.columns} != {*FIELDS, "secrets"}:
    raise TypeError("a column of events that isn't a field of Event would be stored and not hashed")
# What is looked for by the names of secrets is made of hashed facts, and compared with them when a chain is read.
_PLACED: Final = ("seq", "at", "detail", "hash")
_AS_STORED: Final = tuple(name for name in FIELDS if name not in _PLACED)
_as_stored: Final = attrgetter(*_AS_STORED)
_ADD_EVENTS: Final = f"INSERT INTO events ({', '.join((*_AS_STORED, *_PLACED, 'secrets'))})"
_BEGIN_CHAIN: Final = "INSERT INTO chain_heads (chain, seq, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING"
_HEAD_OF: Final = "SELECT seq, hash FROM chain_heads WHERE chain = ?"
_MOVE_HEAD: Final = "UPDATE chain_heads SET seq = ?, hash = ? WHERE chain = ?"


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """An event, and what looks, in the transaction that stores it, whether it may be; see ``Access.mark``."""

    event: Event
    mark: Callable[[Cursor, str], None] | None = None


def append_entries(cursor: Cursor, entries: Sequence[ChainEntry]) -> None:
    """Add the events of entries, in order, once each one's ``mark`` has let it in.

    Raises:
        Conflict: A ``mark`` didn't let its event in.
        DBAPIError: The database can't.
    """
    for entry in entries:
        if entry.mark is not None:
            entry.mark(cursor, entry.event.deed_id)
    append(cursor, [entry.event for entry in entries])


def append(cursor: Cursor, events: Sequence[Event]) -> None:
    """Add events to the ends of their chains, in order. Whoever holds a chain's head has the chain to itself.

    Heads are taken in one order everywhere, so that no two processes ever wait for each other.
    """
    heads = {chain: _take_head(cursor, chain) for chain in sorted({event.chain for event in events})}
    rows: list[Sequence[object]] = []
    for event in events:
        placed = place(heads[event.chain], event)
        heads[event.chain] = placed.link
        link = placed.link
        rows.append(
            (*_as_stored(event), link.seq, cursor.moment(event.at), placed.detail, link.hash, secrets_of(event))
        )
    cursor.insert(_ADD_EVENTS, rows)
    cursor.run(_MOVE_HEAD, [(head.seq, head.hash, chain) for chain, head in heads.items()])


def _take_head(cursor: Cursor, chain: str) -> Link:
    found = cursor.first(_HEAD_OF + cursor.for_update, chain)
    if found is None:  # two may begin a chain at once: one row comes of it, and one of them waits for the other
        cursor.run(_BEGIN_CHAIN, [(chain, GENESIS)])
        found = cursor.first(_HEAD_OF + cursor.for_update, chain)
    return Link(*found)
