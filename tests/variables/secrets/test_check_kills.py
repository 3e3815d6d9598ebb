"""kill -9 at each step of a new value that is tried before it goes live: one value is live, and calls go on with it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest

from app.blocks.runs import BlockRuns
from app.blocks.service import NewBlock, SavedBlocks
from app.calls.definition import Pair, WrittenCall
from app.factory import run_check
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import OutboundRules
from app.resources import Resources
from app.variables.secrets.check import Check
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.queries import SecretQueries
from app.variables.secrets.reconcile import SecretReconciliation, mismatched_bindings, unfinished_secrets
from app.variables.secrets.service import Secrets
from app.vault import SecretAddress
from tests.support.doors import resources_of
from tests.support.upstream import Handler, Upstream
from tests.support.upstream import upstream as run_upstream
from tests.support.vault_proxy import Fault, Kind
from tests.variables.secrets.test_kill_points import NEW, OLD, Doors, Stage, access_to
from tests.variables.secrets.test_kill_points import stage as stage


@dataclass
class Nth(Fault):
    """Something that happens to one request to Vault, by its number."""

    number: int = 0

    def takes(self, method: str, path: str) -> bool:
        self.seen += 1
        return self.seen == self.number


@contextmanager
def resources_for(doors: Doors) -> Iterator[Resources]:
    """Open the doors of a process, with one to upstreams on this machine."""
    rules = OutboundRules(networks=("127.0.0.0/8",), plain_http=True)
    with (
        closing(doors.sessions()) as sessions,
        closing(doors.vault()) as vault,
        closing(OutboundClient(rules)) as client,
    ):
        yield dataclasses.replace(resources_of(sessions, vault), outbound=client)


def set_value(doors: Doors, workspace: str) -> None:
    with resources_for(doors) as resources:
        Secrets(resources, run_check(resources)).set_value(
            "TOKEN", SecretValue(NEW), revision=None, access=access_to(workspace, "bob"), check=Check("whoami")
        )


def widen(doors: Doors, workspace: str) -> None:
    with resources_for(doors) as resources:
        access = access_to(workspace, "bob")
        hosts = SecretQueries(resources).get("TOKEN", access=access).allowed_hosts
        changes = SecretChanges(allowed_hosts=(*hosts, "b.example.com"), value=SecretValue(NEW), check_block="whoami")
        Secrets(resources, run_check(resources)).update("TOKEN", changes, revision=None, access=access)


def make_workspace(stage: Stage, upstream: Upstream) -> str:
    """Make a workspace whose secret goes to the upstream, and the block that tries it."""
    workspace, host = stage.workspace(with_secret=False), f"127.0.0.1:{upstream.port}"
    with resources_for(stage.doors) as resources:
        access = access_to(workspace)
        new = NewSecret("TOKEN", SecretValue(OLD), "restricted", allowed_hosts=(host,))
        Secrets(resources).create(new, access=access)
        call = WrittenCall("GET", f"http://{host}/whoami", (Pair("Authorization", "Bearer {{secrets.TOKEN}}"),))
        SavedBlocks(resources).create(NewBlock("whoami", "", call), access=access)
    return workspace


def kill(stage: Stage, change: Callable[[Doors, str], None], workspace: str, fault: Fault | None) -> int:
    """Make a change in a process of its own, killed where the fault is; returns how it ended."""
    process = multiprocessing.get_context("spawn").Process(target=change, args=(stage.through, workspace))
    stage.proxy.fault = fault
    if fault is not None:
        fault.then = lambda: os.kill(process.pid or 0, signal.SIGKILL)
    try:
        process.start()
        process.join()
    finally:
        stage.proxy.fault = None
    return process.exitcode or 0


def live_value(stage: Stage, workspace: str, upstream: Upstream) -> str:
    """Mend what was left, and return the one value that is live, as calls carry it."""
    with resources_for(stage.doors) as resources:
        SecretReconciliation(resources).run(older_than=timedelta())
        assert workspace not in {each for each, _ in unfinished_secrets(sessions=resources.sessions)}
        assert workspace not in {
            each for each, _ in mismatched_bindings(sessions=resources.sessions, vault=resources.vault)
        }
        access = access_to(workspace)
        upstream.seen.clear()
        for _ in range(3):
            done = BlockRuns(resources).run("whoami", {}, access=access, cache=resources.sessions.cache())
            assert done.response.status == 200
        carried = {str(seen.header("Authorization")).removeprefix("Bearer ") for seen in upstream.seen}
        assert len(carried) == 1
        shown = SecretQueries(resources).get("TOKEN", access=access)
        stored = resources.vault.read_for_call(SecretAddress(workspace, "kv", "restricted", "TOKEN"))
        assert shown.version == stored.version
        (value,) = carried
        assert stored.value == SecretValue(value)
        assert ("b.example.com" in shown.allowed_hosts) <= (value == NEW), "new hosts never stand with the old value"
    return value


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with run_upstream() as running:
        yield running


# Steps of a checked change, as Vault sees them: logins, the metadata, the check's read, the write, and what a change of
# hosts does besides. The first one that comes too late to hit anything ends a row.
REQUESTS: Final[dict[Callable[[Doors, str], None], int]] = {set_value: 5, widen: 7}
CASES: Final = [
    pytest.param(change, number, kind, id=f"{change.__name__}, {kind} request {number}")
    for change, most in REQUESTS.items()
    for number in range(1, most + 1)
    for kind in ("cut before", "cut after")
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "number", "kind"), CASES)
def test_a_kill_at_any_request_to_vault_leaves_one_live_value(
    stage: Stage, upstream: Upstream, change: Callable[[Doors, str], None], number: int, kind: Kind
) -> None:
    workspace = make_workspace(stage, upstream)
    assert kill(stage, change, workspace, Nth(kind, number=number)) == -signal.SIGKILL
    assert live_value(stage, workspace, upstream) in (OLD, NEW)


@pytest.mark.slow
def test_a_kill_while_the_new_value_is_tried_leaves_the_old_one(stage: Stage, upstream: Upstream) -> None:
    workspace = make_workspace(stage, upstream)
    process = multiprocessing.get_context("spawn").Process(target=set_value, args=(stage.through, workspace))

    def _kill(handler: Handler) -> None:
        os.kill(process.pid or 0, signal.SIGKILL)
        handler.answer(b"{}")

    upstream.scripts["/whoami"] = _kill
    process.start()
    process.join()
    upstream.scripts.clear()
    assert process.exitcode == -signal.SIGKILL
    assert [seen.header("Authorization") for seen in upstream.seen][-1] == f"Bearer {NEW}"
    assert live_value(stage, workspace, upstream) == OLD


@pytest.mark.slow
@pytest.mark.parametrize("change", [set_value, widen])
def test_what_is_not_killed_goes_live(stage: Stage, upstream: Upstream, change: Callable[[Doors, str], None]) -> None:
    assert len(CASES) >= 20
    workspace = make_workspace(stage, upstream)
    counted = Nth("delay")
    assert kill(stage, change, workspace, counted) == 0
    assert counted.seen >= REQUESTS[change], "each case hits something"
    assert live_value(stage, workspace, upstream) == NEW
