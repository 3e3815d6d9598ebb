"""A process that stands still in the middle of a write keeps others waiting for a while, and not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.db import Cursor, Sessions, open_engine
from tests.support import databases

HOLDER = """
import sys
from app.db import Sessions, open_engine

def note(raw, notes):
    raw.run("INSERT INTO notes VALUES (?)", [("theirs",)])
    print("begun", flush=True)
    sys.stdin.readline()

try:
    Sessions(open_engine(sys.argv[1])).write_together("theirs", note)
except Exception as error:
    print(type(error).__name__)
else:
    print("written")
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    (tmp_path / "var").mkdir()
    return databases.url_for(tmp_path)


@pytest.fixture
def sessions(database: str) -> Iterator[Sessions]:
    opened = Sessions(open_engine(database))
    with opened.begin() as session:
        session.execute(text("CREATE TABLE notes (words VARCHAR PRIMARY KEY)"))
    yield opened
    opened.close()


@pytest.fixture
def holder(sessions: Sessions, database: str) -> Iterator[subprocess.Popen[str]]:
    """A process that was frozen in the middle of a write."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGSTOP)
    yield process
    process.kill()
    process.communicate()


def note(raw: Cursor, notes: Sequence[str]) -> None:
    raw.run("INSERT INTO notes VALUES (?)", [(words,) for words in notes])


def noted(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(text("SELECT words FROM notes ORDER BY words")))


@pytest.mark.slow
def test_who_waits_for_a_frozen_process_is_told_in_time_or_goes_first(
    sessions: Sessions, holder: subprocess.Popen[str]
) -> None:
    if sessions.engine.dialect.name == "sqlite":
        with pytest.raises(OperationalError):  # the file is the frozen process's, and nobody can take it away
            sessions.write_together("mine", note)
        holder.send_signal(signal.SIGCONT)
        told, _ = holder.communicate("go on\n", timeout=30)
        assert told == "written\n"
        sessions.write_together("mine", note)
        assert noted(sessions) == ["mine", "theirs"]
    else:
        sessions.write_together("theirs", note)  # the same key: only one of the two can have it
        holder.send_signal(signal.SIGCONT)
        told, _ = holder.communicate("go on\n", timeout=30)
        assert told != "written\n"
        assert noted(sessions) == ["theirs"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_all_who_wait_are_told_at_once(sessions: Sessions, holder: subprocess.Popen[str]) -> None:
    def write(number: int) -> bool:
        try:
            sessions.write_together(f"mine {number}", note)
        except SQLAlchemyError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        written = list(pool.map(write, range(16)))
    # The timeout of this test would end sixteen waits, one after the other.
    assert set(written) == {sessions.engine.dialect.name != "sqlite"}
