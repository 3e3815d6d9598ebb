"""The database: the tables' common ground and the sessions. SQLite by default, PostgreSQL in production."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any, Final, TypeVar

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import QueuePool

T = TypeVar("T")

# How long a write waits for another process's transaction, and how long one that stands still may keep others waiting.
LOCK_SECONDS: Final = 10
TURN_SECONDS: Final = 5
# A server that vanished is noticed within seconds, not when the kernel gives up after a quarter of an hour; what the
# URL says goes before. Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_PATIENCE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The parent of every table; constraint names are fixed so that migrations can name them on both databases."""

    metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no time zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive moments; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone can't be stored")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware moment."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Sessions:
    """Opens short transactions. Nobody outside calls ``commit``; nothing slow happens while one is open."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(begins_immediate=True)
        self._waiting: list[_Write] = []
        self._waiting_lock = Lock()
        self._turn = Lock()
        self._beside = _beside_sqlite(engine)

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

    def together(self, item: T, write: Callable[[Session, Sequence[T]], object]) -> None:
        """Write ``item`` in a transaction shared with whatever other threads want written at this moment.

        Returns when it is durable. The first to come commits for all who wait (a group commit, as databases do for
        their logs), and ``write`` gets all their items at once; who comes meanwhile goes into the next one. If a shared
        transaction fails, each item is tried once more by itself, so that one caller's fault never reaches another;
        where it is the database that can't be had, they all fail.
        """
        mine = _Write(item, write)
        with self._waiting_lock:
            self._waiting.append(mine)
        with self._turn:
            if not mine.settled:
                with self._shared():
                    with self._waiting_lock:
                        batch, self._waiting = self._waiting, []
                    self._commit(batch)
        if mine.error is not None:
            raise mine.error

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Wait for this process's turn where processes share a SQLite file.

        SQLite lets a second writer sleep and look again, each time longer; the kernel wakes it at once. Where this file
        can't be locked, or a frozen process keeps it, SQLite's own way still does, which has an end.
        Source: flock(2), https://www.sqlite.org/c3ref/busy_timeout.html
        """
        with ExitStack() as held:
            if self._beside is not None:
                with suppress(OSError):
                    _lock_in_time(held.enter_context(self._beside.open("ab")))
            yield

    def _commit(self, batch: Sequence[_Write]) -> None:
        kinds: dict[Callable[[Session, Sequence[Any]], object], list[Any]] = {}
        for each in batch:
            kinds.setdefault(each.write, []).append(each.item)
        try:
            with self.begin() as session:
                # In one order everywhere, so that no two processes ever wait for each other.
                for write, items in sorted(kinds.items(), key=lambda kind: kind[0].__qualname__):
                    write(session, items)
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, OperationalError):
                for each in batch:
                    self._commit([each])
                return
            for each in batch:
                each.error = error
        for each in batch:
            each.settled = True

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are at work, and how many wait for work."""
        pool = self.engine.pool
        return (pool.checkedout(), pool.checkedin()) if isinstance(pool, QueuePool) else (0, 0)

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
        self.engine.dispose()


@dataclass(slots=True)
class _Write:
    """One caller's item, and how it went."""

    item: Any
    write: Callable[[Session, Sequence[Any]], object]
    settled: bool = False
    error: Exception | None = None


def _lock_in_time(file: IO[bytes]) -> None:
    """Lock a file, or give up after a while: a thread does the waiting, since the kernel's own wait has no end.

    A lock that comes too late is let go by the kernel, once the file that it is for was closed.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting = Thread(target=_lock, args=(file.fileno(),), daemon=True)
        waiting.start()
        waiting.join(TURN_SECONDS)


def _lock(file: int) -> None:
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def _beside_sqlite(engine: Engine) -> Path | None:
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    return Path(f"{path}-turn") if path and path != ":memory:" else None


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
            max_overflow=16,
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

    Source: https://www.postgresql.org/docs/current/runtime-config-client.html
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = '{LOCK_SECONDS}s'; SET idle_in_transaction_session_timeout = '{TURN_SECONDS}s'"
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
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("begins_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
