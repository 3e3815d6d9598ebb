"""What was found in the database, kept in memory for as long as nobody has changed anything of the kind.

A call goes by the same few rows each time: the token, the workspace, the block, the secrets' rules. Every change of
such a row, by whatever program, raises one number in the database (triggers do, see migration 0007). So a single look
at the number tells that what is remembered still holds, and a change counts from the moment of its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar, cast

from sqlalchemy import BigInteger, Column, Integer, Table
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
_MOST: Final = 4096
"""Findings that are kept at once; the oldest goes first."""


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
            number = session.connection().exec_driver_sql(LOOK).scalar()
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
