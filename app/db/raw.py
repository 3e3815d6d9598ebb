"""The driver's own cursor, for the few statements that every call makes.

SQLAlchemy's sessions, statements and events cost several times what such a statement itself does. What is written here
are constants of the code: values only ever go in as parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError


class Raw:
    """A cursor; statements have ``?`` where a value goes, and errors are SQLAlchemy's."""

    def __init__(self, cursor: Any, engine: Engine) -> None:
        self._cursor = cursor
        self._sqlite = engine.dialect.name == "sqlite"
        self._fault = engine.dialect.loaded_dbapi.Error
        self.for_update = "" if self._sqlite else " FOR UPDATE"
        """What a SELECT that takes its rows ends with; SQLite's writer has the whole file."""

    def first(self, statement: str, *values: object) -> Any:
        """Return the first row, or None. Raises ``DBAPIError``."""
        with self._named(statement):
            self._cursor.execute(self._written(statement), values)
            return self._cursor.fetchone()

    def run(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of values. Raises ``DBAPIError``."""
        with self._named(statement):
            if len(rows) == 1:
                self._cursor.execute(self._written(statement), rows[0])
            else:
                self._cursor.executemany(self._written(statement), rows)

    def moment(self, at: datetime) -> object:
        """Return a moment as ``UtcDateTime`` stores it."""
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if self._sqlite else at

    def _written(self, statement: str) -> str:
        return statement if self._sqlite else _for_psycopg(statement)

    @contextmanager
    def _named(self, statement: str) -> Iterator[None]:
        try:
            yield
        except self._fault as error:
            raise _named(statement, error, self._fault) from None


@lru_cache(maxsize=64)
def _for_psycopg(statement: str) -> str:
    return statement.replace("?", "%s")


def raw_of(connection: Connection) -> Raw:
    """Return the cursor of a connection that is in a transaction already, to write in the same."""
    return Raw(connection.connection.cursor(), connection.engine)


@contextmanager
def raw_reading(engine: Engine) -> Iterator[Raw]:
    """Open a cursor to read with, for a statement or two."""
    with _faults_named(engine), closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        yield Raw(cursor, engine)


@contextmanager
def raw_writing(engine: Engine) -> Iterator[Raw]:
    """Open a transaction that writes; committed at the end of the block, rolled back if it raises."""
    with _faults_named(engine), closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        if engine.dialect.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield Raw(cursor, engine)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


@contextmanager
def _faults_named(engine: Engine) -> Iterator[None]:
    try:
        yield
    except engine.dialect.loaded_dbapi.Error as error:
        raise _named(None, error, engine.dialect.loaded_dbapi.Error) from None


def _named(statement: str | None, error: Exception, fault: type[Exception]) -> BaseException:
    return DBAPIError.instance(statement, None, error, fault, hide_parameters=True)
