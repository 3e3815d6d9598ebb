"""The driver's own cursor, for the few statements that every call makes.

SQLAlchemy's sessions, statements, events and pool cost several times what such a statement itself does. What is written
here are constants of the code: values only ever go in as parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from queue import SimpleQueue
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

_ROWS_AT_ONCE: Final = 32
"""Rows that one INSERT writes at most: each statement of its own lets other threads in, and is sent by itself."""


class Cursor:
    """A cursor; statements have ``?`` where a value goes, and errors are SQLAlchemy's."""

    def __init__(self, taken: PoolProxiedConnection, engine: Engine) -> None:
        self._taken = taken
        self._connection = cast("Any", taken.dbapi_connection)
        self._cursor = self._connection.cursor()
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._fault = engine.dialect.loaded_dbapi.Error
        self.for_update = "" if self._sqlite else " FOR UPDATE"
        """What a SELECT that takes its rows ends with; SQLite's writer has the whole file."""
        self.moment: Callable[[datetime], object] = _moment_as_text if self._sqlite else _require_zone
        """Makes of a moment what the driver stores of it."""
        self._begin = "BEGIN IMMEDIATE" if self._sqlite else "BEGIN"
        self.ending = False
        """Whether it was asked to commit, so that nobody can know what became of it if that fails."""

    def first(self, statement: str, *values: object) -> Any:
        """Return the first row, or None. Raises ``DBAPIError``."""
        try:
            self._cursor.execute(self._for_driver(statement), values)
            return self._cursor.fetchone()
        except self._fault as error:
            raise self._as_database_error(statement, error) from None

    def run(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of values. Raises ``DBAPIError``."""
        try:
            if len(rows) == 1:
                self._cursor.execute(self._for_driver(statement), rows[0])
            else:
                self._cursor.executemany(self._for_driver(statement), rows)
        except self._fault as error:
            raise self._as_database_error(statement, error) from None

    def insert(self, into: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows, many with one statement; ``into`` is an INSERT up to its VALUES. Raises ``DBAPIError``."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            self.run(_inserting(into, len(some[0]), len(some)), [tuple(chain.from_iterable(some))])

    def begin(self) -> None:
        """Begin a transaction that writes. Raises ``DBAPIError``."""
        try:
            self._cursor.execute(self._begin)
        except self._fault as error:
            raise self._as_database_error(self._begin, error) from None

    def commit(self) -> None:
        """Commit. Raises ``DBAPIError``."""
        self.ending = True
        try:
            if self._sqlite:
                self._cursor.execute("COMMIT")  # the driver's own ``commit`` prepares it anew each time
            else:
                self._connection.commit()
        except self._fault as error:
            raise self._as_database_error("COMMIT", error) from None
        self.ending = False

    def close(self) -> None:
        """Close the connection; what wasn't committed is as if it had never been."""
        self._cursor.close()  # or SQLite would wait for its statement, with the transaction open
        self._taken.invalidate()  # closes it, and gives its place in the pool back

    def _for_driver(self, statement: str) -> str:
        return statement if self._sqlite else _for_psycopg(statement)

    def _as_database_error(self, statement: str, error: Exception) -> BaseException:
        gone = self._engine.dialect.is_disconnect(cast("Any", error), self._connection, self._cursor)
        return _database_error(statement, error, self._engine, gone=gone)


def _database_error(statement: str | None, error: Exception, engine: Engine, *, gone: bool = False) -> BaseException:
    fault = engine.dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        statement, None, error, fault, hide_parameters=True, connection_invalidated=gone, dialect=engine.dialect
    )


def _require_zone(moment: datetime) -> datetime:
    """Refuse a naive moment, as ``UtcDateTime`` does."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone can't be stored")
    return moment


def _moment_as_text(moment: datetime) -> str:
    """Write a moment as SQLAlchemy does for SQLite."""
    return _require_zone(moment).astimezone(UTC).isoformat(" ", "microseconds")[:-6]


@lru_cache(maxsize=256)
def _for_psycopg(statement: str) -> str:
    return statement.replace("?", "%s")


@lru_cache(maxsize=256)
def _inserting(into: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{into} VALUES {', '.join([row] * rows)}"


def cursor_of(connection: Connection) -> Cursor:
    """Return the cursor of a connection that is in a transaction already, to write in the same."""
    return Cursor(connection.connection, connection.engine)


class KeptConnections:
    """Connections taken out of SQLAlchemy's pool and kept, as many as are used at once. Safe to share among threads.

    The one that was used last is used first, since SQLite keeps what it has read of the file with it. One on which
    anything failed is closed.
    """

    def __init__(self, engine: Engine, *, most: int) -> None:
        self._engine = engine
        self._idle: list[Cursor] = []
        # A place for each: it does what a semaphore does, for a fifth of the time.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._free.put(None)

    @property
    def idle(self) -> int:
        """How many wait here for work."""
        return len(self._idle)

    def read(self, work: Callable[[Cursor], T]) -> T:
        """Return what ``work`` does; each of its statements sees what is committed by then. Raises ``DBAPIError``."""
        self._free.get()
        try:
            return self._read(work)
        finally:
            self._free.put(None)

    def _read(self, work: Callable[[Cursor], T]) -> T:
        try:
            cursor = self._idle.pop()
        except IndexError:
            return self._on(self._open(), work)
        try:
            return self._on(cursor, work)
        except DBAPIError as error:
            if cursor.ending or not error.connection_invalidated:
                raise
        self.close()  # the server was away, and those that wait here are no better
        return self._on(self._open(), work)

    def write(self, work: Callable[[Cursor], object]) -> None:
        """Do ``work`` in a transaction, which is committed at its end. Raises what ``work`` does, and ``DBAPIError``.

        Where a connection turns out to be gone, all of it is done once more on a new one, unless the commit was sent.
        """

        def _transaction(cursor: Cursor) -> None:
            cursor.begin()
            work(cursor)
            cursor.commit()

        self.read(_transaction)

    def close(self) -> None:
        """Close what waits here."""
        idle, self._idle = self._idle, []
        for cursor in idle:
            cursor.close()

    def _on(self, cursor: Cursor, work: Callable[[Cursor], T]) -> T:
        try:
            result = work(cursor)
        except BaseException:
            cursor.close()
            raise
        self._idle.append(cursor)
        return result

    def _open(self) -> Cursor:
        fault = self._engine.dialect.loaded_dbapi.Error
        try:
            taken = self._engine.raw_connection()
            if self._engine.dialect.name != "sqlite":
                cast("Any", taken.dbapi_connection).autocommit = True  # no transaction but those that are begun here
            return Cursor(taken, self._engine)
        except fault as error:
            raise _database_error(None, error, self._engine) from None
