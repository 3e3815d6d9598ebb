"""What is compared with Vault: a record that was cut back, a chain that was removed, a record that was emptied."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.access import Access, Actor, Role
from app.audit.chain import Verdict
from app.audit.checkpoints import checkpoints_of, sign_due, store_all_newest, verify_chain
from app.audit.newest import read_newest, store_newest
from app.audit.restores import Restores
from app.db import Sessions
from app.kernel.clock import system_clock
from app.kernel.errors import Conflict
from app.resources import Resources
from tests.audit.test_record import sign, write

ZOE = Access(Actor("user", "zoe"), "zeta", Role.OWNER)
TABLES = ("events", "chain_heads", "checkpoints")


def judged(record: Resources, chain: str = "acme") -> Verdict:
    return verify_chain(chain, sessions=record.sessions, vault=record.vault)


def run(sessions: Sessions, *statements: str) -> None:
    with sessions.begin() as session:
        for statement in statements:
            session.execute(text(statement))


def cut_back(record: Resources, to: int, chain: str = "acme") -> None:
    """Take away all after an event, with the checkpoints that cover it, as who can write to the database can."""
    run(
        record.sessions,
        f"DELETE FROM events WHERE chain = '{chain}' AND seq > {to}",
        f"DELETE FROM checkpoints WHERE chain = '{chain}' AND seq > {to}",
        f"UPDATE chain_heads SET seq = {to}, hash = (SELECT hash FROM events WHERE chain = '{chain}' AND seq = {to})"
        f" WHERE chain = '{chain}'",
    )


def remove(record: Resources, chain: str) -> None:
    run(record.sessions, *(f"DELETE FROM {table} WHERE chain = '{chain}'" for table in TABLES))


@pytest.fixture
def signed(record: Resources) -> Resources:
    """Two chains; the first was signed at its events 4 and 9."""
    write(record, 4)
    sign(record, all_now=True)
    write(record, 5)
    write(record, 3, ZOE)
    sign(record, all_now=True)
    return record


def test_the_newest_checkpoint_of_each_chain_is_in_vault(signed: Resources) -> None:
    for chain, seq in (("acme", 9), ("zeta", 3)):
        newest = read_newest(chain, signed.vault)
        assert newest is not None
        assert newest.checkpoint == checkpoints_of(chain, signed.sessions)[-1]
        assert newest.checkpoint is not None
        assert newest.checkpoint.seq == seq
    assert judged(signed).fault is None
    older = checkpoints_of("acme", signed.sessions)[0]
    store_newest(older, signed.vault)
    newest = read_newest("acme", signed.vault)
    assert newest is not None
    assert newest.checkpoint is not None
    assert newest.checkpoint.seq == 9, "an older one takes no newer one's place"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(to=st.integers(1, 8), emptied=st.booleans(), removed=st.booleans())
def test_cut_removed_or_emptied_is_found(
    signed: Resources, tmp_path: Path, to: int, emptied: bool, removed: bool
) -> None:
    kept: dict[str, list[dict[str, Any]]] = {}
    with signed.sessions.read() as session:
        for table in TABLES:
            kept[table] = [dict(row) for row in session.execute(text(f"SELECT * FROM {table}")).mappings()]
    try:
        if emptied:
            run(signed.sessions, *(f"DELETE FROM {table}" for table in TABLES))
        elif removed:
            remove(signed, "acme")
        else:
            cut_back(signed, to)
        fault = judged(signed).fault
        assert fault is not None
        assert (fault.kind, fault.seq) == ("end_missing", 1 if emptied or removed else to + 1)
        assert (judged(signed, "zeta").fault is None) == (not emptied)
        assert "acme" in signed.vault.chains_with_checkpoint()
    finally:
        with signed.sessions.begin() as session:
            for table, rows in kept.items():
                session.execute(text(f"DELETE FROM {table}"))
                for row in rows:
                    columns = list(row)
                    marks = ", ".join(f":{name}" for name in columns)
                    session.execute(
                        text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"),
                        row,
                    )


@pytest.mark.parametrize("hurt", [lambda r: cut_back(r, 4), lambda r: cut_back(r, 6), lambda r: remove(r, "acme")])
def test_nothing_newer_is_signed_over_what_is_missing(signed: Resources, hurt: Callable[[Resources], None]) -> None:
    hurt(signed)
    write(signed, 12)  # so that the chain is longer than what Vault knows
    (refused,) = sign_due(sessions=signed.sessions, vault=signed.vault, clock=system_clock, all_now=True)
    assert refused.fault is not None
    assert refused.checkpoints == ()
    assert judged(signed).fault is not None


@pytest.mark.parametrize("to", [4, 6])
@pytest.mark.parametrize("goes_on", [0, 20])
def test_an_older_database_is_accepted_and_said_from_then_on(signed: Resources, to: int, goes_on: int) -> None:
    cut_back(signed, to)
    remove(signed, "zeta")
    if goes_on:
        write(signed, goes_on)
    restores = Restores(signed)
    missing = restores.missing()
    assert [(each.chain, each.after, each.through) for each in missing] == [("acme", 4, 9), ("zeta", 0, 3)]
    restores.accept(missing)
    for chain, through in (("acme", 9), ("zeta", 3)):
        verdict = judged(signed, chain)
        assert (verdict.fault, verdict.unsigned) == (None, 0)
        assert [each.through for each in verdict.restores] == [through]
    assert restores.missing() == []
    write(signed, 3)
    sign(signed, after=timedelta(minutes=1))
    verdict = judged(signed)
    assert verdict.fault is None
    assert len(verdict.restores) == 1, "it is said for good"
    with signed.sessions.read() as session:
        actions = session.scalars(text("SELECT chain FROM events WHERE action = 'audit.accept_restore' ORDER BY chain"))
        assert list(actions) == ["acme", "acme", "zeta", "zeta"]


def test_what_was_tampered_with_is_no_restore(signed: Resources) -> None:
    run(signed.sessions, "UPDATE events SET actor_id = 'eve' WHERE chain = 'acme' AND seq = 2")
    with pytest.raises(Conflict):
        Restores(signed).missing()


def test_what_vault_lacks_is_stored_at_the_start(signed: Resources) -> None:
    newest = read_newest("acme", signed.vault)
    assert newest is not None
    signed.vault.store_newest_checkpoint("acme", {"seq": 0}, cas=newest.version)
    store_all_newest(sessions=signed.sessions, vault=signed.vault)
    newest = read_newest("acme", signed.vault)
    assert newest is not None
    assert newest.checkpoint == checkpoints_of("acme", signed.sessions)[-1]
