"""What was looked up is remembered until anybody changes anything that calls go by, and not a moment longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

import app.blocks.models
import app.identity.models
import app.variables.models
import app.workspaces.models  # noqa: F401
from app.db import Base, Sessions, open_engine
from app.db.cache import WATCHED
from app.kernel.errors import NotFound
from app.migrations import upgrade
from tests.support import databases

# These tell who changed something, when, and how often it was used; no call goes by them.
TOLD_ONLY = {
    "tokens": {"label", "created_at", "created_by", "last_used_at"},
    "workspaces": {"created_at", "created_by", "updated_at", "updated_by"},
    "members": {"revision", "added_at", "added_by", "changed_at", "changed_by"},
    "blocks": {"title", "created_at", "created_by", "updated_at", "updated_by"},
    "variables": {
        "description", "unfinished", "touched_at", "touched_by", "revision", "created_at", "created_by",
        "updated_at", "updated_by", "last_used_at", "last_used_by", "calls", "check_block", "reconnect",
        "source_version_at",
    },
}  # fmt: skip
NOW = "2026-01-01 00:00:00+00:00"
WORKSPACE = {"name": "acme", "title": "", "engine": "kv", "state": "active", "refuse_expired": False}
ROWS: dict[str, dict[str, object]] = {
    "workspaces": WORKSPACE,
    "members": {"workspace": "acme", "user_id": "ada", "role": "owner"},
    "tokens": {"id": "t", "secret_hash": "", "role": "runtime", "label": "", "ad_hoc": False},
    "blocks": {"workspace": "acme", "name": "b", "id": "b", "title": "", "call": "{}", "answer": "full"},
    "variables": {
        "id": "v", "workspace": "acme", "name": "V", "folded_name": "v", "kind": "plain", "description": "",
        "allowed_hosts": "[]", "allowed_places": "[]", "version": 0, "state": "active", "unfinished": False,
        "touched_at": NOW, "touched_by": "", "calls": 0, "wide": False, "next_wide": False, "typed": False,
        "reconnect": False,
    },
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sessions]:
    (tmp_path / "var").mkdir()
    engine = open_engine(databases.url_for(tmp_path, postgresql=request.param == "postgresql"))
    upgrade(engine)
    opened = Sessions(engine)
    yield opened
    opened.close()


def insert(connection: Connection, table: str) -> None:
    needed = {column.name for column in Base.metadata.tables[table].columns if not column.nullable}
    row = {name: NOW for name in needed if name.endswith("_at")} | {"revision": 1} | ROWS[table]
    row = dict.fromkeys(needed, "") | {name: value for name, value in row.items() if name in needed | {*ROWS[table]}}
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)


def look(sessions: Sessions, found: list[int]) -> int:
    """Look something up that is another number each time it is really looked for."""

    def find(_session: Session) -> int:
        found.append(len(found))
        return len(found)

    return sessions.cache().get("key", find)


def test_what_was_found_is_not_looked_for_again(sessions: Sessions) -> None:
    found: list[int] = []
    assert [look(sessions, found) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("table", sorted(WATCHED))
def test_every_change_by_whomever_counts_from_its_commit_on(sessions: Sessions, table: str) -> None:
    found: list[int] = []
    key = {"members": "user_id", "tokens": "id", "variables": "id"}.get(table, "name")
    other = open_engine(sessions.engine.url.render_as_string(hide_password=False))
    with other.begin() as connection:
        if table != "workspaces":
            insert(connection, "workspaces")
    expected = look(sessions, found)
    with other.begin() as connection:
        insert(connection, table)
        assert look(sessions, found) == expected, "changed before it was committed"
    assert look(sessions, found) == (expected := expected + 1), "INSERT"
    for column in WATCHED[table]:
        with other.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = {column}"))
        assert look(sessions, found) == (expected := expected + 1), column
    for column in TOLD_ONLY[table]:
        with other.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = {column}"))
        assert look(sessions, found) == expected, column
    with other.begin() as connection:
        connection.execute(text(f"DELETE FROM {table} WHERE {key} IS NOT NULL"))
    assert look(sessions, found) == expected + 1, "DELETE"
    other.dispose()


@pytest.mark.parametrize("table", sorted(WATCHED))
def test_it_is_said_of_every_column_whether_a_call_goes_by_it(table: str) -> None:
    assert set(WATCHED[table]) | TOLD_ONLY[table] == {column.name for column in Base.metadata.tables[table].columns}
    assert not set(WATCHED[table]) & TOLD_ONLY[table]


def test_what_is_changed_while_it_is_looked_for_is_looked_for_again(sessions: Sessions) -> None:
    def find(_session: Session) -> str:
        other = open_engine(sessions.engine.url.render_as_string(hide_password=False))
        with other.begin() as connection:
            insert(connection, "workspaces")
        other.dispose()
        return "of before"

    assert sessions.cache().get("key", find) == "of before"
    assert sessions.cache().get("key", lambda _: "of after") == "of after"


def test_what_is_not_there_is_looked_for_each_time(sessions: Sessions) -> None:
    def refuse(_session: Session) -> str:
        raise NotFound("There is none.")

    with pytest.raises(NotFound):
        sessions.cache().get("key", refuse)
    assert sessions.cache().get("key", lambda _: None) is None
    assert sessions.cache().get("key", lambda _: "there") == "there"


def test_what_is_forgotten_is_looked_for_again(sessions: Sessions) -> None:
    found: list[int] = []
    look(sessions, found)
    sessions.cache().forget("key")
    assert look(sessions, found) == 2


@pytest.mark.slow
def test_no_more_is_remembered_than_there_is_room_for(sessions: Sessions) -> None:
    known = sessions.cache()
    for number in range(5000):
        known.get(number, lambda _: "found")
    assert known.get(4999, lambda _: "found anew") == "found"
    assert known.get(0, lambda _: "found anew") == "found anew"


def test_one_change_under_way_keeps_no_other_waiting(sessions: Sessions) -> None:
    if sessions.engine.dialect.name == "sqlite":
        return  # it has one writer at a time, whatever is written
    with sessions.engine.begin() as connection:
        insert(connection, "workspaces")
        insert(connection, "tokens")
    with sessions.engine.connect() as mine, sessions.engine.connect() as theirs:
        theirs.execute(text("SET lock_timeout = '5s'"))
        mine.execute(text("UPDATE workspaces SET state = state"))
        theirs.execute(text("UPDATE tokens SET role = role"))
        theirs.commit()
        mine.commit()
