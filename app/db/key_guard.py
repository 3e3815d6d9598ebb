"""Locks and doubts about Vault's keys that all processes on this database share (``app.vault.key_guard.KeyGuard``)."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import String, delete, select, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.kernel.turns import hold_lock, yield_turn

if TYPE_CHECKING:
    from app.db import Sessions


class DoubtfulKeyRow(Base):
    """A key of Vault's whose last change may be half done."""

    __tablename__ = "doubtful_keys"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)


class DatabaseKeyGuard:
    """Locks by PostgreSQL's advisory locks, or by a file beside SQLite's; doubts as rows."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait until nobody else holds this key, and hold it. The process's end lets it go.

        Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
        """
        engine = self._sessions.engine
        with hold_lock(self._locks[key]):
            if engine.dialect.name == "postgresql":
                number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    with yield_turn():
                        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
                    try:
                        yield
                    finally:
                        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            elif engine.url.database in (None, "", ":memory:"):
                yield
            else:
                with open(f"{engine.url.database}.keys.lock", "ab") as file:
                    with yield_turn():
                        fcntl.flock(file, fcntl.LOCK_EX)
                    yield

    def in_doubt(self, key: str) -> bool:
        """Tell whether the key's last change may be half done."""
        with self._sessions.read() as session:
            return session.get(DoubtfulKeyRow, key) is not None

    def doubt(self, key: str) -> None:
        """Note, durably, that a change of the key begins."""
        with self._sessions.begin() as session:
            session.merge(DoubtfulKeyRow(key=key))

    def clear(self, key: str) -> None:
        """Note that the key is as Vault stored it."""
        with self._sessions.begin() as session:
            session.execute(delete(DoubtfulKeyRow).where(DoubtfulKeyRow.key == key))

    def doubtful(self) -> Sequence[str]:
        """List the keys in doubt, sorted."""
        with self._sessions.read() as session:
            return list(session.scalars(select(DoubtfulKeyRow.key).order_by(DoubtfulKeyRow.key)))
