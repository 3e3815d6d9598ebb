"""Connections that stay open beside the pool: one that was cut is opened anew, and nothing is done twice or by half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from app.db import Cursor, Sessions, open_engine
from app.db.cursor import KeptConnections
from app.migrations import upgrade
from tests.support import databases


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "var").mkdir()
    return databases.url_for(tmp_path, postgresql=request.param == "postgresql")


@pytest.fixture
def sessions(url: str) -> Iterator[Sessions]:
    engine = open_engine(url)
    upgrade(engine)
    opened = Sessions(engine)
    with opened.begin() as session:
        session.execute(text("CREATE TABLE notes (words VARCHAR PRIMARY KEY, length INTEGER)"))
    yield opened
    opened.close()


def note(raw: Cursor, notes: Sequence[str]) -> None:
    raw.insert("INSERT INTO notes", [(words, len(words)) for words in notes])


def noted(sessions: Sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(text("SELECT words FROM notes ORDER BY words")))


def cut(url: str) -> int:
    """End every other connection to a PostgreSQL database, as a restart does; returns how many there were."""
    with databases.connected(url) as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # autovacuum's go on
        return len(connection.execute(text(ended)).all())


def test_one_connection_is_used_again_and_again(sessions: Sessions) -> None:
    for number in range(3):
        sessions.write_together(f"note {number}", note)
        sessions.cache()
    assert noted(sessions) == ["note 0", "note 1", "note 2"]
    if sessions.engine.dialect.name == "postgresql":
        # One for looks, one for what is written together, one in the pool.
        assert cut(sessions.engine.url.render_as_string(hide_password=False)) == 3


def test_a_connection_that_was_cut_is_opened_anew(sessions: Sessions, url: str) -> None:
    sessions.write_together("before", note)
    number = sessions.cache().number
    if sessions.engine.dialect.name == "postgresql":
        assert cut(url) > 0
    assert sessions.cache().number == number
    sessions.write_together("after", note)
    assert noted(sessions) == ["after", "before"]


def test_what_was_cut_in_the_middle_is_done_once_more_and_whole(sessions: Sessions, url: str) -> None:
    kept, tries = KeptConnections(sessions.engine, most=2), 0

    def _work(raw: Cursor) -> None:
        nonlocal tries
        tries += 1
        raw.insert("INSERT INTO notes", [("first", 1)])
        if tries == 2 and sessions.engine.dialect.name == "postgresql":
            cut(url)
        raw.insert("INSERT INTO notes", [(f"second {tries}", 2)])

    def _nothing(_raw: Cursor) -> None:
        nonlocal tries
        tries += 1

    kept.write(_nothing)
    kept.write(_work)
    kept.close()
    again = sessions.engine.dialect.name == "postgresql"
    assert tries == (3 if again else 2)
    assert noted(sessions) == ["first", "second 3" if again else "second 2"]


def test_a_commit_that_may_have_been_carried_out_is_not_done_again(url: str, sessions: Sessions) -> None:
    if sessions.engine.dialect.name == "sqlite":  # a file's commit has no other side that could vanish
        return
    kept, tries = KeptConnections(sessions.engine, most=2), 0

    def _work(raw: Cursor) -> None:
        nonlocal tries
        tries += 1
        raw.insert("INSERT INTO notes", [("ours", 1)])
        if tries == 2:
            cut(url)

    kept.write(lambda raw: raw.first("SELECT 1"))
    tries = 1
    with pytest.raises(OperationalError):
        kept.write(_work)
    assert tries == 2
    kept.close()
    assert noted(sessions) == []


def test_what_fails_leaves_nothing_and_the_next_goes_on(sessions: Sessions) -> None:
    kept = KeptConnections(sessions.engine, most=2)

    def _half(raw: Cursor) -> None:
        raw.insert("INSERT INTO notes", [("half", 1)])
        raise ValueError("ours")

    kept.write(lambda raw: note(raw, ["whole"]))
    with pytest.raises(ValueError, match="ours"):
        kept.write(_half)
    with pytest.raises(IntegrityError):
        kept.write(lambda raw: note(raw, ["other", "whole"]))
    kept.write(lambda raw: note(raw, ["last"]))
    kept.close()
    assert noted(sessions) == ["last", "whole"]


@pytest.mark.parametrize("many", [1, 2, 31, 32, 33, 65])
def test_rows_of_one_statement_are_all_there(sessions: Sessions, many: int) -> None:
    words = sorted(f"note {number:02d} ü" for number in range(many))
    kept = KeptConnections(sessions.engine, most=2)
    kept.write(lambda raw: note(raw, words))
    kept.close()
    assert noted(sessions) == words


def refused(url: str) -> Sessions:
    """A database that lets nobody in: its folder is away, or its server says so."""
    if url.startswith("sqlite"):
        return Sessions(open_engine("sqlite:////nowhere/at/all.db"))
    address = make_url(url)
    with psycopg.connect(address.set(database="postgres").render_as_string(hide_password=False), autocommit=True) as on:
        on.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(str(address.database))))
    return Sessions(open_engine(url))


def test_a_database_that_lets_nobody_in_is_one_that_isnt_there(url: str) -> None:
    opened = refused(url)
    with pytest.raises(OperationalError):
        opened.cache()
    with pytest.raises(OperationalError):
        opened.write_together("note", note)
    opened.close()


def test_so_many_look_at_once_and_no_more(sessions: Sessions) -> None:
    kept, inside, most = KeptConnections(sessions.engine, most=3), 0, 0
    lock, go_on = Lock(), Event()

    def _look(raw: Cursor) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == 3:
                go_on.set()
        go_on.wait(30)
        raw.first("SELECT 1")
        with lock:
            inside -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: kept.read(_look), range(48)))
    assert most == 3
    assert kept.idle == 3
    kept.close()


def test_what_is_kept_counts_as_open_and_at_rest(sessions: Sessions) -> None:
    sessions.cache()
    sessions.write_together("note", note)
    assert noted(sessions) == ["note"]
    in_use, idle = sessions.connections
    assert in_use == 0
    with sessions.read() as session:
        session.execute(text("SELECT 1"))
        assert sessions.connections == (1, idle - 1)


def test_an_error_names_the_statement_and_no_value(sessions: Sessions) -> None:
    kept = KeptConnections(sessions.engine, most=2)
    with pytest.raises((OperationalError, ProgrammingError)) as caught:
        kept.read(lambda raw: raw.first("SELECT words FROM nowhere WHERE words = ?", "canary-5d1f"))
    kept.close()
    assert "nowhere" in str(caught.value)
    assert "canary-5d1f" not in str(caught.value)
