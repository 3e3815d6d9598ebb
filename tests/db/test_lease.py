"""A process's lease: renewed every second, and out for half a minute before anybody counts the process as dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import Cursor, Sessions, live_processes, open_engine
from app.db.lease import DEAD_SECONDS
from app.migrations import upgrade
from tests.support import databases


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Sessions]:
    (tmp_path / "var").mkdir()
    sessions = Sessions(open_engine(databases.url_for(tmp_path)))
    upgrade(sessions.engine)
    yield sessions
    sessions.close()


def live(database: Sessions) -> frozenset[str]:
    with database.read() as session:
        return live_processes(session)


def run(database: Sessions, statement: str) -> None:
    with database.begin() as session:
        session.execute(text(statement))


def until(truth: object, of: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while of() != truth:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_process_has_one_lease_from_the_first_question_on(database: Sessions) -> None:
    assert live(database) == frozenset()
    assert not database.lease.held
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(database.lease.process)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1
    assert live(database) == set(names)
    assert database.lease.held


def test_a_lease_is_renewed_and_counts_for_half_a_minute_after_that(database: Sessions) -> None:
    process = database.lease.process
    run(database, f"UPDATE leases SET renewed_at = renewed_at - {10 * DEAD_SECONDS}")
    until({process}, lambda: live(database))
    database.lease.close()
    run(database, f"UPDATE leases SET renewed_at = renewed_at - {DEAD_SECONDS - 5}")
    assert live(database) == {process}
    run(database, "UPDATE leases SET renewed_at = renewed_at - 6")
    assert live(database) == frozenset()


def test_a_process_that_cannot_renew_knows_it_and_stores_afterwards_what_it_could_not(database: Sessions) -> None:
    process = database.lease.process
    stored: list[str] = []

    def _store(_raw: Cursor, items: Sequence[str]) -> None:
        stored.extend(items)

    run(database, "ALTER TABLE leases RENAME TO away")
    until(False, lambda: database.lease.held)
    database.lease.later("an outcome", _store)
    assert not stored
    run(database, "ALTER TABLE away RENAME TO leases")
    until(True, lambda: database.lease.held)
    until(["an outcome"], lambda: stored)
    assert live(database) == {process}


def test_what_is_stored_later_and_fails_waits_for_the_next_time(database: Sessions) -> None:
    database.lease.process  # noqa: B018 - it begins with this question
    tried: list[str] = []

    def _fail_once(_raw: Cursor, items: Sequence[str]) -> None:
        tried.extend(items)
        if len(tried) == 1:
            raise OperationalError("no", None, Exception())

    database.lease.later("x", _fail_once)
    until(["x", "x"], lambda: tried)
    until(True, lambda: database.lease.held)


def test_leases_of_long_ago_are_forgotten(database: Sessions) -> None:
    run(database, "INSERT INTO leases (process, renewed_at) VALUES ('long-dead', 1)")
    process = database.lease.process
    with database.read() as session:
        assert set(session.scalars(text("SELECT process FROM leases"))) == {process}
