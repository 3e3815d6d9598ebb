"""Every endpoint of the application's own map, with everything that callers get wrong, and with every role.

The endpoints come from the map and their needs from what they declare, so that one that is added is tried as well.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from app.access import GRANTS, Permission, Role
from tests.support.service import Service, problem

# What was tried, what came of it, and what may come of it.
Tried = tuple["Endpoint", tuple[int, str | None], set[tuple[int, str]]]
METHODS: Final = ("get", "post", "put", "patch", "delete")
# What a path parameter is called when nothing is called so.
NOBODY: Final[Mapping[str, str]] = {
    "name": "NOTHING", "user": "nobody", "block": "nothing", "token_id": "a" * 16, "number": "77",
}  # fmt: skip
TOO_LONG: Final[Mapping[str, str]] = {"name": "N" * 300, "user": "u" * 300, "block": "b" * 300, "token_id": "t" * 300}


@dataclass(frozen=True)
class Endpoint:
    """One operation as the document has it."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def needs(self) -> Permission | None:
        return Permission(self.operation["x-permission"]) if self.operation["x-permission"] else None

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def example(self) -> Any:
        return self.operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")

    @property
    def queries(self) -> set[str]:
        return {each["name"] for each in self.operation["parameters"] if each["in"] == "query"}

    @property
    def headers(self) -> Mapping[str, bool]:
        return {each["name"]: each["required"] for each in self.operation["parameters"] if each["in"] == "header"}

    def at(self, workspace: str, **names: str) -> str:
        """Return the path, with things that are there unless others are named."""
        known = {"ws": workspace, **THERE, **names}
        return re.sub(r"{(\w+)}", lambda found: known[found[1]], self.path).removeprefix("/api/v1")


THERE: Final[Mapping[str, str]] = {
    "name": "TOKEN", "user": "ed", "block": "ping", "token_id": "a" * 16, "number": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """A service with two workspaces, somebody of every role, and every operation there is."""

    service: Service
    workspace: str
    other: str
    tokens: Mapping[str, str]
    endpoints: list[Endpoint]

    def ask(self, endpoint: Endpoint, path: str, **more: Any) -> tuple[int, str | None]:
        headers = {"If-Match": '"1"'} if endpoint.headers.get("If-Match") else {}
        headers |= more.pop("headers", {})
        body = more.pop("body", endpoint.example)
        answer = self.service.ask(endpoint.method.upper(), path, body, headers=headers, keep=False, **more)
        assert answer.headers["Cache-Control"] == "no-store", endpoint.name
        code = json.loads(answer.text).get("code") if answer.status_code >= 400 else None
        return answer.status_code, code


@pytest.fixture(scope="module")
def ground(service: Service) -> Ground:
    mine, other = (f"w{uuid.uuid4().hex[:12]}" for _ in range(2))
    for name in (mine, other):
        assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    for user, role in (("abe", "admin"), ("ed", "editor")):
        service.ask("PUT", f"/workspaces/{mine}/members/{user}", {"role": role})
    service.ask(
        "POST", f"/workspaces/{mine}/secrets", {"name": "TOKEN", "value": "some-value-1", "visibility": "masked"}
    )
    service.ask("POST", f"/workspaces/{mine}/blocks", {"name": "ping", "call": {"url": "https://example.com/"}})
    tokens = {
        role: service.ask("POST", f"/workspaces/{mine}/tokens", {"role": role}, keep=False).json()["token"]
        for role in ("runtime", "editor", "admin")
    }
    document = service.ask("GET", "/openapi.json", keep=False).json()
    endpoints = [
        Endpoint(method, path, item[method])
        for path, item in sorted(document["paths"].items())
        for method in METHODS
        if method in item
    ]
    assert len(endpoints) > 35
    return Ground(service, mine, other, tokens, endpoints)


def wrong(ground: Ground, tried: Iterator[Tried]) -> list[str]:
    """Return every endpoint that answered something else than one of what was expected."""
    found, count = [], 0
    for endpoint, answered, expected in tried:
        count += 1
        if answered not in expected:
            found.append(f"{endpoint.name}: {answered}, not {expected}")
    assert count > 0
    return found


Case = Callable[[Ground], Iterator[Tried]]
UNAUTHENTICATED: Final = {(401, "unauthenticated")}
NOT_FOUND: Final = {(404, "not_found")}
FORBIDDEN: Final = {(403, "forbidden")}
INVALID: Final = {(422, "validation_failed")}


def no_token(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        path = endpoint.at(ground.workspace)
        yield endpoint, ground.ask(endpoint, path, user=None, headers={"Authorization": ""}), UNAUTHENTICATED
        yield endpoint, ground.ask(endpoint, path, token="srm_nobody"), UNAUTHENTICATED


def wrong_role(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        if endpoint.needs is None or endpoint.needs in GRANTS[Role.RUNTIME]:
            continue
        yield endpoint, ground.ask(endpoint, endpoint.at(ground.workspace), token=ground.tokens["runtime"]), FORBIDDEN


def other_workspace(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        if "ws" in endpoint.parameters:
            path = endpoint.at(ground.other)
            yield endpoint, ground.ask(endpoint, path, user="abe"), NOT_FOUND
            yield endpoint, ground.ask(endpoint, path, token=ground.tokens["admin"]), NOT_FOUND


def unknown_id(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        if not endpoint.parameters or makes_member(endpoint):
            continue
        last = endpoint.parameters[-1]
        path = endpoint.at("nowhere") if last == "ws" else endpoint.at(ground.workspace, **{last: NOBODY[last]})
        path += "?confirm=TOKEN" if last == "number" else ""
        yield endpoint, ground.ask(endpoint, path, user=asker(endpoint)), NOT_FOUND


def makes_member(endpoint: Endpoint) -> bool:
    return endpoint.method == "put" and endpoint.parameters[-1] == "user"


def asker(endpoint: Endpoint) -> str | None:
    """Return for whom the platform token acts: for itself where its own tokens are concerned, else for an owner."""
    return None if endpoint.path.startswith("/api/v1/tokens") else "ada"


def wrong_type(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        if endpoint.example is None:
            continue
        path, user = endpoint.at(ground.workspace), asker(endpoint)
        bodies: list[Any] = [[], "text", 12345]
        for body in bodies:
            yield endpoint, ground.ask(endpoint, path, body=body, user=user), INVALID
        for name, value in endpoint.example.items():
            if name == "value" and endpoint.path.endswith(("/variables", "/variables/{name}")):
                continue  # a plain variable's value is any JSON
            odd = {"odd": True} if not isinstance(value, dict) else [1]
            answered = ground.ask(endpoint, path, body=endpoint.example | {name: odd}, user=user)
            yield endpoint, answered, INVALID | ({(422, "immutable")} if endpoint.method == "patch" else set())


def too_long(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        last = endpoint.parameters[-1] if endpoint.parameters else ""
        if last in TOO_LONG:
            path = endpoint.at(ground.workspace, **{last: TOO_LONG[last]})
            expected = INVALID if makes_member(endpoint) else NOT_FOUND
            yield endpoint, ground.ask(endpoint, path, user=asker(endpoint)), expected
        for name, value in (endpoint.example or {}).items():
            if isinstance(value, str):
                body = endpoint.example | {name: "x" * 70_000}
                answered = ground.ask(endpoint, endpoint.at(ground.workspace), body=body, user=asker(endpoint))
                yield endpoint, answered, INVALID | {(422, "too_long")}


def unknown_field(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        user = asker(endpoint)
        if endpoint.example is not None:
            body: dict[str, Any] = {} if endpoint.method == "patch" else dict(endpoint.example)
            answered = ground.ask(endpoint, endpoint.at(ground.workspace), body=body | {"colour": "red"}, user=user)
            yield endpoint, answered, INVALID
        elif "limit" in endpoint.queries:
            yield endpoint, ground.ask(endpoint, endpoint.at(ground.workspace) + "?colour=red", user=user), INVALID


def bad_cursor(ground: Ground) -> Iterator[Tried]:
    foreign = "WyJub3RoaW5nIiwgIngiXQ"  # a cursor of a list that isn't there
    for endpoint in ground.endpoints:
        if "cursor" not in endpoint.queries:
            continue
        user = asker(endpoint)
        for query in (f"cursor={foreign}", "cursor=%00", "cursor=ä", "cursor=" + "A" * 2000, "cursor=", "limit=0",
                      "limit=201", "limit=x"):  # fmt: skip
            yield endpoint, ground.ask(endpoint, f"{endpoint.at(ground.workspace)}?{query}", user=user), INVALID


def bad_if_match(ground: Ground) -> Iterator[Tried]:
    for endpoint in ground.endpoints:
        if "If-Match" not in endpoint.headers:
            continue
        there = {"name": "REGION"} if "/variables/" in endpoint.path else {}
        path = endpoint.at(ground.workspace, **there)
        if "confirm" in endpoint.queries:
            path += f"?confirm={'TOKEN' if '/versions/' in path else path.rpartition('/')[2]}"
        body: Any = {} if endpoint.method == "patch" else endpoint.example
        if endpoint.path.endswith("/rollback"):
            body = {"version": 1}
        for tag in ('"999"', '"abc"', 'W/"1"', "1", '""', '"1", "2"'):
            answered = ground.ask(endpoint, path, body=body, headers={"If-Match": tag})
            yield endpoint, answered, {(412, "precondition_failed")}
        if endpoint.headers["If-Match"]:
            answer = ground.service.ask(endpoint.method.upper(), path, body)
            yield endpoint, problem(answer), {(428, "precondition_required")}


@pytest.mark.parametrize(
    "case",
    [no_token, wrong_role, other_workspace, unknown_id, wrong_type, too_long, unknown_field, bad_cursor, bad_if_match],
    ids=lambda case: case.__name__,
)
def test_what_callers_get_wrong_has_its_own_code_everywhere(ground: Ground, case: Case) -> None:
    ground.service.ask("POST", f"/workspaces/{ground.workspace}/variables", {"name": "REGION", "value": "eu"})
    faults = wrong(ground, case(ground))
    assert not faults, "\n".join(faults)


def test_every_role_may_do_what_the_table_says_and_no_more(ground: Ground) -> None:
    """An impossible If-Match or a missing confirmation keeps what is allowed from being done."""
    callers: dict[Role, dict[str, Any]] = {
        Role.OWNER: {"user": "ada"},
        Role.ADMIN: {"user": "abe"},
        Role.EDITOR: {"user": "ed"},
        Role.RUNTIME: {"token": ground.tokens["runtime"]},
        Role.PLATFORM: {"user": None},
    }
    faults = []
    for endpoint in ground.endpoints:
        if endpoint.needs is None:
            continue
        for role, caller in callers.items():
            answered = ground.ask(
                endpoint, endpoint.at(ground.workspace, user="zoe"), headers={"If-Match": '"999"'}, **caller
            )
            allowed = endpoint.needs in GRANTS[role]
            if "ws" not in endpoint.parameters and endpoint.needs is Permission.WORKSPACE_CREATE:
                allowed = role is not Role.RUNTIME  # a user makes one with the platform's right, whose token asks
            if (answered == (403, "forbidden")) is allowed:
                faults.append(f"{endpoint.name} as {role.value}: {answered}")
    assert not faults, "\n".join(faults)


def test_the_map_holds_nothing_that_the_document_does_not_tell(ground: Ground) -> None:
    told = {(endpoint.path, endpoint.method) for endpoint in ground.endpoints}
    source = Path(__file__).parents[2] / "app"
    declared = sum(len(re.findall(r"@described\(", path.read_text())) for path in source.rglob("*api.py"))
    assert len(told) == declared
