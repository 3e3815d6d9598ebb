"""Values that Vault already has: a workspace uses what its operators grant it, towards their hosts, and no more."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from app.policies.grants import grant_policies, parse_grants
from app.vault.options import Mounts, Server
from app.vault.recovery import operator_token
from app.vault.transport import VaultConnections
from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream
from tests.support.upstream import upstream as run_upstream
from tests.support.vault_log import values_read

EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
Ask = Callable[..., Any]


@contextmanager
def operators(service: Service) -> Iterator[Ask]:
    """Ask the service's own Vault anything, as its operators, with a token that no command takes away."""
    folder = service.folder / "var" / "openbao"
    address = (folder / "address").read_text().strip()
    with closing(VaultConnections(Server(address))) as line:

        def ask_with(token: str, method: str, path: str, body: Any = None) -> Any:
            answer = line.ask(method, path, token=token, body=body, repeat=False)
            assert answer.status < 400, (path, answer.document)
            return answer.document

        with operator_token(folder, address, EVERYTHING) as lent:
            ask_with(lent, "PUT", "sys/policies/acl/team", {"policy": EVERYTHING})
            made = ask_with(lent, "POST", "auth/token/create-orphan", {"policies": ["team"], "ttl": "1h"})
        yield partial(ask_with, str(made["auth"]["client_token"]))


@dataclass
class Stage:
    """A workspace, two engines of the operators' (``two`` and ``one`` by their versions), and a path for each test."""

    workspace: Workspace
    upstream: Upstream
    ask: Ask
    mounts: tuple[str, str]
    file: Path
    test: str = "-"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.upstream.port}"

    @property
    def two(self) -> str:
        return f"{self.mounts[0]}/team-a/{self.test}"

    @property
    def one(self) -> str:
        return f"{self.mounts[1]}/team-a/{self.test}"

    def put(self, data: dict[str, Any]) -> None:
        self.ask("POST", self.two.replace("/", "/data/", 1), {"data": data})

    def write(self, *entries: dict[str, Any]) -> str:
        """Write the operators' file with these grants, and return it."""
        lines = []
        for entry in entries:
            facts = {"workspace": self.workspace.name, "fields": ["token"], "hosts": [self.host]} | entry
            lines += ["[[grant]]", *(f"{name} = {json.dumps(value)}" for name, value in facts.items())]
        self.file.write_text("\n".join(lines))
        return self.file.read_text()

    def apply(self) -> None:
        """Apply the file as operators do."""
        done = self.workspace.service.command("vault", "apply", "--yes", STRONGROOM_GRANTS_FILE=str(self.file))
        assert done.returncode == 0, done.stdout + done.stderr

    def grant(self, *entries: dict[str, Any]) -> None:
        """Have these grants in force, by the policy that ``vault apply`` would write."""
        grants = parse_grants(self.write(*entries, {"path": f"{self.mounts[0]}/nothing"}), mounts=Mounts())
        policies = grant_policies(grants, self.ask("GET", "sys/mounts")["data"]).texts
        name = f"strongroom-grant-{self.workspace.name}"
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": policies[self.workspace.name]})

    def create(self, name: str, path: str | None = None, /, **more: Any) -> requests.Response:
        body = {"name": name, "visibility": "restricted", "allowed_hosts": [self.host]}
        body |= {"from": {"path": path or self.two, "field": "token"}} | more
        return self.workspace.ask("POST", "secrets", body, user="abe", keep=False)

    def call(self, name: str, *, user: str = "ed", **more: Any) -> requests.Response:
        headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}]
        return self.workspace.ask(
            "POST", "calls", {"url": f"http://{self.host}/", "headers": headers} | more, user=user
        )

    def change(self, name: str, **changes: Any) -> requests.Response:
        etag = {"If-Match": self.workspace.ask("GET", f"secrets/{name}").headers["ETag"]}
        return self.workspace.ask("PATCH", f"secrets/{name}", changes, headers=etag, keep=False)

    def sent(self) -> list[str | None]:
        return [seen.header("Authorization") for seen in self.upstream.seen]


def canary() -> str:
    return f"canary-{secrets.token_hex(16)}"


@pytest.fixture(scope="module")
def _set(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with operators(service) as ask, run_upstream() as upstream:
        two, one = (f"{version}-{uuid.uuid4().hex[:8]}" for version in ("two", "one"))
        for mount, version in ((two, "2"), (one, "1")):
            ask("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": version}})
        file = tmp_path_factory.mktemp("grants") / "grants.toml"
        stage = Stage(Workspace.make(service), upstream, ask, (two, one), file)
        stage.write({"path": stage.two})
        stage.apply()
        yield stage


@pytest.fixture
def stage(_set: Stage) -> Stage:
    _set.test = uuid.uuid4().hex[:12]
    _set.upstream.scripts.clear()
    _set.upstream.seen.clear()
    _set.grant({"path": _set.two}, {"path": _set.one})
    return _set


def test_a_granted_value_goes_out_and_nobody_here_can_change_or_see_it(stage: Stage, service: Service) -> None:
    value = canary()
    made = stage.create("ZENDESK")
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["managed"], told["visibility"], told["version"]) == ("vault", "restricted", None)
    assert told["from"] == {"path": stage.two, "field": "token"}
    assert told["permissions"] == {"reveal": False, "set_value": False, "edit": True, "delete": True}
    stage.put({"token": value, "port": 7})
    answer = stage.call("ZENDESK")
    assert answer.status_code == 200, answer.text
    assert stage.sent() == [f"Bearer {value}"]
    assert value not in answer.text
    assert answer.json()["redactions"] > 0
    ws = stage.workspace
    for method, path, body, code in (
        ("PUT", "value", {"value": canary()}, "not_for_this_type"),
        ("PUT", "value", {"value": canary(), "check": False}, "not_for_this_type"),
        ("POST", "rollback", {"version": 1}, "not_for_this_type"),
        ("DELETE", "versions/1?confirm=ZENDESK", None, "not_for_this_type"),
        ("POST", "reveal", None, "never_shown"),
    ):
        assert problem(ws.ask(method, f"secrets/ZENDESK/{path}", body, user="abe"))[1] == code, path
    for changes in ({"value": canary()}, {"check_block": "x"}, {"allowed_places": ["header:X-Key", "basic"]}):
        assert problem(stage.change("ZENDESK", **changes)) == (422, "not_for_this_type"), changes
    assert ws.ask("GET", "secrets/ZENDESK", user="ed").json()["from"] is None
    assert stage.change("ZENDESK", description="of team A").json()["description"] == "of team A"
    assert ws.ask("DELETE", "secrets/ZENDESK?confirm=ZENDESK", user="abe").status_code == 204
    kept = stage.ask("GET", stage.two.replace("/", "/data/", 1))["data"]["data"]
    assert kept["token"] == value, "what lies elsewhere stays"


def test_a_rotation_elsewhere_shows_and_an_engine_without_versions_has_none(stage: Stage) -> None:
    assert stage.create("TWO").status_code == stage.create("ONE", stage.one).status_code == 201
    values = [canary(), canary(), canary()]
    for value in values[:2]:
        stage.put({"token": value})
        assert stage.call("TWO").status_code == 200
    stage.ask("POST", stage.one, {"token": values[2]})
    assert stage.call("ONE").status_code == 200
    assert stage.sent() == [f"Bearer {value}" for value in values]
    ws = stage.workspace
    two, one = (ws.ask("GET", f"secrets/{name}").json()["version"] for name in ("TWO", "ONE"))
    assert (two, one) == (2, None)
    listed = [ws.ask("GET", f"secrets/{name}/versions").json()["items"] for name in ("TWO", "ONE")]
    assert [[each["version"] for each in items] for items in listed] == [[2], []]
    uses = ws.ask("GET", "secrets/TWO/access").json()["items"]
    assert [(each["action"], each["version"], each["count"]) for each in uses] == [("use", 2, 1), ("use", 1, 1)]
    record = ws.ask("GET", "audit?action=secret.create&secret=TWO&outcome=done").json()["items"]
    assert record[0]["detail"]["managed"] == "vault"


def test_what_is_not_granted_can_not_be_created(stage: Stage, service: Service) -> None:
    other = Workspace.make(service)
    body = {"name": "X", "visibility": "restricted", "allowed_hosts": [stage.host]}
    refused = [
        stage.create("X", f"{stage.two}-b"),
        stage.create("X", None, **{"from": {"path": stage.two, "field": "port"}}),
        stage.create("X", allowed_hosts=[stage.host, "api.example.com"]),
        stage.create("X", allowed_hosts=["127.0.0.1"]),
        other.ask("POST", "secrets", body | {"from": {"path": stage.two, "field": "token"}}),
    ]
    assert [problem(each) for each in refused] == [(403, "not_granted")] * 5
    assert problem(stage.create("X", allowed_hosts=None)) == (422, "allowed_hosts_required")
    assert problem(stage.create("X", visibility="masked")) == (422, "validation_failed")
    wrong: dict[str, Any]
    for wrong in ({"value": canary()}, {"from": {"path": stage.two}}, {"from": {}}, {"from": "x"}):
        assert problem(stage.create("X", **wrong)) == (422, "validation_failed"), wrong
    neither = stage.create("X", **{"from": None})
    assert (problem(neither)[1], list(neither.json()["errors"])) == ("validation_failed", ["/value"])
    assert problem(stage.workspace.ask("POST", "secrets", body, user="ed"))[1] in ("forbidden", "validation_failed")
    assert problem(stage.workspace.ask("GET", "secrets/X")) == (404, "not_found")


def test_hosts_move_within_the_grant_without_a_value(stage: Stage) -> None:
    further = ["127.0.0.1:1", stage.host]
    stage.grant({"path": stage.two, "hosts": ["*.api.example.com", *further]})
    assert stage.create("WIDE").status_code == 201
    assert stage.change("WIDE", allowed_hosts=further).json()["allowed_hosts"] == further
    assert problem(stage.change("WIDE", allowed_hosts=["127.0.0.1:2"])) == (403, "not_granted")
    assert problem(stage.change("WIDE", allowed_hosts=["*.api.example.com"])) == (422, "allowed_hosts_too_wide")
    wide = stage.change("WIDE", allowed_hosts=["*.api.example.com"], wide=True)
    assert (wide.status_code, wide.json()["wide"]) == (200, True), wide.text
    assert stage.change("WIDE", allowed_hosts=["eu.api.example.com", stage.host]).status_code == 200
    assert problem(stage.change("WIDE", allowed_hosts=["a.b.api.example.com"])) == (403, "not_granted")
    stage.put({"token": canary()})
    assert stage.call("WIDE").status_code == 200
    narrowed = stage.change("WIDE", allowed_requests=[{"methods": ["GET"]}])
    assert narrowed.status_code == 200, narrowed.text
    assert problem(stage.change("WIDE", allowed_requests=None)) == (422, "not_for_this_type")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"token": 7}, (422, "value_not_allowed_here")),
        ({"token": ["canary"]}, (422, "value_not_allowed_here")),
        ({"other": "canary"}, (422, "value_not_allowed_here")),
        ({"token": "a\x00b" * 20}, (422, "value_not_allowed_here")),
        ({"token": "sh0rty"}, (422, "too_short")),
        ({"token": "password123"}, (422, "too_guessable")),
        ({"token": "x9" * 40_000}, (422, "too_long")),
        (None, (503, "vault_unavailable")),
    ],
)
def test_what_can_not_be_a_value_is_refused_in_words(
    stage: Stage, data: dict[str, Any] | None, expected: tuple[int, str]
) -> None:
    if data is not None:
        stage.put(data)
    name = f"ODD_{stage.test}"
    assert stage.create(name).status_code == 201
    refused = stage.call(name)
    assert problem(refused) == expected, refused.text
    assert stage.upstream.seen == []
    assert not any(each in refused.text for each in ("sh0rty", "password123", "canary"))
    stage.put({"token": (value := canary())})
    assert stage.call(name).status_code == 200
    assert stage.sent() == [f"Bearer {value}"]


def test_a_forged_pointer_is_no_pointer(stage: Stage, service: Service) -> None:
    path = f"strongroom/data/{stage.workspace.name}/restricted"
    stage.put({"token": canary()})
    assert stage.create("FORGED").status_code == 201
    stage.workspace.secret("OWN", canary(), visibility="restricted", allowed_hosts=[stage.host])
    other = f"{stage.one}"
    stage.ask("POST", other, {"token": canary()})
    # In our KV, by who may write there: another path, no pointer, and a pointer in a value's place.
    for name, content in (
        ("FORGED", {"from": {"path": other, "field": "token"}}),
        ("FORGED", {"value": canary()}),
        ("OWN", {"from": {"path": other, "field": "token"}}),
    ):
        version = stage.ask("GET", f"{path}/{name}")["data"]["metadata"]["version"]
        stage.ask("POST", f"{path}/{name}", {"options": {"cas": version}, "data": content})
        assert problem(stage.call(name)) == (503, "binding_mismatch"), (name, content)
    # In the database, by who may write there.
    assert stage.create("MOVED").status_code == 201
    assert stage.call("MOVED").status_code == 200
    stage.upstream.seen.clear()
    with databases.connected(service.database_url) as connection:
        where = "WHERE workspace = :workspace AND name = :name"
        for name, source in (("MOVED", {"path": other, "field": "token"}), ("OWN", {"path": other, "field": "token"})):
            connection.execute(
                text(f"UPDATE variables SET source = :source {where}"),
                {"source": json.dumps(source), "workspace": stage.workspace.name, "name": name},
            )
    assert [problem(stage.call(name)) for name in ("MOVED", "OWN")] == [(503, "binding_mismatch")] * 2
    assert stage.upstream.seen == []


def test_a_stream_ends_when_its_grant_does(stage: Stage) -> None:
    stage.put({"token": canary()})
    assert stage.create("STREAMED").status_code == 201

    def _trickle(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "text/event-stream"})
        handler.close_connection = True
        for _ in range(200):
            try:
                handler.wfile.write(b"data: tick\n\n")
            except OSError:
                return
            if handler.upstream.released.wait(0.1):
                return

    stage.upstream.scripts["/ticks"] = _trickle
    service = stage.workspace.service
    headers = [{"name": "Authorization", "value": "Bearer {{secrets.STREAMED}}"}]
    asked: Any = {"url": f"http://{stage.host}/ticks", "headers": headers, "answer": "stream"}
    with requests.Session() as session:
        session.trust_env = False
        sent = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ed"}
        url = f"{service.url}/api/v1{stage.workspace.path}/calls"
        with session.post(url, json=asked, headers=sent, stream=True, timeout=30) as answer:
            assert answer.status_code == 200
            pieces = answer.iter_content(None)
            assert b"tick" in next(pieces)
            stage.grant()
            ended = time.monotonic()
            rest = b"".join(pieces)
            assert time.monotonic() - ended < 10
    assert b"not_granted" in rest


def test_the_next_call_after_a_revocation_is_refused_before_any_value_is_read(stage: Stage, service: Service) -> None:
    stage.put({"token": canary()})
    assert stage.create("GONE").status_code == 201
    assert stage.call("GONE").status_code == 200
    reads = values_read(service, stage.workspace.name)
    stage.grant({"path": stage.two, "hosts": ["127.0.0.1:1"]})
    assert problem(stage.call("GONE")) == (403, "not_granted"), "the host was taken out of the grant"
    stage.grant({"path": stage.two, "fields": ["other"]})
    assert problem(stage.call("GONE")) == (403, "not_granted")
    stage.write()
    stage.apply()
    refused = stage.call("GONE")
    assert problem(refused) == (403, "not_granted")
    assert refused.json()["party"] == "policy"
    assert values_read(service, stage.workspace.name) == reads
    assert len(stage.upstream.seen) == 1
    outcomes = stage.workspace.ask("GET", "audit?secret=GONE&outcome=refused").json()["items"]
    assert [each["detail"]["code"] for each in outcomes] == ["not_granted"] * 3
    assert stage.change("GONE", description="still to be tidied up").status_code == 200
    assert stage.workspace.ask("DELETE", "secrets/GONE?confirm=GONE").status_code == 204
