"""What was found in the database, kept in memory for as long as nobody has changed anything of the kind.

A call goes by the same few rows each time: the token, the workspace, the block, the secrets' rules. Every change of
such a row, by whatever program, raises one number in the database (triggers do: see ``watch``). So a single look
at the number tells that what is remembered still holds, and a change counts from the moment of its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar, cast

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, inspect
from sqlalchemy.orm import Session

from app.db.base import Base

T = TypeVar("T")

CHANGES: Final = Table(
    "changes",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)
LOOK: Final = "SELECT number FROM changes"
RAISE: Final = "UPDATE changes SET number = number + 1"
WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "tokens": ("id", "secret_hash", "role", "workspace", "ad_hoc", "expires_at", "revoked_at"),
    "workspaces": ("name", "title", "engine", "refuse_expired", "state", "revision"),
    "members": ("workspace", "user_id", "role"),
    "blocks": ("workspace", "name", "id", "call", "answer", "revision"),
    "variables": (
        *("id", "workspace", "name", "folded_name", "kind", "value", "visibility"),
        *("allowed_hosts", "allowed_places", "next_hosts", "next_places", "state", "expires_at"),
        *("allowed_requests", "wide", "next_requests", "next_wide", "typed"),
        *("type", "made_of", "next_made_of", "source", "source_version", "version"),
    ),
}
"""Each table's columns that a call goes by; those that only tell of its use aren't among them."""
_MOST: Final = 4096
"""Findings that are kept at once; the oldest goes first."""


def changes_in(session: Session) -> int:
    """Return how many changes there were of what calls go by."""
    return int(session.connection().exec_driver_sql(LOOK).scalar_one())


class VersionedCache:
    """What was found while the number stood still. Safe to share among threads.

    What is kept is shared too, so it has to be something that nobody changes.
    """

    def __init__(self, number: int, read: Callable[[], AbstractContextManager[Session]]) -> None:
        self.number = number
        self._read = read
        self._found: dict[Hashable, object] = {}

    def get(self, key: Hashable, find: Callable[[Session], T]) -> T:
        """Return what ``find`` found under this key, now or before. None is never kept, nor is what it raises."""
        kept = self._found.get(key)
        if kept is not None:
            return cast(T, kept)
        with self._read() as session:
            # The number first: what is changed after it was read is newer than the number, and found out next time.
            number = changes_in(session)
            found = find(session)
        if found is not None and number == self.number:
            self._keep(key, found)
        return found

    def forget(self, key: Hashable) -> None:
        """Have it looked up anew next time."""
        self._found.pop(key, None)

    def _keep(self, key: Hashable, found: Any) -> None:
        self._found[key] = found
        while len(self._found) > _MOST:
            try:
                del self._found[next(iter(self._found))]
            except (KeyError, RuntimeError, StopIteration):  # another thread was as quick
                break


def watch(connection: Connection, table: str, *, without: Collection[str] = ()) -> None:
    """Have every change of a table's watched columns raise the number, whoever makes it.

    A migration that adds some calls this after it; one that drops some calls it before, ``without`` them.
    """
    there = {column["name"] for column in inspect(connection).get_columns(table)} - set(without)
    update = f"UPDATE OF {', '.join(column for column in WATCHED[table] if column in there)}"
    if connection.dialect.name == "postgresql":
        # At the commit, so that the row is held for a moment only and nothing is waited for while it is.
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS note_change ON {table}")
        connection.exec_driver_sql(
            f"CREATE CONSTRAINT TRIGGER note_change AFTER INSERT OR DELETE OR {update}"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change()"
        )
        return
    for deed in ("INSERT", "DELETE", update):
        name = f"note_{table}_{deed.split()[0].lower()}"
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE TRIGGER {name} AFTER {deed} ON {table} BEGIN {RAISE}; END")
