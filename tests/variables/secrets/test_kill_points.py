"""kill -9 before and after every write to Vault: reconcile finishes the change or undoes it, and nothing between."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.access import Access, Actor, Principal, Role
from app.db import Sessions, open_engine
from app.kernel.clock import Clock, system_clock
from app.kernel.errors import NameTaken, NotFound, PreconditionFailed, StrongroomError, Unanswered, VaultUnavailable
from app.kernel.secret import SecretValue
from app.migrations import upgrade
from app.policies.service import Setup, apply_embedded, read_files
from app.resources import Resources
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.purge import purge_variables
from app.variables.secrets.queries import Secret, SecretQueries
from app.variables.secrets.reconcile import AppliedRemedy, SecretReconciliation, mismatched_bindings, unfinished_secrets
from app.variables.secrets.service import Secrets
from app.variables.secrets.versions import SecretVersions
from app.vault import VISIBILITIES, Engine, SecretAddress, Vault, embedded
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, Server, VaultOptions
from app.workspaces.service import NewWorkspace, Purge, Workspace, Workspaces
from tests.support import databases
from tests.support.doors import resources_of
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES = Path(__file__).parents[3] / "vault-policies"
OLD, OLDER, NEW = "old-aJ4kQz81LpX0", "older-Rt7wYb3NvC5", "new-Mh2sGd9FuE6k"
HERE, FURTHER = ("a.example.com",), ("a.example.com", "b.example.com")


@dataclass(frozen=True)
class Doors:
    """What a process needs to come in: it can be handed to another one."""

    database_url: str
    vault_address: str
    key: bytes

    def sessions(self) -> Sessions:
        return Sessions(open_engine(self.database_url))

    def vault(self) -> VaultClient:
        return VaultClient(VaultOptions(Server(self.vault_address, read_timeout=30.0), self.key))


def access_to(workspace: str, user: str = "ada") -> Access:
    return Access(Actor("user", user), workspace, Role.ADMIN)


@dataclass(frozen=True)
class Inside:
    """What a change is given: whoever makes it, and the doors that it uses."""

    resources: Resources
    access: Access

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.resources)


def create(by: Inside) -> None:
    new = NewSecret("TOKEN", SecretValue(NEW), "restricted", allowed_hosts=FURTHER)
    by.secrets.create(new, access=by.access)


def widen(by: Inside) -> Secret:
    changes = SecretChanges(allowed_hosts=FURTHER, value=SecretValue(NEW))
    return by.secrets.update("TOKEN", changes, revision=None, access=by.access)


def narrow(by: Inside) -> Secret:
    changes = SecretChanges(allowed_places=("header:Authorization",))
    return by.secrets.update("TOKEN", changes, revision=None, access=by.access)


def renew(by: Inside) -> Secret:
    changes = SecretChanges(description="New.", value=SecretValue(NEW))
    return by.secrets.update("TOKEN", changes, revision=None, access=by.access)


def set_value(by: Inside) -> Secret:
    return by.secrets.set_value("TOKEN", SecretValue(NEW), revision=None, access=by.access)


def roll_back(by: Inside) -> Secret:
    return SecretVersions(by.resources).roll_back("TOKEN", 1, revision=None, access=by.access)


def destroy(by: Inside) -> None:
    SecretVersions(by.resources).destroy("TOKEN", 1, confirm="TOKEN", revision=None, access=by.access)


def delete(by: Inside) -> None:
    by.secrets.delete("TOKEN", confirm="TOKEN", force=False, revision=None, access=by.access)


def mend(by: Inside) -> None:
    _reconcile(by.resources.sessions, by.resources.vault)


def _reconcile(sessions: Sessions, vault: Vault) -> None:
    SecretReconciliation(resources_of(sessions, vault)).run(older_than=timedelta())


def run(change: Callable[[Inside], object], doors: Doors, workspace: str) -> None:
    """Make a change in a process of its own."""
    change(Inside(resources_of(doors.sessions(), doors.vault()), access_to(workspace, "bob")))


@dataclass
class Stage:
    doors: Doors
    through: Doors
    proxy: VaultProxy
    sessions: Sessions
    vault: VaultClient

    def workspace(self, *, with_secret: bool, engine: Engine = "kv") -> str:
        name = f"w{secrets.token_hex(6)}"
        principal = Principal(Actor("operator", "operator"))
        self.workspaces(self.vault).create(NewWorkspace(name, engine=engine, owner="ada"), principal=principal)
        if with_secret:
            by = self.inside(name, self.vault)
            new = NewSecret("TOKEN", SecretValue(OLDER), "restricted", allowed_hosts=HERE)
            by.secrets.create(new, access=by.access)
            by.secrets.set_value("TOKEN", SecretValue(OLD), revision=None, access=by.access)
        return name

    def inside(self, workspace: str, vault: Vault, clock: Clock = system_clock, user: str = "ada") -> Inside:
        """What a change in this process is given."""
        return Inside(resources_of(self.sessions, vault, clock), access_to(workspace, user))

    def delete_workspace(self, name: str, *, purges: Sequence[Purge]) -> None:
        access = Access(Actor("user", "ada"), name, Role.OWNER)
        self.workspaces(self.vault).delete(confirm=name, access=access, purges=purges)

    def workspaces(self, vault: Vault, clock: Clock = system_clock) -> Workspaces:
        return Workspaces(resources_of(self.sessions, vault, clock))

    def purge(self, workspace: Workspace) -> None:
        purge_variables(workspace.name, workspace.engine, sessions=self.sessions, vault=self.vault)

    def held_by_vault(self, workspace: str) -> list[str]:
        return [name for each in VISIBILITIES for name in self.vault.names(workspace, each, role="owner")]

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[Vault]:
        """Give a way to Vault with a fault."""
        with closing(self.through.vault()) as vault, self.proxy.broken(fault):
            yield vault

    def kill(self, change: Callable[[Inside], object], workspace: str, fault: Fault) -> None:
        """Make a change in another process, and kill it where the fault is."""
        process = multiprocessing.get_context("spawn").Process(target=run, args=(change, self.through, workspace))
        fault.then = lambda: os.kill(process.pid or 0, signal.SIGKILL)
        with self.proxy.broken(fault):
            process.start()
            process.join()
        assert process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, key = tmp_path_factory.mktemp("kills"), new_signing_key()
    running = embedded.start(folder / "openbao")
    try:
        setup = Setup(Mounts(), read_files(POLICIES), [public_key(key)])
        apply_embedded(folder / "openbao", running.address, setup)
        with vault_proxy(running.address) as proxy:
            (folder / "var").mkdir()
            doors = Doors(databases.url_for(folder), running.address, key)
            through = Doors(doors.database_url, proxy.address, key)
            with closing(doors.sessions()) as sessions, closing(doors.vault()) as vault:
                upgrade(sessions.engine)
                yield Stage(doors, through, proxy, sessions, vault)
    finally:
        running.stop()


POINTS = [
    (create, "POST", "/metadata/"),
    (create, "POST", "/data/"),
    (widen, "POST", "/data/"),
    (widen, "POST", "/destroy/"),
    (widen, "POST", "/metadata/"),
    (narrow, "POST", "/metadata/"),
    (set_value, "POST", "/data/"),
    (roll_back, "POST", "/data/"),
    (destroy, "POST", "/destroy/"),
    (delete, "DELETE", "/metadata/"),
]
QUICK = {(widen, "/metadata/"), (widen, "/destroy/"), (roll_back, "/data/")}  # with the answer lost


def _cases() -> Iterator[Any]:
    for change, method, path in POINTS:
        for kind in ("cut before", "cut after"):
            marks = [] if kind == "cut after" and (change, path) in QUICK else [pytest.mark.slow]
            name = f"{change.__name__}, {kind} {method} {path}"
            yield pytest.param(change, Fault(kind, method, path, times=1), marks=marks, id=name)


@pytest.mark.parametrize(("change", "fault"), list(_cases()))
def test_a_killed_change_is_finished_or_undone(stage: Stage, change: Callable[[Inside], object], fault: Fault) -> None:
    workspace = stage.workspace(with_secret=change is not create)
    stage.kill(change, workspace, fault)
    _reconcile(stage.sessions, stage.vault)
    _assert_whole(stage, workspace)


@pytest.mark.slow
def test_a_killed_reconcile_is_run_again(stage: Stage) -> None:
    workspace = stage.workspace(with_secret=True)
    stage.kill(delete, workspace, Fault("cut before", "DELETE", "/metadata/", times=1))
    for kind in ("cut before", "cut after"):
        stage.kill(mend, workspace, Fault(kind, "DELETE", "/metadata/", times=1))
    _reconcile(stage.sessions, stage.vault)
    _assert_whole(stage, workspace)
    with pytest.raises(NotFound):
        SecretQueries(resources_of(stage.sessions)).get("TOKEN", access=access_to(workspace))


def after(minutes: int) -> Clock:
    """A clock of somebody who comes so much later."""
    return lambda: system_clock() + timedelta(minutes=minutes)


def tried(change: Callable[[Inside], object], by: Inside) -> str:
    """Try a change, and tell how it ended."""
    try:
        change(by)
    except StrongroomError as error:
        return error.code
    return "done"


def without_vault(method: str) -> pytest.MarkDecorator:
    """Try a test where Vault surely does nothing: it answers this method with 503, or lets nobody log in."""
    faults = [Fault("answer", method, "/metadata/", status=503), Fault("cut before", path="/login")]
    return pytest.mark.parametrize("fault", faults, ids=["sealed", "no login"])


def test_what_one_process_mends_another_leaves_alone(stage: Stage) -> None:
    workspace = stage.workspace(with_secret=True)
    stage.kill(delete, workspace, Fault("cut before", "DELETE", "/metadata/", times=1))
    mended: list[tuple[str, Sequence[AppliedRemedy]]] = []

    def _mend(name: str, vault: Vault, minutes: int) -> None:
        resources = resources_of(stage.sessions, vault, after(minutes))
        done = SecretReconciliation(resources).run(older_than=timedelta(minutes=2))
        mended.append((name, [each for each in done if each.workspace == workspace]))

    # The other one comes while the first is at Vault, whose connection then breaks.
    fault = Fault("cut before", "DELETE", "/metadata/", times=1, then=lambda: _mend("other", stage.vault, 10))
    with stage.broken(fault) as vault:
        _mend("first", vault, 10)
    _mend("other", stage.vault, 11)  # what got no answer may still be carried out
    _mend("other", stage.vault, 13)
    assert mended == [
        ("other", []),
        ("first", [AppliedRemedy(workspace, "TOKEN", "postponed")]),
        ("other", []),
        ("other", [AppliedRemedy(workspace, "TOKEN", "deleted")]),
    ]


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_deletion_under_way_keeps_its_name_and_other_deletions_away(stage: Stage, taken_over: bool) -> None:
    workspace, told = stage.workspace(with_secret=True), list[str]()

    def _come_between() -> None:
        told.extend(tried(change, stage.inside(workspace, stage.vault)) for change in (delete, create))
        if taken_over:  # by somebody who gets no answer, and to whom the first one seems dead
            with stage.broken(Fault("cut before", "DELETE", "/metadata/")) as vault:
                told.append(tried(delete, stage.inside(workspace, vault, after(3))))

    with stage.broken(Fault("delay", "DELETE", "/metadata/", times=1, then=_come_between)) as vault:
        delete(stage.inside(workspace, vault))
    told.append(tried(create, stage.inside(workspace, stage.vault)))
    if taken_over:
        assert told == ["conflict", "name_taken", "vault_unavailable", "name_taken"]
        delete(stage.inside(workspace, stage.vault, after(6)))
    else:
        assert told == ["conflict", "name_taken", "done"]
    _assert_whole(stage, workspace)


@without_vault("DELETE")
def test_a_deletion_that_surely_was_not_carried_out_is_repeated_at_once(stage: Stage, fault: Fault) -> None:
    workspace = stage.workspace(with_secret=True)
    with stage.broken(fault) as vault, pytest.raises(VaultUnavailable):
        delete(stage.inside(workspace, vault))
    delete(stage.inside(workspace, stage.vault))
    create(stage.inside(workspace, stage.vault))
    _assert_whole(stage, workspace)


@without_vault("GET")
def test_a_name_is_free_again_where_vault_was_away_before_anything_was_written(stage: Stage, fault: Fault) -> None:
    workspace = stage.workspace(with_secret=False)
    with stage.broken(fault) as vault, pytest.raises(VaultUnavailable):
        create(stage.inside(workspace, vault))
    create(stage.inside(workspace, stage.vault))
    _assert_whole(stage, workspace)


def test_a_deletion_without_an_answer_keeps_its_name_until_it_is_surely_over(stage: Stage) -> None:
    workspace = stage.workspace(with_secret=True)
    with stage.broken(Fault("cut before", "DELETE", "/metadata/")) as vault, pytest.raises(Unanswered):
        delete(stage.inside(workspace, vault))
    for change, code in ((delete, "conflict"), (create, "name_taken")):
        assert tried(change, stage.inside(workspace, stage.vault)) == code
    delete(stage.inside(workspace, stage.vault, after(3)))
    create(stage.inside(workspace, stage.vault))
    _assert_whole(stage, workspace)


@pytest.mark.parametrize("change", [set_value, renew, roll_back])
def test_who_is_overtaken_is_told_their_own_version_and_builds_on_nothing_newer(
    stage: Stage, change: Callable[[Inside], Secret]
) -> None:
    workspace, overtaker = stage.workspace(with_secret=True), list[Secret]()
    by, bob = stage.inside(workspace, stage.vault), stage.inside(workspace, stage.vault, user="bob")
    fault = Fault("answer late", "POST", "/data/", times=1, then=lambda: overtaker.append(set_value(bob)))
    with stage.broken(fault) as vault:
        overtaken = change(stage.inside(workspace, vault))
    assert [overtaken.version, *(each.version for each in overtaker)] == [3, 4]
    again = SecretChanges(description="Looked at.")
    with pytest.raises(PreconditionFailed):
        by.secrets.update("TOKEN", again, revision=overtaken.revision, access=by.access)
    stands = SecretQueries(by.resources).get("TOKEN", access=by.access)
    assert (stands.version, stands.updated_by) == (4, "bob")
    assert by.secrets.update("TOKEN", again, revision=stands.revision, access=by.access).version == 4


def test_a_secret_that_is_being_made_is_not_deleted(stage: Stage) -> None:
    workspace, told = stage.workspace(with_secret=False), list[str]()
    fault = Fault(
        "delay", "POST", "/data/", times=1,
        then=lambda: told.append(tried(delete, stage.inside(workspace, stage.vault))),
    )  # fmt: skip
    with stage.broken(fault) as vault:
        create(stage.inside(workspace, vault))
    assert told == ["conflict"]
    delete(stage.inside(workspace, stage.vault))
    assert stage.held_by_vault(workspace) == []


@pytest.mark.parametrize("path", ["/metadata/", "/data/"])
@pytest.mark.parametrize("engine", ["kv", "transit"])
def test_a_secret_made_while_its_workspace_is_deleted_leaves_nothing(stage: Stage, engine: Engine, path: str) -> None:
    workspace = stage.workspace(with_secret=False, engine=engine)
    fault = Fault(
        "delay", "POST", path, times=1,
        then=lambda: stage.delete_workspace(workspace, purges=[stage.purge]),
    )  # fmt: skip
    with stage.broken(fault) as vault, pytest.raises(NotFound):
        create(stage.inside(workspace, vault))
    assert stage.held_by_vault(workspace) == []
    assert rows_of(stage, workspace) == []


def test_a_secret_that_is_mended_while_its_workspace_is_deleted_leaves_nothing(stage: Stage) -> None:
    workspace = stage.workspace(with_secret=False)
    stage.kill(create, workspace, Fault("cut after", "POST", "/data/", times=1))
    fault = Fault(
        "answer late", "GET", f"/metadata/{workspace}/", times=1,
        then=lambda: stage.delete_workspace(workspace, purges=[stage.purge]),
    )  # fmt: skip
    with stage.broken(fault) as vault:
        _reconcile(stage.sessions, vault)
    _reconcile(stage.sessions, stage.vault)
    assert stage.held_by_vault(workspace) == []
    assert rows_of(stage, workspace) == []


def test_what_a_killed_maker_leaves_in_a_workspace_that_is_gone_is_taken_back(stage: Stage) -> None:
    workspace = stage.workspace(with_secret=False)
    stage.kill(create, workspace, Fault("cut before", "POST", "/data/", times=1))
    stage.delete_workspace(workspace, purges=[stage.purge])
    # What it had sent is carried out late.
    address = SecretAddress(workspace, "kv", "restricted", "TOKEN")
    stage.vault.write_value(address, SecretValue(NEW), cas=0, role="admin")
    _reconcile(stage.sessions, stage.vault)
    assert stage.held_by_vault(workspace) == []
    assert rows_of(stage, workspace) == []


def rows_of(stage: Stage, workspace: str) -> Sequence[str]:
    with stage.sessions.read() as session:
        query = text("SELECT state FROM variables WHERE workspace = :workspace")
        return session.scalars(query, {"workspace": workspace}).all()


def test_a_name_that_is_being_given_is_taken_until_its_maker_is_surely_dead(stage: Stage) -> None:
    name, later = f"w{secrets.token_hex(6)}", system_clock() + timedelta(minutes=3)

    def _make(owner: str, vault: Vault, clock: Clock = system_clock) -> Workspace:
        new, operator = NewWorkspace(name, engine="transit", owner=owner), Principal(Actor("operator", "operator"))
        return stage.workspaces(vault, clock).create(new, principal=operator)

    def _interrupt() -> None:
        with pytest.raises(NameTaken):
            _make("bea", stage.vault)
        assert _make("cem", stage.vault, lambda: later).name == name

    # The first one is held up at Vault for minutes, as it seems to the others, and goes on in the end.
    fault = Fault("cut before", "POST", "/keys/", times=1, then=_interrupt)
    with stage.broken(fault) as vault, pytest.raises(NameTaken):
        _make("ada", vault)
    with pytest.raises(NameTaken):
        _make("ada", stage.vault)
    with stage.sessions.read() as session:
        owners = session.scalars(text("SELECT user_id FROM members WHERE workspace = :name"), {"name": name})
        assert list(owners) == ["cem"]


def test_a_name_is_free_again_where_vault_was_away(stage: Stage) -> None:
    new = NewWorkspace(f"w{secrets.token_hex(6)}", engine="transit", owner="ada")
    operator = Principal(Actor("operator", "operator"))
    fault = Fault("cut before", "POST", "/keys/")
    with stage.broken(fault) as vault, pytest.raises(VaultUnavailable):
        stage.workspaces(vault).create(new, principal=operator)
    assert stage.workspaces(stage.vault).create(new, principal=operator).name == new.name


def _assert_whole(stage: Stage, workspace: str) -> None:
    sessions, vault, by = stage.sessions, stage.vault, stage.inside(workspace, stage.vault)
    assert workspace not in {each for each, _ in unfinished_secrets(sessions=sessions)}
    assert workspace not in {each for each, _ in mismatched_bindings(sessions=sessions, vault=vault)}
    address = SecretAddress(workspace, "kv", "restricted", "TOKEN")
    try:
        secret = SecretQueries(by.resources).get("TOKEN", access=by.access)
    except NotFound:
        assert vault.metadata(address, role="owner") is None
        return
    assert secret.state == "active"
    stored = vault.read_for_call(address)
    kept = SecretVersions(by.resources).list("TOKEN", access=by.access, limit=20)
    assert stored.version == secret.version == kept[0].version
    assert {each.created_by for each in kept} <= {"ada", "bob"}
    assert all((each.version > 2) == (each.created_by == "bob") for each in kept) or len(kept) == 1
    # New rules stand with the new value only, and with no older one to go back to.
    if secret.allowed_hosts == FURTHER:
        assert stored.value == SecretValue(NEW)
        assert all(each.destroyed for each in kept[1:])
    else:
        assert secret.allowed_hosts == HERE
    # And it can be changed again at once.
    again = by.secrets.set_value("TOKEN", SecretValue(OLD), revision=None, access=by.access)
    assert again.version == secret.version + 1
