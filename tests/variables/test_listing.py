"""Ten thousand secrets list as ten do: a page reads a page's worth by an index, and goes on where it stopped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, insert

from app.access import Access, Actor, Role
from app.db import Sessions, open_engine
from app.migrations import upgrade
from app.variables import listing
from app.variables.models import VariableRow
from app.variables.secrets.queries import SecretQueries
from app.variables.service import NewVariable, Variables
from app.workspaces.models import WorkspaceRow
from tests.support import databases
from tests.support.doors import resources_of
from tests.support.service import Service

MANY = 10_000
NOW = datetime(2026, 1, 31, tzinfo=UTC)
ACCESS = Access(Actor("user", "ada"), "acme", Role.OWNER)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    folder = tmp_path_factory.mktemp("listing")
    (folder / "var").mkdir()
    sessions = Sessions(open_engine(databases.url_for(folder)))
    upgrade(sessions.engine)
    made: dict[str, Any] = {"created_at": NOW, "created_by": "ada", "updated_at": NOW, "updated_by": "ada"}
    row = made | {
        "workspace": "acme", "kind": "secret", "visibility": "masked", "allowed_hosts": ["*"], "touched_at": NOW,
        "allowed_places": ["header"], "version": 1, "state": "active", "touched_by": "",
    }  # fmt: skip
    with sessions.begin() as session:
        session.add(WorkspaceRow(name="acme", title="Acme", engine="kv", state="active", revision=1, **made))
        session.flush()
        names = [f"S{number:05}" for number in range(MANY)]
        values = [row | {"id": uuid.uuid4().hex, "name": name, "folded_name": name.lower()} for name in names]
        session.execute(insert(VariableRow), values)
    yield sessions
    sessions.close()


def plans(sessions: Sessions, ask: Any) -> list[str]:
    """Return how the database goes about the queries of ``ask``, a line for each step of each."""
    asked: list[tuple[str, Any]] = []

    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(sessions.engine, "before_cursor_execute", _note)
    ask()
    event.remove(sessions.engine, "before_cursor_execute", _note)
    explain = "EXPLAIN QUERY PLAN" if sessions.engine.dialect.name == "sqlite" else "EXPLAIN"
    with sessions.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE variables")  # what a database learns by itself, after a while
        return [
            row[-1]
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
        ]


def test_a_page_is_found_by_an_index_and_neither_sorted_nor_counted(sessions: Sessions) -> None:
    resources = resources_of(sessions)
    for ask in (
        lambda: SecretQueries(resources).list(limit=51, after="S09000", access=ACCESS),
        lambda: listing.list_variables(
            listing.ListQuery(),
            limit=50,
            after=listing.after_name("s09000"),
            counted=False,
            access=ACCESS,
            resources=resources,
        ),
    ):
        steps = plans(sessions, ask)
        if sessions.engine.dialect.name == "sqlite":
            found = [step for step in steps if "variables" in step]
            assert all(step.startswith("SEARCH") and "INDEX" in step and ">?" in step for step in found), steps
            assert not any("TEMP B-TREE" in step for step in steps), steps
        else:
            found = [step for step in steps if "Index Cond" in step and "> 's09000'" in step.lower()]
            assert not any("Sort" in step or "Seq Scan on variables" in step for step in steps), steps
        assert found, steps


def test_every_secret_is_listed_once(sessions: Sessions) -> None:
    seen: list[str] = []
    after, queries = None, SecretQueries(resources_of(sessions))
    while page := queries.list(access=ACCESS, limit=200, after=after):
        seen += [secret.name for secret in page]
        after = seen[-1]
    assert seen == [f"S{number:05}" for number in range(MANY)]


def test_search_looks_in_names_and_descriptions_whatever_the_case(sessions: Sessions) -> None:
    resources = resources_of(sessions)
    Variables(resources).create(NewVariable("REGION", "eu", "Where the 100%_Tickets are"), access=ACCESS)
    for q, found in (("region", 1), ("tickets", 1), ("100%_t", 1), ("1000_t", 0), ("%", 1), ("s0999", 10)):
        wanted = listing.ListQuery(q=q)
        listed = listing.list_variables(wanted, access=ACCESS, resources=resources, limit=50)
        assert (len(listed.entries), listed.total) == (found, found), q


def test_rows_that_come_and_go_meanwhile_neither_repeat_nor_hide_others(service: Service) -> None:
    workspace = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": workspace})
    path = f"/workspaces/{workspace}/variables"
    for name in ("B", "D", "F", "H", "J"):
        service.ask("POST", path, {"name": name, "value": "x"})
    first = service.ask("GET", f"{path}?limit=2").json()
    assert [each["name"] for each in first["items"]] == ["B", "D"]
    service.ask("DELETE", f"{path}/D")  # the very row that the cursor stands on
    for name in ("A", "C", "G"):
        service.ask("POST", path, {"name": name, "value": "x"})
    rest, cursor = [], first["next_cursor"]
    while cursor:
        page = service.ask("GET", f"{path}?limit=2&cursor={cursor}").json()
        rest += [each["name"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert rest == ["F", "G", "H", "J"]
