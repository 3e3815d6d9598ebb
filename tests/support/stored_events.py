"""The record as it is stored, event by event."""

from __future__ import annotations

from sqlalchemy import select

from app.audit.chain import FIELDS, Event
from app.audit.models import EventRow
from app.db import Sessions


def read_events(chain: str, sessions: Sessions) -> list[Event]:
    """Return a chain's events, in order."""
    with sessions.read() as session:
        rows = session.scalars(select(EventRow).where(EventRow.chain == chain).order_by(EventRow.seq))
        return [Event(**{name: getattr(row, name) for name in FIELDS}) for row in rows]
