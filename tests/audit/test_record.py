"""The record as it is stored: many writers keep one chain, Vault signs it, and what was done to it is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Connection, text

from app.access import Access, Actor, Role
from app.audit.append import append
from app.audit.chain import GENESIS, Verdict, facts_of, link
from app.audit.checkpoints import chains, checkpoints_of, head_of, sign_due, verify_stored
from app.audit.service import Deed, Target, recorded
from app.db import Sessions, cursor_of, open_engine
from app.kernel.clock import system_clock
from app.resources import Resources
from app.workspaces.models import WorkspaceRow
from tests.support import databases
from tests.support.stored_events import read_events

ADA = Access(Actor("user", "ada"), "acme", Role.OWNER)
WRITER = """
import sys
from app.access import Access, Actor, Role
from app.audit.service import Target, recorded
from app.db import Sessions, open_engine, cursor_of
from app.kernel.clock import system_clock
sessions = Sessions(open_engine(sys.argv[1]))
access = Access(Actor("user", sys.argv[2]), "acme", Role.OWNER)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    with recorded(sessions=sessions, clock=system_clock, access=access, action="secret.update",
                  target=Target("secret", str(number), "TOKEN")):
        pass
"""


def write(record: Resources, many: int, access: Access = ADA) -> None:
    """Add events in few transactions."""
    deeds = [Deed(access, "secret.reveal", Target("secret", "1", "TOKEN"), detail={"version": n}) for n in range(many)]
    with record.sessions.begin() as session:
        append(cursor_of(session.connection()), [deed.event("done", system_clock()) for deed in deeds])


def sign(record: Resources, *, after: timedelta = timedelta(), all_now: bool = False) -> list[int]:
    """Sign what is due at a later moment; returns the numbers of the events that were signed."""
    done = sign_due(sessions=record.sessions, vault=record.vault, clock=lambda: system_clock() + after, all_now=all_now)
    assert [each.fault for each in done] == [None] * len(done)
    return [checkpoint.seq for each in done for checkpoint in each.checkpoints]


def judged(record: Resources, chain: str = "acme", events_at_least: int | None = None) -> Verdict:
    keys = record.vault.checkpoint_public_keys()
    return verify_stored(chain, sessions=record.sessions, keys=keys, events_at_least=events_at_least)


def test_a_checkpoint_comes_after_a_thousand_events_and_within_a_minute(record: Resources) -> None:
    write(record, 3)
    assert sign(record) == []
    assert judged(record).unsigned == 3
    assert sign(record, after=timedelta(seconds=50)) == [3]
    assert sign(record, after=timedelta(seconds=50)) == []
    write(record, 2200)
    assert sign(record) == [1003, 2003, 2203]
    write(record, 5)
    verdict = judged(record)
    assert (verdict.fault, verdict.end.seq, verdict.unsigned) == (None, 2208, 5)
    newest = judged(record, events_at_least=100)
    assert (newest.fault, newest.signed, newest.unsigned) == (None, verdict.signed, 5)


def test_a_chain_that_does_not_fit_is_not_signed(record: Resources, database: str) -> None:
    write(record, 5)
    with databases.connected(database) as connection:
        connection.execute(text("UPDATE events SET actor_id = 'eve' WHERE seq = 2"))
    (refused,) = sign_due(sessions=record.sessions, vault=record.vault, clock=system_clock, all_now=True)
    assert refused.fault is not None
    assert (refused.fault.kind, refused.fault.seq, refused.checkpoints) == ("changed", 2, ())
    assert checkpoints_of("acme", record.sessions) == []


def run(*statements: str) -> Callable[[Connection], None]:
    def _run(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return _run


def swap(connection: Connection) -> None:
    run(
        "UPDATE events SET seq = -1 WHERE seq = 4", "UPDATE events SET seq = 4 WHERE seq = 7",
        "UPDATE events SET seq = 7 WHERE seq = -1",
    )(connection)  # fmt: skip


def insert(connection: Connection) -> None:
    for seq in range(10, 3, -1):
        connection.execute(text(f"UPDATE events SET seq = {seq + 1} WHERE seq = {seq}"))
    columns = ", ".join(connection.execute(text("SELECT * FROM events LIMIT 1")).keys())
    copied = columns.replace("id,", "'x',", 1).replace(" seq,", " 4,")
    connection.execute(text(f"INSERT INTO events ({columns}) SELECT {copied} FROM events WHERE seq = 1"))
    connection.execute(text("UPDATE chain_heads SET seq = 11"))


@pytest.mark.parametrize(
    ("tampering", "kind", "seq"),
    [
        (run("UPDATE events SET detail = '{\"version\": 99}' WHERE seq = 4"), "changed", 4),
        (run("UPDATE events SET outcome = 'refused' WHERE seq = 1"), "changed", 1),
        (run("UPDATE events SET secrets = '' WHERE seq = 4"), "changed", 4),
        (run("UPDATE events SET detail = '[]' WHERE seq = 4"), "changed", 4),
        (run("DELETE FROM events WHERE seq = 4"), "removed", 4),
        (run("DELETE FROM events WHERE seq = 1"), "removed", 1),
        (run("DELETE FROM events WHERE seq > 7"), "end_missing", 8),
        (run("DELETE FROM events"), "end_missing", 1),
        (swap, "reordered", 4),
        (insert, "inserted", 4),
        (run("UPDATE events SET seq = 0 WHERE seq = 4"), "inserted", 0),
        (run("UPDATE chain_heads SET seq = 9, hash = (SELECT hash FROM events WHERE seq = 9)"), "inserted", 10),
        (run("UPDATE chain_heads SET hash = 'f'"), "rewritten", 9),
        (run("DELETE FROM chain_heads"), "end_missing", 1),
        (run("UPDATE checkpoints SET signature = 'vault:v1:AAAA'"), "forged", 8),
        (run("UPDATE checkpoints SET hash = 'f'"), "forged", 8),
    ],
)
def test_what_was_done_to_the_database_is_named(
    record: Resources, database: str, tampering: Callable[[Connection], None], kind: str, seq: int
) -> None:
    write(record, 8)
    assert sign(record, all_now=True) == [8]
    write(record, 2)
    assert judged(record).fault is None
    with databases.connected(database) as connection:
        tampering(connection)
    fault = judged(record).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == (kind, seq)


def forge(record: Resources, database: str, *, keep: int) -> None:
    """Write the chain anew as whoever holds the database can: an event changed, the rest cut off, every hash right."""
    events = read_events("acme", record.sessions)[:keep]
    events[1] = replace(events[1], actor_id="eve")
    before = GENESIS
    with databases.connected(database) as connection:
        for each in events:
            before = link(before, facts_of(each))
            connection.execute(
                text("UPDATE events SET actor_id = :actor, hash = :hash WHERE seq = :seq"),
                {"actor": each.actor_id, "hash": before, "seq": each.seq},
            )
        connection.execute(text(f"DELETE FROM events WHERE seq > {keep}"))
        connection.execute(text("UPDATE chain_heads SET seq = :seq, hash = :hash"), {"seq": keep, "hash": before})


@pytest.mark.parametrize(("keep", "kind", "seq"), [(10, "rewritten", 1), (6, "end_missing", 7)])
def test_who_computes_every_hash_anew_is_caught_by_vaults_signature(
    record: Resources, database: str, keep: int, kind: str, seq: int
) -> None:
    write(record, 8)
    sign(record, all_now=True)
    write(record, 2)
    forge(record, database, keep=keep)
    fault = judged(record).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == (kind, seq)


def start_writer(database: str, name: str, many: int) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", WRITER, database, name, str(many)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert started.stdout is not None
    with started.stdout:
        assert started.stdout.readline() == "ready\n"
    return started


def test_threads_and_processes_that_write_at_once_keep_one_chain(record: Resources, database: str) -> None:
    processes = [start_writer(database, f"process{n}", 20) for n in range(2)]

    def _write() -> None:
        for _ in range(20):
            with recorded(
                sessions=record.sessions, clock=record.clock, access=ADA, action="secret.update",
                target=Target("secret", "1", "TOKEN"),
            ):  # fmt: skip
                pass

    threads = [Thread(target=_write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(process.poll() is None for process in processes) or any(thread.is_alive() for thread in threads):
        sign(record, all_now=True)
        assert judged(record).fault is None
    assert [process.wait() for process in processes] == [0, 0]
    for thread in threads:
        thread.join()
    sign(record, all_now=True)
    verdict = judged(record)
    assert (verdict.fault, verdict.end.seq, verdict.unsigned) == (None, 2 * 20 * (2 + 4), 0)


def test_writers_of_the_same_two_chains_never_wait_for_each_other(record: Resources, database: str) -> None:
    """Each holds one chain until it has the other too: taken in two orders, that is a deadlock."""
    others = [Access(Actor("user", "ada"), name, Role.OWNER) for name in ("acme", "zeta")]
    apart = [Sessions(open_engine(database)) for _ in range(2)]

    def _write(sessions: Sessions, order: list[Access]) -> None:
        for _ in range(100):
            deeds = [Deed(access, "secret.reveal", Target("secret", "1", "TOKEN")) for access in order]
            with sessions.begin() as session:
                append(cursor_of(session.connection()), [deed.event("done", system_clock()) for deed in deeds])

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(_write, apart[0], others), pool.submit(_write, apart[1], others[::-1])]:
            each.result()
    for sessions in apart:
        sessions.close()
    assert [judged(record, chain).end.seq for chain in ("acme", "zeta")] == [200, 200]


def test_what_a_deed_changes_is_written_before_its_chain_is_taken(record: Resources) -> None:
    """Written only at the commit, it could wait for a row of somebody who waits for the chain: a deadlock."""
    now = system_clock()
    facts = {"title": "Acme", "engine": "kv", "state": "active", "created_by": "ada", "updated_by": "ada"}
    with record.sessions.begin() as session:
        session.add(WorkspaceRow(name="acme", created_at=now, updated_at=now, **facts))
    with record.sessions.begin() as session:
        row = session.get_one(WorkspaceRow, "acme")
        row.title = "Acme & Co"
        session.add(WorkspaceRow(name="zeta", created_at=now, updated_at=now, **facts))
        Deed(Access(Actor("user", "ada"), "acme", Role.OWNER), "workspace.update", Target("workspace")).complete(
            session, system_clock
        )
        assert not session.dirty
        assert not session.new


def test_two_processes_that_sign_at_once_sign_the_same(record: Resources) -> None:
    write(record, 1500)
    threads = [Thread(target=sign, args=(record,), kwargs={"all_now": True}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.seq for each in checkpoints_of("acme", record.sessions)] == [1000, 1500]
    assert judged(record).fault is None


def test_a_kill_at_any_point_leaves_a_chain_that_verifies(record: Resources, database: str) -> None:
    end = 0
    for pause in (0.0, 0.011, 0.023, 0.05):
        writer = start_writer(database, "doomed", 100_000)
        if pause:  # some are killed in the midst of their writing, however long the first of it takes
            _await_event(record, after=end)
            time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
        verdict = judged(record)
        assert verdict.fault is None
        assert verdict.end.seq >= end
        end = verdict.end.seq
    write(record, 1)
    assert judged(record).fault is None
    assert end > 0


def _await_event(record: Resources, *, after: int) -> None:
    give_up = time.monotonic() + 60
    while head_of("acme", record.sessions).seq <= after:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_a_deleted_workspace_keeps_its_chain_and_the_service_has_its_own(record: Resources) -> None:
    write(record, 2)
    write(record, 1, Access(Actor("user", "ada"), None, None))
    assert chains(record.sessions) == ["", "acme"]
    assert judged(record, "").end.seq == 1


def test_moments_and_numbers_survive_the_database(record: Resources) -> None:
    deed = Deed(
        ADA, "call.run", Target("call", None, "GET ü"), detail={"elapsed_ms": 31.4, "n": 2**53 + 1, "t": "\u2028𝄞"}
    )
    with record.sessions.begin() as session:
        append(
            cursor_of(session.connection()),
            [deed.event("done", datetime.fromisoformat("2026-03-29T02:30:00.000001+02:00"))],
        )
    assert judged(record).fault is None
    (stored,) = read_events("acme", record.sessions)
    assert json.loads(json.dumps(dict(stored.detail))) == deed.detail
