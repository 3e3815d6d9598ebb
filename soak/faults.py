"""What breaks, how it is mended, and with which codes requests may be refused because of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from soak.journal import Happened
from soak.streams import CUT
from soak.world import NOISY, World
from tests.support.topology import COPIES, ROOT

_VAULT: Final = frozenset({"vault_unavailable", "page_503"})
_DATABASE: Final = frozenset({"record_unavailable", "page_503", CUT})
_SHARE: Final = 0.2
"""Of the strangers that the test on neighbours has."""
_COPY: Final = frozenset({"dropped", CUT, "proxy_502", "proxy_504", "page_502", "page_504"})
_UPSTREAM: Final = frozenset(
    {
        "upstream_unreachable",
        "upstream_protocol",
        "upstream_timeout",
        "response_not_readable",
        "response_too_large",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks when the block begins, and is mended when it ends."""

    name: str
    codes: frozenset[str]
    broken: Callable[[World], AbstractContextManager[None]]
    least: float = 0
    """Seconds that it must last to be more than a pause: longer than the timeout that it is about."""


@contextmanager
def _vault_killed(world: World) -> Iterator[None]:
    os.killpg(world.topology.processes["vault"].pid, signal.SIGKILL)
    yield
    world.topology.restart_vault(kill=True)
    world.topology.run("vault-init")


@contextmanager
def _vault_slow(world: World) -> Iterator[None]:
    """Stopped, it takes connections and requests and answers none; continued, it carries out what came meanwhile."""
    pid = world.topology.processes["vault"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _vault_sealed(world: World) -> Iterator[None]:
    with world.sealed():
        yield


@contextmanager
def _database_locked(world: World) -> Iterator[None]:
    with world.database() as connection:
        _take_all_tables(connection)
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def _take_all_tables(connection: psycopg.Connection[object]) -> None:
    """Take them all or none: whoever waited for one while holding another could wait for the service for ever."""
    while True:
        connection.execute("BEGIN")
        try:
            connection.execute("LOCK TABLE events, variables, blocks, tokens IN ACCESS EXCLUSIVE MODE NOWAIT")
        except psycopg.errors.LockNotAvailable:
            connection.execute("ROLLBACK")
            time.sleep(0.01)
        else:
            return


@contextmanager
def _connections_dropped(world: World) -> Iterator[None]:
    with world.database(beside=True) as connection:
        _drop_connections(connection, world)
        yield
        _drop_connections(connection, world)


@contextmanager
def _database_away(world: World) -> Iterator[None]:
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    name = sql.Identifier(world.database_name)
    with world.database(beside=True) as connection:
        connection.execute(allow.format(name, sql.SQL("false")))
        _drop_connections(connection, world)
        try:
            yield
        finally:
            connection.execute(allow.format(name, sql.SQL("true")))


def _drop_connections(connection: psycopg.Connection[object], world: World) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (world.database_name,),
    )


@contextmanager
def _record_full(world: World) -> Iterator[None]:
    """Every new event is refused with the very error of a full disk (SQLSTATE 53100).

    By a trigger: a disk that is really full can't be had without the right to mount one, and PostgreSQL tells of it
    with the same error.
    """
    with world.database() as connection:
        connection.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION full_disk CASCADE")


@contextmanager
def _redis_away(world: World) -> Iterator[None]:
    world.topology.stop("redis", kill=True)
    yield
    world.topology.start_redis()


@contextmanager
def _upstream_misbehaves(world: World) -> Iterator[None]:
    with world.far.broken():
        yield


@contextmanager
def _copy_killed(world: World) -> Iterator[None]:
    world.topology.stop(COPIES[1], kill=True)
    yield
    world.topology.serve(COPIES[1])


@contextmanager
def _slow_strangers(world: World) -> Iterator[None]:
    """Half heads, half bodies, silent connections, clients that never read, and one workspace's slow upstreams."""
    port = world.topology.ports[COPIES[0]]
    command = [sys.executable, "-m", "tests.support.strangers", str(port), world.platform, NOISY, world.far.never]
    process = subprocess.Popen([*command, str(_SHARE)], cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        if process.stdout is None or process.stdout.readline() != "connected\n":
            raise RuntimeError("The strangers can't connect.")
        yield
    finally:
        process.kill()
        process.communicate()


FAULTS: Final[Sequence[Fault]] = (
    Fault("slow strangers", frozenset(), _slow_strangers),
    Fault("a copy of the service killed", _COPY, _copy_killed),
    Fault("Vault killed", _VAULT, _vault_killed),
    Fault("Vault slow", _VAULT, _vault_slow, least=6),
    Fault("Vault sealed", _VAULT, _vault_sealed),
    Fault("database: tables locked", _DATABASE, _database_locked),
    Fault("database: connections dropped", _DATABASE, _connections_dropped),
    Fault("database away", _DATABASE, _database_away),
    Fault("record: disk full", _DATABASE, _record_full),
    Fault("Redis away", frozenset(), _redis_away),
    Fault("upstreams misbehave", _UPSTREAM, _upstream_misbehaves),
)


def let_happen(fault: Fault, world: World, seconds: float, *, grace: float) -> Happened:
    """Break something for a while and mend it.

    It has ended when whoever mends it has done so: a copy says that it is ready, Vault is unsealed and active.
    """
    began = time.monotonic()
    with fault.broken(world):
        time.sleep(max(seconds, fault.least))
        mending = time.monotonic()
    return Happened(fault.name, fault.codes, began, mending, time.monotonic(), grace)
