"""Threads that write at the same moment share a transaction; processes that share a SQLite file take turns."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import text

from app.db import Cursor, Sessions, open_engine
from app.db.group_commit import GroupCommit


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    opened = Sessions(open_engine(f"sqlite:///{tmp_path}/notes.db"))
    with opened.begin() as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
    yield opened
    opened.close()


def note(raw: Cursor, notes: Sequence[str]) -> None:
    raw.run("INSERT INTO notes VALUES (?)", [(words,) for words in notes])


def noted(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(text("SELECT words FROM notes")))


def await_waiting(sessions: Sessions, many: int) -> None:
    """Wait until so many writes wait, the one that is to commit them among them."""
    end = time.monotonic() + 20
    while len(sessions._group._waiting) < many:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_write_waits_for_the_process_whose_turn_it_is(sessions: Sessions, tmp_path: Path) -> None:
    written = Event()

    def _write() -> None:
        sessions.write_together("mine", note)
        written.set()

    writer = Thread(target=_write)
    with (tmp_path / "notes.db-turn").open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        writer.start()
        assert not written.wait(0.3)
        assert noted(sessions) == []
    assert written.wait(20)
    writer.join()
    assert noted(sessions) == ["mine"]


def test_where_turns_cant_be_taken_writes_go_on(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "notes.db-turn").mkdir()
    sessions.write_together("mine", note)
    assert noted(sessions) == ["mine"]


def test_a_process_that_was_stopped_in_its_turn_is_not_waited_for_for_ever(sessions: Sessions, tmp_path: Path) -> None:
    impatient = GroupCommit(sessions.engine, turn_seconds=0.2)
    with (tmp_path / "notes.db-turn").open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        impatient.write("mine", note)
    impatient.close()
    assert noted(sessions) == ["mine"]


def test_what_waits_at_the_same_moment_is_committed_together(sessions: Sessions, tmp_path: Path) -> None:
    batches: list[list[str]] = []

    def _write(raw: Cursor, notes: Sequence[str]) -> None:
        batches.append(sorted(notes))
        note(raw, notes)

    words = [f"note {number:02d}" for number in range(20)]
    with (tmp_path / "notes.db-turn").open("ab") as theirs, ThreadPoolExecutor(len(words)) as threads:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        writes = [threads.submit(sessions.write_together, each, _write) for each in words]
        await_waiting(sessions, len(words))
        fcntl.flock(theirs, fcntl.LOCK_UN)
        for each in writes:
            each.result(20)
    assert batches == [words]
    assert sorted(noted(sessions)) == words


def test_what_one_writes_wrong_is_its_own_fault_alone(sessions: Sessions, tmp_path: Path) -> None:
    def _write(raw: Cursor, notes: Sequence[str]) -> None:
        note(raw, notes)
        if "bad" in notes:
            raise ValueError

    words = ["good", "bad", "better"]
    with (tmp_path / "notes.db-turn").open("ab") as theirs, ThreadPoolExecutor(len(words)) as threads:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        writes = [threads.submit(sessions.write_together, each, _write) for each in words]
        await_waiting(sessions, len(words))
        fcntl.flock(theirs, fcntl.LOCK_UN)
        assert [type(each.exception(20)) for each in writes] == [type(None), ValueError, type(None)]
    assert sorted(noted(sessions)) == ["better", "good"]


def test_who_leads_hands_over_whatever_becomes_of_it(sessions: Sessions, tmp_path: Path) -> None:
    group, begun, go_on = GroupCommit(sessions.engine), Event(), Event()

    def _broken_off(_raw: Cursor, _notes: Sequence[str]) -> None:
        begun.set()
        go_on.wait(20)
        raise SystemExit

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(group.write, "first", _broken_off)
        assert begun.wait(20)
        second = threads.submit(group.write, "second", note)
        go_on.set()
        assert isinstance(first.exception(20), SystemExit)
        second.result(20)
    group.close()
    assert noted(sessions) == ["second"]
