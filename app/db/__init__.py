"""The database: the tables' common ground and the sessions. SQLite by default, PostgreSQL in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from app.db.base import Base, UtcDateTime
from app.db.cache import LOOK, VersionedCache, changes_in
from app.db.cursor import Cursor, KeptConnections, cursor_of
from app.db.group_commit import TURN_SECONDS, GroupCommit
from app.db.lease import NAME_CHARACTERS, Lease, live_processes

__all__ = [
    "NAME_CHARACTERS",
    "Base",
    "Cursor",
    "Sessions",
    "UtcDateTime",
    "VersionedCache",
    "changes_in",
    "cursor_of",
    "live_processes",
    "open_engine",
]

T = TypeVar("T")

LOCK_SECONDS: Final = 10
"""How long a write waits for another process's transaction."""
_LOOKS_AT_ONCE: Final = 16
# Pages of SQLite's log, 4 KiB each: how many it may have before it is begun anew, and before a commit moves it itself.
_PAGES_BEFORE_ANEW: Final = 1_000
_PAGES_AT_MOST: Final = 20_000
# A server that vanished is noticed within seconds, not when the kernel gives up after a quarter of an hour; what the
# URL says goes before. Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_PATIENCE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


class Sessions:
    """Opens short transactions. Nobody outside calls ``commit``; nothing slow happens while one is open."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(begins_immediate=True)
        self._group = GroupCommit(engine)
        self._looks = KeptConnections(engine, most=_LOOKS_AT_ONCE)
        self._remembered = VersionedCache(-1, self.read)
        self.lease = Lease(self.write_together, engine.dialect.name)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A transaction whose reads all see the same moment, whatever is committed meanwhile (SQLite's always do)."""
        alike = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with Session(self.engine.execution_options(**alike), expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that writes; committed at the end of the block, rolled back if it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def cache(self) -> VersionedCache:
        """What was looked up before and still holds at this moment; empty after any change of what calls go by."""
        (number,) = self._looks.read(_look)
        kept = self._remembered
        if kept.number != number:
            # Of threads that are here at once one may put an older number back; then the next look finds that out.
            kept = self._remembered = VersionedCache(number, self.read)
        return kept

    def write_together(self, item: T, write: Callable[[Cursor, Sequence[T]], object]) -> None:
        """Write ``item`` in a transaction shared with whatever other threads want written at this moment.

        Returns when it is durable. ``write`` gets all their items at once; who comes meanwhile goes into the next
        transaction. If a shared one fails, each item is tried once more by itself, so that one caller's fault never
        reaches another; where it is the database that can't be had, they all fail.
        """
        self._group.write(item, write)

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are at work, and how many wait for work."""
        pool = self.engine.pool
        if not isinstance(pool, QueuePool):
            return 0, 0
        kept = self._looks.idle + self._group.idle
        return pool.checkedout() - kept, pool.checkedin() + kept

    def checkpoint_wal(self) -> None:
        """Move what SQLite's log holds into the database file, so that no call's commit has to; for every second.

        First without keeping anybody waiting; then, of a long log, the little that came meanwhile, so that the log can
        begin anew. Source: https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
        """
        if self.engine.dialect.name != "sqlite":
            return
        self._looks.read(_checkpoint_wal)

    def problem(self) -> str | None:
        """Tell why the database doesn't answer, in words; None where it does."""
        try:
            with self.read() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            return f"The database doesn't answer ({type(error).__name__})."
        return None

    def close(self) -> None:
        """Close every connection."""
        self.lease.close()
        self._group.close()
        self._looks.close()
        self.engine.dispose()


def _look(cursor: Cursor) -> Any:
    return cursor.first(LOOK)


def _checkpoint_wal(cursor: Cursor) -> None:
    _busy, pages, _moved = cursor.first("PRAGMA wal_checkpoint(PASSIVE)")
    if pages > _PAGES_BEFORE_ANEW:
        cursor.first("PRAGMA busy_timeout=50")  # writers wait meanwhile, so a long reader is not waited for
        cursor.first("PRAGMA wal_checkpoint(RESTART)")
        cursor.first(f"PRAGMA busy_timeout={LOCK_SECONDS}000")


def open_engine(url: str) -> Engine:
    """Open the database behind a SQLAlchemy URL; SQLite gets WAL, full durability and foreign keys.

    Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=16,
            max_overflow=_LOOKS_AT_ONCE + 1,  # those that are kept: for looks, and for the group commit
            connect_args={name: value for name, value in _PATIENCE.items() if name not in parsed.query},
        )
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    engine = create_engine(
        parsed, pool_size=32, max_overflow=64, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """Bound how long a process waits for another, and have one that froze in a transaction lose it before that.

    Moments come in UTC: in the server's own zone one of the year 9999 can lie in a year that Python doesn't have.

    Source: https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = '{LOCK_SECONDS}s'; SET idle_in_transaction_session_timeout = '{TURN_SECONDS}s'; "
            "SET TIME ZONE 'UTC'"
        )
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: pysqlite's own is late and never IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"busy_timeout={LOCK_SECONDS}000",
        # Far off, for where nobody calls ``checkpoint_wal``: who commits then waits for the disk many times over.
        f"wal_autocheckpoint={_PAGES_AT_MOST}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("begins_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
