"""What must hold when the load has ended: every acknowledged write, every call's two events, and no value anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import redis
import requests

from soak.client import shows_value
from soak.load import Slot, check
from soak.world import WORKSPACE, World
from tests.support import databases
from tests.support.topology import COPIES

_SEARCHED: Final = ("*.log", "vault-logs/*")


def finish_what_was_cut_off(world: World) -> None:
    """Stop both copies, as ``reconcile --now`` asks for, finish or undo what is in doubt, and start them again."""
    for copy in COPIES:
        world.topology.stop(copy)
    world.topology.run(COPIES[0], ["strongroom", "reconcile", "--now"])
    for copy in COPIES:
        world.topology.serve(copy)


def everything_is_there(world: World, all_slots: Sequence[Slot]) -> None:
    """Prove each slot by a call through either copy, and each secret's version; faults go into the ledger."""
    for copy in COPIES:
        client = world.caller(world.direct(copy))
        client.journal = None
        for slot in all_slots:
            answer = check(client, "at the end", slot)
            if answer.code not in ("", "unknown_secret", "missing_variable", "not_found"):
                world.ledger.lost.append(f"{slot.block.name} can't be run at the end: {answer.code}")
    owner = world.owner()
    for secret in (slot.secret for slot in all_slots):
        found = owner.ask("GET", secret.path)
        if secret.register.known and None not in secret.register.possible and found.code:
            world.ledger.lost.append(f"{secret.name} isn't there at the end: {found.code}")
        elif not found.code and found.document["version"] < secret.newest:
            world.ledger.lost.append(f"{secret.name} is at version {found.document['version']} of {secret.newest}")


def unrecorded_calls(world: World) -> int:
    """Count the calls that were answered and have not exactly an intent and an outcome in the record."""
    with world.database() as connection:
        rows = connection.execute(
            "SELECT deed_id, string_agg(outcome, ' ' ORDER BY seq) FROM events WHERE action = 'call.run' AND chain = %s"
            " GROUP BY deed_id",
            (WORKSPACE,),
        ).fetchall()
    recorded = {deed for deed, outcomes in rows if outcomes in ("intended done", "intended streaming done")}
    return len(world.ledger.calls - recorded)


def audit_verifies(world: World) -> bool:
    """Whether ``strongroom audit verify`` finds the record whole; it fails otherwise."""
    world.topology.run(COPIES[0], ["strongroom", "audit", "verify"])
    return True


def red_lights(world: World) -> Sequence[str]:
    """Return what the doctor finds red."""
    report = json.loads(world.topology.run(COPIES[0], ["strongroom", "doctor", "--json"]))
    return [f"doctor: {each['check']}: {each['finding']}" for each in report if each["state"] == "red"]


def places_with_values(world: World) -> Iterator[str]:
    """Search logs, Vault's audit log, the database, Redis, and metrics for values."""
    for path in _files(world.topology.folder):
        if shows_value(path.read_bytes()):
            yield str(path.relative_to(world.topology.folder))
    if shows_value(databases.contents(world.topology.database_url)):
        yield "the database"
    password = (world.topology.folder / "keys" / "redis-password").read_text()
    with closing(redis.Redis(port=world.topology.ports["redis"], password=password)) as store:
        if shows_value(repr([(key, store.dump(key)) for key in store.scan_iter()]).encode()):
            yield "Redis"
    for copy in COPIES:
        with requests.Session() as session:
            session.trust_env = False
            if shows_value(session.get(f"{world.direct(copy)}/metrics", timeout=10).content):
                yield f"metrics of {copy}"


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _SEARCHED:
        yield from (path for path in folder.glob(pattern) if path.is_file())
