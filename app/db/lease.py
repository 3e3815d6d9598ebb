"""A process's lease: one row that it renews every second for as long as it lives.

Who has to know whether a process may still come back asks for its lease, and not for how long something has taken:
a call may take minutes, a stream an hour, and a process that died takes no longer than ``DEAD_SECONDS`` to be told.
Moments are the database's, so that machines whose clocks differ agree.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import BigInteger, Column, String, Table, literal_column, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from app.db.base import Base
from app.db.cursor import Cursor
from app.kernel.turns import hold_lock

T = TypeVar("T")

RENEW_SECONDS: Final = 1.0
DEAD_SECONDS: Final = 30
"""How long after the last renewal a process counts as dead."""
NAME_CHARACTERS: Final = 10
_LOST_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 1.0  # for one renewal
_FORGOTTEN_SECONDS: Final = 3600
_LATER_MOST: Final = 1000
LEASES: Final = Table(
    "leases",
    Base.metadata,
    Column("process", String(32), primary_key=True),
    Column("renewed_at", BigInteger, nullable=False),
)
_RENEW: Final = (
    "INSERT INTO leases (process, renewed_at) VALUES (?, :now)"
    " ON CONFLICT (process) DO UPDATE SET renewed_at = excluded.renewed_at"
)
_FORGET: Final = "DELETE FROM leases WHERE renewed_at < :now - ?"
_NOW: Final = {
    "sqlite": "CAST(strftime('%s', 'now') AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)",
}


class _Writer(Protocol):
    def __call__(self, item: T, write: Callable[[Cursor, Sequence[T]], object]) -> None: ...


class Lease:
    """This process's lease; begins with the first question for its name. Safe to share among threads.

    Args:
        write: Stores an item in a transaction, as ``Sessions.write_together`` does.
        dialect: The database's kind, as SQLAlchemy calls it.
    """

    def __init__(self, write: _Writer, dialect: str) -> None:
        self._write = write
        self._now = _NOW[dialect]
        self._process: str | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._renewed_at = self._asked_at = float("-inf")
        self._failed = False
        self._later: deque[tuple[Any, Callable[[Cursor, Sequence[Any]], object]]] = deque(maxlen=_LATER_MOST)

    @property
    def process(self) -> str:
        """The name of this process, whose lease is stored.

        Raises:
            SQLAlchemyError: The lease can't be stored.
        """
        if self._process is None:
            with hold_lock(self._lock):
                if self._process is None:
                    process = secrets.token_hex(NAME_CHARACTERS // 2)
                    self._renew(process)
                    self._process = process
                    self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
                    self._thread.start()
        return self._process

    @property
    def held(self) -> bool:
        """Whether this process could renew its lease just now; one that couldn't ends what others may begin anew."""
        now = time.monotonic()
        waits = self._asked_at > self._renewed_at and now - self._asked_at > _PATIENCE_SECONDS
        return not self._failed and not waits and now - self._renewed_at < _LOST_SECONDS

    def later(self, item: T, write: Callable[[Cursor, Sequence[T]], object]) -> None:
        """Store what couldn't be stored, as soon as the lease is renewed; of very many the oldest are forgotten."""
        self._later.append((item, write))

    def close(self) -> None:
        """Renew it no more. The row stays: what this process has begun may still be under way somewhere."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LOST_SECONDS)

    def _keep_renewing(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            try:
                self._renew(self.process)
                self._store_later()
            except SQLAlchemyError:
                self._failed = True

    def _renew(self, process: str) -> None:
        asked = self._asked_at = time.monotonic()
        self._write(process, self._renewals)
        self._renewed_at, self._failed = asked, False

    def _renewals(self, cursor: Cursor, processes: Sequence[str]) -> None:
        cursor.run(_RENEW.replace(":now", self._now), [(process,) for process in processes])
        if self._process is None:
            cursor.run(_FORGET.replace(":now", self._now), [(_FORGOTTEN_SECONDS,)])

    def _store_later(self) -> None:
        while self._later:
            item, write = self._later[0]
            with suppress(IntegrityError):  # it had been stored, and only the answer to that was lost
                self._write(item, write)
            self._later.popleft()


def live_processes(session: Session) -> frozenset[str]:
    """Return the names of the processes whose lease isn't out for ``DEAD_SECONDS``."""
    now = literal_column(_NOW[session.connection().dialect.name], BigInteger)
    query = select(LEASES.c.process).where(LEASES.c.renewed_at > now - DEAD_SECONDS)
    return frozenset(session.scalars(query))
