"""Processes that share a SQLite file take turns at writing it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import Sessions, open_engine


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    opened = Sessions(open_engine(f"sqlite:///{tmp_path}/notes.db"))
    with opened.begin() as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
    yield opened
    opened.close()


def note(session: Session, notes: Sequence[str]) -> None:
    session.execute(text("INSERT INTO notes VALUES (:words)"), [{"words": words} for words in notes])


def noted(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(text("SELECT words FROM notes")))


def test_a_write_waits_for_the_process_whose_turn_it_is(sessions: Sessions, tmp_path: Path) -> None:
    written = Event()

    def _write() -> None:
        sessions.together("mine", note)
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
    sessions.together("mine", note)
    assert noted(sessions) == ["mine"]
