"""SQLite's log is moved into the database beside the calls, and begins anew."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from app.db import Cursor, Sessions, open_engine


def note(raw: Cursor, notes: object) -> None:
    raw.run("INSERT INTO notes VALUES (?)", [("x" * 4000,)])


def test_the_log_is_settled_and_begins_anew_while_somebody_reads_or_not(tmp_path: Path) -> None:
    sessions = Sessions(open_engine(f"sqlite:///{tmp_path}/notes.db"))
    log = tmp_path / "notes.db-wal"
    with sessions.begin() as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
    for _ in range(2000):
        sessions.write_together("note", note)
    before = (tmp_path / "notes.db").stat().st_size
    with sessions.read() as reader:
        assert reader.execute(text("SELECT count(*) FROM notes")).scalar() == 2000
        sessions.write_together("note", note)
        sessions.checkpoint_wal()
        sessions.write_together("note", note)
    grown = log.stat().st_size
    assert grown > 1000 * 4096
    sessions.checkpoint_wal()
    assert (tmp_path / "notes.db").stat().st_size > before
    for _ in range(100):
        sessions.write_together("note", note)
    assert log.stat().st_size == grown, "the log goes on at its end"
    with sessions.read() as session:
        assert session.execute(text("SELECT count(*) FROM notes")).scalar() == 2102
    sessions.close()
