"""Adding events to the ends of their chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.audit.chain import FIELDS, GENESIS, STORED, Draft, Link, place
from app.audit.models import EventRow
from app.db import Cursor

# What is looked for by the names of secrets is made of hashed facts, and compared with them when a chain is read.
if {each.name for each in EventRow.__table__.columns} != {*FIELDS, "secrets"}:
    raise TypeError("a column of events that isn't a field of Event would be stored and not hashed")
_ADD_EVENTS: Final = f"INSERT INTO events (seq, hash, at, {', '.join(STORED)})"
_BEGIN_CHAIN: Final = "INSERT INTO chain_heads (chain, seq, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING"
_HEAD_OF: Final = "SELECT seq, hash FROM chain_heads WHERE chain = ?"
_MOVE_HEAD: Final = "UPDATE chain_heads SET seq = ?, hash = ? WHERE chain = ?"


def append(cursor: Cursor, events: Sequence[Draft]) -> None:
    """Add events to the ends of their chains, in order, once each one's ``mark`` has let it in.

    Whoever holds a chain's head has the chain to itself. Heads are taken in one order everywhere, so that no two
    processes ever wait for each other.

    Raises:
        Conflict: A ``mark`` didn't let its event in.
        DBAPIError: The database can't.
    """
    for event in events:
        if event.mark is not None:
            event.mark(cursor, event.deed_id)
    heads = {chain: _take_head(cursor, chain) for chain in sorted({event.chain for event in events})}
    rows: list[Sequence[object]] = []
    for event in events:
        link = heads[event.chain] = place(heads[event.chain], event)
        rows.append((link.seq, link.hash, cursor.moment(event.at), *event.row))
    cursor.insert(_ADD_EVENTS, rows)
    cursor.run(_MOVE_HEAD, [(head.seq, head.hash, chain) for chain, head in heads.items()])


def _take_head(cursor: Cursor, chain: str) -> Link:
    found = cursor.first(_HEAD_OF + cursor.for_update, chain)
    if found is None:  # two may begin a chain at once: one row comes of it, and one of them waits for the other
        cursor.run(_BEGIN_CHAIN, [(chain, GENESIS)])
        found = cursor.first(_HEAD_OF + cursor.for_update, chain)
    return Link(*found)
