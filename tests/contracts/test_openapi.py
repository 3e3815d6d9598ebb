"""The OpenAPI document against the live service: schemathesis with every check on, and the document's own quality."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from app.access import GRANTS, Permission
from app.web.errors import STATUS
from tests.support.service import Service

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def openapi(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = service.ask("GET", "/openapi.json", keep=False).json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() & METHODS:
            yield f"{method.upper()} {path}", item[method]


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from response.get("content", {}).values()


def test_every_operation_says_what_it_does_who_may_and_what_can_go_wrong(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        assert operation["summary"], name
        permission = operation["x-permission"]
        if permission is not None:
            may = [role.value for role, granted in GRANTS.items() if Permission(permission) in granted]
            assert operation["x-roles"] == may, name
        else:
            assert name == "GET /api/v1/me"
        told = [
            code for each in operation["responses"].values() for code in re.findall(r"`(\w+)`", each["description"])
        ]
        assert {"unauthenticated", "forbidden", "rate_limited", "internal_error"} <= set(told), name
        assert set(told) <= STATUS.keys(), name
        assert "default" not in operation["responses"], name


def test_every_example_is_what_its_schema_says(openapi: dict[str, Any]) -> None:
    tried = 0
    for name, operation in operations(openapi):
        for content in contents(operation):
            schema = content["schema"] | {"components": openapi["components"]}
            examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
            for example in examples:
                faults = list(Draft202012Validator(schema).iter_errors(example))
                assert not faults, (name, faults[0].message)
                tried += 1
    assert tried > 200


def test_every_list_says_how_a_cursor_is_written(openapi: dict[str, Any]) -> None:
    parameters = [each for _, operation in operations(openapi) for each in operation["parameters"]]
    cursors = [each["schema"] for each in parameters if each.get("name") == "cursor"]
    assert len(cursors) > 5
    assert {each.get("pattern") for each in cursors} == {"^[A-Za-z0-9_-]+$"}


def test_every_post_that_makes_or_calls_takes_a_key(openapi: dict[str, Any]) -> None:
    without = {
        name
        for name, operation in operations(openapi)
        if name.startswith("POST") and "Idempotency-Key" not in {each.get("name") for each in operation["parameters"]}
    }
    assert {name.rpartition("/")[2] for name in without} == {"reveal", "preview", "from-curl", "renew"}


@pytest.mark.parametrize(
    ("check", "fits"),
    [(False, True), (None, True), ({"block": "whoami"}, True), (True, False), ({}, False), ("whoami", False)],
)
def test_a_new_value_may_say_that_it_wants_no_check(openapi: dict[str, Any], check: object, fits: bool) -> None:
    schema = {"$ref": "#/components/schemas/ValueBody", "components": openapi["components"]}
    assert Draft202012Validator(schema).is_valid({"value": "x", "check": check}) is fits


def test_every_edit_needs_the_tag_that_was_read(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        tags = [each for each in operation["parameters"] if each.get("name") == "If-Match"]
        if name.startswith("PATCH"):
            assert [each["required"] for each in tags] == [True], name


def test_what_makes_a_thing_links_to_what_can_be_done_with_it(openapi: dict[str, Any]) -> None:
    known = {operation["operationId"]: name for name, operation in operations(openapi)}
    reached: set[str] = set()
    for name, operation in operations(openapi):
        made = operation["responses"].get("201")
        assert made is None or made["links"], name
        for answer in (made, operation["responses"].get("200")):
            for link in (answer or {}).get("links", {}).values():
                wanted = {f"path.{each}" for each in re.findall(r"{(\w+)}", known[link["operationId"]])}
                given = {key for key in link["parameters"] if key.startswith("path.")}
                # A PUT makes a thing of a name that its sender chooses.
                open_names = {"path.user"} if link["operationId"] == "OneMember.put" else set()
                assert wanted - open_names <= given <= wanted, (name, link)
                reached.add(link["operationId"])
    assert len(reached) >= 44


def test_what_is_read_links_to_its_change_with_its_tag(openapi: dict[str, Any]) -> None:
    read = openapi["paths"]["/api/v1/workspaces/{ws}/secrets/{name}"]["get"]["responses"]["200"]
    assert read["headers"].keys() == {"ETag"}
    assert read["links"]["OneSecret.patch"]["parameters"]["header.If-Match"] == "$response.header.ETag"
    deletion = read["links"]["OneSecret.delete"]["parameters"]
    assert deletion["query.confirm"] == deletion["path.name"] == "$request.path.name"
    version = openapi["paths"]["/api/v1/workspaces/{ws}/secrets/{name}"]
    assert "links" in version["patch"]["responses"]["200"]


def test_a_secret_of_each_type_has_a_schema_with_what_its_type_takes_alone(openapi: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/SecretBody", "components": openapi["components"]}
    fits = Draft202012Validator(schema).is_valid
    plain = {"name": "A", "visibility": "masked", "value": "v"}
    hmac = {"name": "A", "visibility": "restricted", "type": "hmac", "message": "{{$body}}", "key": "k"}
    managed = {"name": "A", "visibility": "restricted", "from": {"path": "secret/a", "field": "f"}}
    assert all(map(fits, [plain, hmac, managed, plain | {"type": "value", "from": None}]))
    assert not fits(plain | {"message": "m"})
    assert not fits(hmac | {"visibility": "masked"})
    assert not fits(hmac | {"value": "v"})
    assert not fits(managed | {"value": "v"})
    assert not fits({"name": "A", "visibility": "masked"})
    assert not fits(plain | {"type": "jwt"})


def explore(service: Service, *, at_least: int, examples: int, phases: str, seconds: int = 0) -> Path:
    """Run schemathesis with every check on, see that it finds nothing, and return its record of all requests."""
    ws = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": ws}).status_code == 201
    secret = {"name": "TOKEN", "value": "some-value-1", "visibility": "masked"}
    assert service.ask("POST", f"/workspaces/{ws}/secrets", secret).status_code == 201
    config, record = service.folder / "schemathesis.toml", service.folder / f"{ws}.har"
    config.write_text(CONFIG.read_text().replace("WORKSPACE", ws))
    ran = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", config, "run", f"{service.url}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {service.platform}",
            "--phases", phases, "--max-examples", str(examples),
            "--continue-on-failure", "--seed", "20", "--no-color", "--report-har-path", record,
            *(("--max-time", str(seconds)) if seconds else ()),
        ],
        capture_output=True, text=True, cwd=service.folder, timeout=3000,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    made = re.search(r"(\d+) generated", ran.stdout)
    assert made is not None
    assert int(made[1]) >= at_least, ran.stdout[-2000:]
    return record


@pytest.mark.slow
def test_schemathesis_finds_nothing_in_a_few_hundred_cases(service: Service) -> None:
    explore(service, at_least=300, examples=6, phases="examples,fuzzing")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_schemathesis_finds_nothing_in_thousands_of_cases(service: Service) -> None:
    explore(service, at_least=5000, examples=60, phases="examples,coverage,fuzzing")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_schemathesis_reaches_forty_operations_by_links(service: Service, openapi: dict[str, Any]) -> None:
    # It goes through its scenarios again, with what it has learned, until the time is spent.
    record = json.loads(explore(service, at_least=500, examples=200, phases="stateful", seconds=300).read_text())
    patterns = {
        name: re.compile(re.sub(r"\{\w+\}", "[^/]+", name.partition(" ")[2])) for name, _ in operations(openapi)
    }
    asked = {(entry["request"]["method"], urlsplit(entry["request"]["url"]).path) for entry in record["log"]["entries"]}
    reached = {
        name
        for name, pattern in patterns.items()
        if any(name.startswith(f"{method} ") and pattern.fullmatch(path) for method, path in asked)
    }
    assert len(reached) >= 40, sorted(patterns.keys() - reached)
