"""A deleted workspace is gone for good but for its record; broken off anywhere, `reconcile` finishes it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.access import Access, Actor, Role
from app.factory import purges
from app.kernel.errors import NotFound
from app.resources import Resources
from app.settings import Settings
from app.vault import SecretAddress
from app.wiring import open_resources
from app.workspaces.service import Purge, Workspace, Workspaces, finish_deletions, lock_workspace
from tests.support import databases
from tests.support.service import Service, problem

TABLES = ("variables", "blocks", "tokens", "members", "secret_uses", "keyed_requests")


class PowerCut(BaseException):
    """Ends a deletion as a killed process does: nothing is caught, nothing is said."""


@pytest.fixture(scope="module")
def resources(service: Service) -> Iterator[Resources]:
    with open_resources(Settings.from_env(service.environ)) as resources:
        yield resources


def furnished(service: Service, engine: str) -> str:
    """Make a workspace with one of everything."""
    name = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": name, "engine": engine}).status_code == 201
    path = f"/workspaces/{name}"
    body = {"name": "TOKEN", "value": secrets.token_hex(8), "visibility": "masked"}
    header = {"name": "Authorization", "value": "{{secrets.TOKEN}}"}
    for what, sent in (
        ("secrets", body),
        ("variables", {"name": "REGION", "value": "eu"}),
        ("blocks", {"name": "ping", "call": {"url": "https://example.com/", "headers": [header]}}),
        ("tokens", {"role": "runtime"}),
    ):
        answer = service.ask("POST", f"{path}/{what}", sent, headers={"Idempotency-Key": uuid.uuid4().hex}, keep=False)
        assert answer.status_code == 201, answer.text
    assert service.ask("PUT", f"{path}/members/ed", {"role": "editor"}).status_code == 201
    return name


def rows(service: Service, name: str) -> dict[str, int]:
    with databases.connected(service.database_url) as connection:
        return {
            table: connection.execute(
                text(f"SELECT count(*) FROM {table} WHERE workspace = :name"), {"name": name}
            ).scalar_one()
            for table in (*TABLES, "events")
        }


def cut(steps: list[Purge], before: int) -> list[Purge]:
    def _end(_workspace: Workspace) -> None:
        raise PowerCut

    return [*steps[:before], _end]


@pytest.mark.parametrize("engine", ["kv", "transit"])
def test_whatever_is_left_of_a_broken_off_deletion_is_finished(
    service: Service, resources: Resources, engine: str
) -> None:
    steps = list(purges(resources))
    for before in range(len(steps) + 1):
        name = furnished(service, engine)
        held = rows(service, name)
        assert all(held.values()), held
        access = Access(Actor("user", "ada"), name, Role.OWNER)
        with pytest.raises(PowerCut):
            Workspaces(resources).delete(confirm=name, access=access, purges=cut(steps, before))
        assert problem(service.ask("GET", f"/workspaces/{name}")) == (404, "not_found")
        finish_deletions(sessions=resources.sessions, purges=steps)  # the service itself may have come before us
        left = rows(service, name)
        assert left.pop("events") >= held["events"]
        assert not any(left.values()), left
        address = SecretAddress(name, engine, "masked", "TOKEN")  # type: ignore[arg-type]
        assert resources.vault.metadata(address, role="owner") is None
        assert problem(service.ask("POST", "/workspaces", {"name": name})) == (409, "name_taken")
        assert name not in finish_deletions(sessions=resources.sessions, purges=steps)


def test_a_deletion_waits_for_whoever_holds_the_workspace(service: Service, resources: Resources) -> None:
    name, sessions = furnished(service, "kv"), resources.sessions
    access = Access(Actor("user", "ada"), name, Role.OWNER)
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            lock_workspace(name, session)
            deletion = pool.submit(Workspaces(resources).delete, confirm=name, access=access, purges=purges(resources))
            with pytest.raises(TimeoutError):
                deletion.result(0.5)
        deletion.result()
    with pytest.raises(NotFound), sessions.begin() as session:
        lock_workspace(name, session)


def test_a_deletion_asks_for_the_name_and_ends_every_token(service: Service) -> None:
    name = furnished(service, "kv")
    token = service.ask("POST", f"/workspaces/{name}/tokens", {"role": "editor"}, keep=False).json()["token"]
    for query in ("", "?confirm=", "?confirm=other"):
        answer = service.ask("DELETE", f"/workspaces/{name}{query}")
        assert problem(answer) == (422, "confirmation_required")
    assert service.ask("DELETE", f"/workspaces/{name}?confirm={name}").status_code == 204
    assert problem(service.ask("GET", "/me", token=token)) == (401, "unauthenticated")
    assert problem(service.ask("DELETE", f"/workspaces/{name}?confirm={name}")) == (404, "not_found")
