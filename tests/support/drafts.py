"""Events that are written as a deed's are, out of all their fields."""

from __future__ import annotations

from app.audit.chain import CONSTANT, STORED, Draft, Event, draft


def draft_of(event: Event) -> Draft:
    """Write an event; its number and its hash play no part in that."""
    return draft(
        tuple(getattr(event, name) for name in CONSTANT),
        event_id=event.id,
        deed_id=event.deed_id,
        at=event.at,
        outcome=event.outcome,
        detail=event.detail,
        request_id=event.request_id,
    )


def stored_detail(written: Draft) -> str:
    """Return the JSON that is stored of an event's detail."""
    return str(written.row[STORED.index("detail")])
