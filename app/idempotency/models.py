"""Requests under an idempotency key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class KeyedRequestRow(Base):
    """One actor's request under one key. Neither the key nor the request is kept, only digests under a service key.

    ``answer`` is encrypted; None says that the request of this ``attempt`` is under way, or that nobody knows how it
    ended. ``process`` has it under way; ``HELD`` in its place keeps the key taken, and None is a claim of a version
    that had no leases. ``deed_id`` is the deed that was recorded under the claim: with one, the key stays taken though
    the process dies; without one nothing was begun, and the key is free again then.
    """

    __tablename__ = "keyed_requests"
    __table_args__ = (
        Index("ix_keyed_requests_begun_at", "begun_at"),
        Index("ix_keyed_requests_workspace", "workspace"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    workspace: Mapped[str | None] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[str] = mapped_column(String(32))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    process: Mapped[str | None] = mapped_column(String(32))
    deed_id: Mapped[str | None] = mapped_column(String(32))
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
