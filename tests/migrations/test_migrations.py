"""Every migration forward and back, with data in place, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Column, DateTime, Engine, Integer, LargeBinary, MetaData, inspect, select

import app.audit.models
import app.blocks.models
import app.idempotency.models
import app.identity.models
import app.variables.models
import app.workspaces.models  # noqa: F401
from app.db import Base, open_engine
from app.migrations import downgrade, pending, upgrade
from tests.support import databases

SCRIPTS = Path(__file__).parents[2] / "app" / "migrations"


def _revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


# The gate migrates PostgreSQL too, forward, for each service that it starts there.
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "var").mkdir()
    engine = open_engine(databases.url_for(tmp_path, postgresql=request.param == "postgresql"))
    yield engine
    engine.dispose()


def _value(column: Column[Any]) -> object:
    if isinstance(column.type, DateTime):
        return datetime(2026, 1, 1, tzinfo=UTC)
    if isinstance(column.type, LargeBinary):
        return b"kept"
    if isinstance(column.type, JSON):
        return ["kept"]
    if isinstance(column.type, Boolean | Integer):
        return True if isinstance(column.type, Boolean) else 1
    return "kept"


def _tables(engine: Engine) -> MetaData:
    tables = MetaData()
    tables.reflect(engine)
    tables.remove(tables.tables["alembic_version"])
    return tables


def _fill(engine: Engine, tables: MetaData) -> None:
    """Put a row into every table that has none, parents first."""
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if not connection.execute(select(table)).first():
                connection.execute(table.insert(), {column.name: _value(column) for column in table.columns})


def _rows(engine: Engine, tables: MetaData) -> dict[tuple[str, str], object]:
    """Return what stands in every column of every table's one row."""
    with engine.begin() as connection:
        return {
            (table.name, name): value
            for table in tables.sorted_tables
            for name, value in connection.execute(select(table)).one()._mapping.items()
        }


def test_every_step_forward_and_back_keeps_what_is_there(engine: Engine) -> None:
    first, *others = _revisions()
    upgrade(engine, first)
    seen = {}
    for revision in [first, *others]:
        upgrade(engine, revision)
        tables = _tables(engine)
        _fill(engine, tables)
        seen[revision] = _rows(engine, tables)
        for earlier in seen.values():
            assert earlier.items() <= seen[revision].items()
    assert not pending(engine)
    for revision in [first, *others][-2::-1]:
        downgrade(engine, revision)
        assert pending(engine)
        assert _rows(engine, _tables(engine)) == seen[revision]
    upgrade(engine)
    assert not pending(engine)
    assert seen[first].items() <= {**_rows_of(engine, seen[first])}.items()


def _rows_of(engine: Engine, wanted: dict[tuple[str, str], object]) -> dict[tuple[str, str], object]:
    with engine.begin() as connection:
        tables = _tables(engine).tables
        return {(table, name): connection.execute(select(tables[table].c[name])).scalar() for table, name in wanted}


def test_the_migrations_make_the_tables_that_the_code_has(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_way_back_ends_with_an_empty_database(engine: Engine) -> None:
    upgrade(engine)
    _fill(engine, _tables(engine))
    downgrade(engine, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]


def test_the_variables_that_saved_blocks_use_are_noted(engine: Engine) -> None:
    upgrade(engine, "0019")
    _fill(engine, _tables(engine))
    call = {
        "url": "https://api.example.com/{{ region }}/{{+path}}",
        "headers": [{"name": "A", "value": "{{secrets.TOKEN}} {{$uuid}}"}],
        "body": {"type": "json", "content": {"a": ["{{zone}}", "{{own}}"]}},
        "captures": [{"name": "x", "path": "$['{{no}}']"}],
        "variables": {"own": "{{never}}"},
    }
    with engine.begin() as connection:
        table = _tables(engine).tables["blocks"]
        connection.execute(table.update(), {"call": call})
        (workspace, name), *_ = connection.execute(select(table.c.workspace, table.c.name)).all()
    upgrade(engine)
    with engine.begin() as connection:
        uses = connection.execute(select(_tables(engine).tables["variable_uses"])).all()
    assert sorted(uses) == [(workspace, used, name) for used in ("path", "region", "zone")]
