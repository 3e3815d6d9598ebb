"""What the record says of a call whose end nobody knows, and whose answer had begun to stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.chain import Event
from app.audit.models import EventRow

Openings = Mapping[str, Mapping[str, object]]


def openings(session: Session, deeds: Sequence[str]) -> Openings:
    """Return, by deed, which event says that its answer began to stream, when, and with which status."""
    if not deeds:
        return {}
    query = select(EventRow).where(EventRow.deed_id.in_(deeds), EventRow.outcome == "streaming")
    return {
        row.deed_id: {"event": row.id, "at": row.at.isoformat(), "status": row.detail.get("status")}
        for row in session.scalars(query)
    }


def name_opening(event: Event, began: Openings) -> Event:
    """Return an event that reads ``unknown`` with its opening under ``streaming``, if it has one."""
    if event.outcome != "unknown" or event.deed_id not in began:
        return event
    return replace(event, detail={**event.detail, "streaming": began[event.deed_id]})
