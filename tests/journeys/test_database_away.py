"""The running service while its database is locked or away: 503 at the API and on the pages, in time, and it mends."""

from __future__ import annotations

import html
import secrets
import sqlite3
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.support import databases
from tests.support.caller import Caller
from tests.support.service import Service, problem, running

pytestmark = pytest.mark.slow

PASSWORD = secrets.token_urlsafe(16)
PATIENCE = 40
"""Seconds for an answer: one wait for whoever waits already, one of its own, and a slow machine."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("own")
    with running(folder, DATABASE_URL=databases.url_for(folder, postgresql=request.param == "postgresql")) as service:
        assert service.ask("POST", "/workspaces", {"name": "acme"}).status_code == 201
        assert service.command("user", "create", "ada", "--password-stdin", stdin=PASSWORD).returncode == 0
        yield service


@contextmanager
def locked(service: Service) -> Iterator[None]:
    """Hold the lock that every writer needs, from another process's point of view."""
    url = make_url(service.database_url)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    with psycopg.connect(url.render_as_string(hide_password=False)) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def away(service: Service) -> Iterator[None]:
    url = make_url(service.database_url)
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    name = sql.Identifier(str(url.database))
    beside = url.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(beside, autocommit=True) as operator:
        operator.execute(allow.format(name, sql.SQL("false")))
        operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (url.database,))
        try:
            yield
        finally:
            operator.execute(allow.format(name, sql.SQL("true")))


def write(service: Service) -> requests.Response:
    body = {"name": f"V{uuid.uuid4().hex}", "value": "plain", "visibility": "masked"}
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ada"}
        url = f"{service.url}/api/v1/workspaces/acme/secrets"
        return session.post(url, json=body, headers=headers, timeout=90)


def test_a_write_waits_for_a_short_lock(own: Service) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(own):
            waiting = pool.submit(write, own)
            with pytest.raises(TimeoutError):
                waiting.result(1)
        assert waiting.result(PATIENCE).status_code == 201


def test_many_writes_are_told_in_time_that_a_long_lock_is_in_their_way(own: Service) -> None:
    with ThreadPoolExecutor(8) as pool, locked(own):
        waiting: list[Future[requests.Response]] = [pool.submit(write, own) for _ in range(8)]
        answers = [each.result(PATIENCE) for each in waiting]
    assert {problem(answer) for answer in answers} == {(503, "record_unavailable")}
    assert all("Retry-After" in answer.headers for answer in answers)
    assert write(own).status_code == 201


@pytest.mark.parametrize("own", ["postgresql"], indirect=True)  # SQLite's is a file, which isn't away
def test_pages_say_that_the_database_is_away(own: Service) -> None:
    caller = Caller(own.url)
    assert caller.sign_in("ada", PASSWORD).status_code == 303
    with away(own):
        for path in ("/workspaces/acme/variables", "/", "/sign-in"):
            page = caller.get(path)
            assert page.status_code == 503, path
        page = caller.get("/workspaces/acme/variables")
        assert "The database doesn't answer at the moment" in html.unescape(page.text)
        assert page.headers["Retry-After"] == "5"
        assert problem(write(own)) == (503, "record_unavailable")
    assert caller.get("/workspaces/acme/variables").status_code == 200
    assert write(own).status_code == 201


def test_the_log_has_no_fault_that_nobody_foresaw(own: Service) -> None:
    log = Path(own.folder / "service.log").read_text()
    assert "internal_error" not in log
    assert "Traceback" not in log
