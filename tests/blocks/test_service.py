"""Saved API blocks over the API: kept as they were written, marked when a secret goes, guarded against lost edits."""

from __future__ import annotations

import itertools
import json
import secrets
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, problem

_numbers = itertools.count(1)
JSON = {"Content-Type": "application/json"}
HARD = secrets.token_hex(16)

CALL: dict[str, Any] = {
    "method": "POST",
    "url": "https://api.invalid/v2/tickets/{{ticket_id}}?a=%2F",
    "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
    "query": [{"name": "locale", "value": "en"}],
    "auth": {"type": "none"},
    "body": {"type": "json", "content": {"subject": "{{subject}}", "n": [1, 2.5, None, True], "z": {}, "a": "é\u0000"}},
    "captures": [{"name": "id", "path": "$.ticket.id"}],
    "variables": {"ticket_id": "42", "subject": "a\r\nb\u0000"},
    "timeout_seconds": 12.5,
    "follow_redirects": False,
}


@pytest.fixture
def ws_path(service: Service) -> str:
    workspace = Workspace.make(service, members={"edda": "editor"})
    make_secret(service, workspace.path, "TOKEN")
    return workspace.path


def make_secret(service: Service, ws_path: str, name: str, **more: object) -> None:
    body = {"name": name, "value": "long-enough-value-1", "visibility": "masked"} | more
    assert service.ask("POST", f"{ws_path}/secrets", body, keep=False).status_code == 201


def save(service: Service, ws_path: str, name: str = "create-ticket", **more: object) -> requests.Response:
    answer = service.ask("POST", f"{ws_path}/blocks", {"name": name, "call": CALL | more}, user="edda")
    assert answer.status_code == 201, answer.text
    return answer


def test_an_editor_saves_reads_changes_and_deletes_one(service: Service, ws_path: str) -> None:
    body = {"name": "create-ticket", "title": "Create a ticket", "call": CALL, "answer": "captures"}
    made = service.ask("POST", f"{ws_path}/blocks", body, user="edda")
    path = f"{ws_path}/blocks/create-ticket"
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/v1{path}")
    assert made.json().items() >= {**body, "uses": ["TOKEN"], "problems": [], "created_by": "edda"}.items()
    assert made.json()["permissions"] == {"run": True, "edit": True, "delete": True}
    assert list(made.json()["call"]["body"]["content"]) == ["subject", "n", "z", "a"]
    shown = service.ask("GET", path)
    assert (shown.json(), shown.headers["ETag"]) == (made.json(), made.headers["ETag"])
    tag = {"If-Match": made.headers["ETag"]}
    changed = service.ask("PATCH", path, {"title": "New", "answer": "full"}, user="edda", headers=tag)
    assert (changed.json()["title"], changed.json()["answer"], changed.json()["call"]) == ("New", "full", CALL)
    assert changed.headers["ETag"] != made.headers["ETag"]
    assert problem(service.ask("DELETE", path, user="edda")) == (422, "confirmation_required")
    assert service.ask("DELETE", f"{path}?confirm=create-ticket", user="edda").status_code == 204
    assert problem(service.ask("GET", path)) == (404, "not_found")
    assert problem(service.ask("POST", f"{path}/run")) == (404, "not_found")


def test_a_change_needs_the_revision_that_was_read(service: Service, ws_path: str) -> None:
    first = {"If-Match": save(service, ws_path).headers["ETag"]}
    path = f"{ws_path}/blocks/create-ticket"
    assert problem(service.ask("PATCH", path, {"title": "2"})) == (428, "precondition_required")
    assert service.ask("PATCH", path, {"title": "2"}, headers=first).ok
    late = service.ask("PATCH", path, {"title": "3"}, headers=first)
    assert problem(late) == (412, "precondition_failed")
    assert late.json()["changed_by"] == "ada"
    late = service.ask("DELETE", f"{path}?confirm=create-ticket", headers=first)
    assert problem(late) == (412, "precondition_failed")
    assert problem(service.ask("PATCH", path, {"name": "other"}, headers={"If-Match": "*"})) == (422, "immutable")
    assert service.ask("GET", path).json()["title"] == "2"


@pytest.mark.parametrize("name", ["a", "a-", "a" * 63, "x9-y"])
def test_a_name_that_fits_its_url_is_taken(service: Service, ws_path: str, name: str) -> None:
    save(service, ws_path, name)
    assert service.ask("GET", f"{ws_path}/blocks/{name}").json()["title"] == name
    again = service.ask("POST", f"{ws_path}/blocks", {"name": name, "call": CALL})
    assert problem(again) == (409, "name_taken")


@pytest.mark.parametrize("name", ["", "A", "9a", "-a", "a_b", "a.b", "a/b", "a" * 64, "a\n", "é", None, 5])
def test_another_name_is_refused(service: Service, ws_path: str, name: object) -> None:
    answer = service.ask("POST", f"{ws_path}/blocks", {"name": name, "call": CALL})
    assert problem(answer) == (422, "validation_failed")
    assert list(answer.json()["errors"]) == ["/name"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": [{"name": "A", "value": "{{secrets.NOT_THERE}}"}]}, 422, "unknown_secret"),
        ({"headers": [{"name": "A", "value": "{{secrets.Token}}"}]}, 422, "unknown_secret"),
        ({"query": [{"name": "q", "value": "{{secrets.HELD}}"}]}, 403, "place_not_allowed"),
        ({"headers": [{"name": "X-Key", "value": "{{secrets.HELD}}"}]}, 403, "place_not_allowed"),
        ({"headers": [{"name": "User-Agent", "value": "{{secrets.TOKEN}}"}]}, 403, "place_not_allowed"),
        ({"url": "https://a.example/{{secrets.TOKEN}}{{secrets.HELD}}"}, 422, "one_secret_per_field"),
        ({"url": "https://{{host}}/"}, 422, "template_not_allowed"),
        ({"url": "https://a.example:{{port}}/"}, 422, "template_not_allowed"),
        ({"url": "{{scheme}}://a.example/"}, 422, "template_not_allowed"),
        ({"url": "https://{{secrets.TOKEN}}@a.example/"}, 422, "template_not_allowed"),
        ({"url": "ftp://a.example/"}, 403, "destination_not_allowed"),
        ({"url": "/relative"}, 422, "validation_failed"),
        ({"headers": [{"name": "{{a}}", "value": "x"}]}, 422, "template_not_allowed"),
        ({"query": [{"name": "{{a}}", "value": "x"}]}, 422, "template_not_allowed"),
        ({"body": {"type": "json", "content": {"{{a}}": "x"}}}, 422, "template_not_allowed"),
        ({"headers": [{"name": "Host", "value": "x"}]}, 422, "header_not_allowed"),
        ({"headers": [{"name": "X_a", "value": "1"}, {"name": "x-A", "value": "2"}]}, 422, "header_not_allowed"),
        ({"auth": {"type": "basic", "username": "u", "password": "p"}}, 422, "header_not_allowed"),
        ({"headers": [{"name": "A", "value": "{{ a b }}"}]}, 422, "validation_failed"),
        ({"headers": [{"name": "A", "value": "a\nb"}]}, 422, "validation_failed"),
        ({"captures": [{"name": "id", "path": "$[?"}]}, 422, "validation_failed"),
        ({"captures": [{"name": "a b", "path": "$"}]}, 422, "validation_failed"),
        ({"captures": [{"name": "a", "path": "$"}, {"name": "a", "path": "$.b"}]}, 422, "validation_failed"),
        ({"captures": {"id": "$"}}, 422, "validation_failed"),
        ({"body": {"type": "soap", "content": "x"}}, 422, "validation_failed"),
        ({"body": {"type": "text", "content": 5}}, 422, "validation_failed"),
        ({"body": {"type": "form", "content": "a=b"}}, 422, "validation_failed"),
        ({"body": {"type": "json", "content": 1e999}}, 422, "validation_failed"),
        ({"timeout_seconds": 301}, 422, "validation_failed"),
        ({"timeout_seconds": 0}, 422, "validation_failed"),
        ({"method": "TRACE"}, 422, "validation_failed"),
        ({"variables": {"a": ["\u0000"]}}, 422, "validation_failed"),
        ({"colour": "red"}, 422, "validation_failed"),
        ({"call": CALL}, 422, "validation_failed"),
    ],
)
def test_what_could_never_run_is_not_saved(
    service: Service, ws_path: str, change: dict[str, object], status: int, code: str
) -> None:
    make_secret(service, ws_path, "HELD", visibility="restricted", value=HARD, allowed_hosts=["a.example"])
    call = json.dumps(CALL | change).replace("Infinity", "1e999")
    answer = service.ask("POST", f"{ws_path}/blocks", data=f'{{"name": "x", "call": {call}}}'.encode(), headers=JSON)
    assert problem(answer) == (status, code), answer.text
    assert status != 422 or answer.json()["errors"]
    save(service, ws_path, "x")
    headers = JSON | {"If-Match": "*"}
    answer = service.ask("PATCH", f"{ws_path}/blocks/x", data=f'{{"call": {call}}}'.encode(), headers=headers)
    assert problem(answer) == (status, code), answer.text
    assert service.ask("GET", f"{ws_path}/blocks/x").json()["call"] == CALL


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "call": None},
        {"name": "x", "call": []},
        {"name": "x", "call": {}},
        {"name": "x", "call": CALL, "answer": "none"},
        {"name": "x", "call": CALL, "title": "t" * 129},
        {"name": "x", "call": CALL, "title": "a\u0000"},
        {"name": "x", "call": CALL, "uses": []},
        [],
    ],
)
def test_what_is_no_block_is_refused(service: Service, ws_path: str, body: object) -> None:
    assert problem(service.ask("POST", f"{ws_path}/blocks", body)) == (422, "validation_failed")


BODIES = [
    {"type": "none"},
    {"type": "json", "content": None},
    {"type": "json", "content": ["{{secrets.TOKEN}}", {"b": {}, "a": 0.1, "n": 2**70, "t": "{{x}}"}, "\ud800"]},
    {"type": "form", "content": [{"name": "a", "value": "{{x}}"}, {"name": "a", "value": ""}]},
    {"type": "text", "content": "{{secrets.TOKEN}}\r\n\u0000"},
    {
        "type": "multipart",
        "content": [
            {"name": "a", "value": "{{secrets.TOKEN}}"},
            {"name": "f", "value": "x", "filename": "ü.txt", "content_type": "text/plain"},
        ],
    },
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{body['type']}-{body.get('content')}"[:20])
def test_a_call_comes_back_as_it_was_written(service: Service, ws_path: str, body: object) -> None:
    auth = {"type": "basic", "username": "{{x}}", "password": "{{secrets.TOKEN}}"}
    written = CALL | {"body": body, "auth": auth, "headers": []}
    path = f"{ws_path}/blocks/create-ticket"
    assert save(service, ws_path, **written).json()["call"] == written
    again = service.ask("PATCH", path, {"call": service.ask("GET", path).json()["call"]}, headers={"If-Match": "*"})
    assert again.json()["call"] == written


def test_what_was_left_out_comes_back_as_its_default(service: Service, ws_path: str) -> None:
    made = service.ask("POST", f"{ws_path}/blocks", {"name": "x", "call": {"url": "https://a.example"}}).json()
    assert made["call"] == {
        "method": "GET",
        "url": "https://a.example",
        "headers": [],
        "query": [],
        "auth": {"type": "none"},
        "body": {"type": "none"},
        "captures": [],
        "variables": {},
        "timeout_seconds": 10.0,
        "follow_redirects": False,
    }
    assert (made["answer"], made["uses"], made["problems"]) == ("full", [], [])


def test_the_list_is_by_name_searched_and_paged(service: Service, ws_path: str) -> None:
    for name, title in (("beta", "Second"), ("alpha", "First"), ("gamma", "100%"), ("a-b", "")):
        body = {"name": name, "title": title, "call": CALL}
        assert service.ask("POST", f"{ws_path}/blocks", body).status_code == 201

    def names(query: str = "") -> list[str]:
        return [each["name"] for each in service.ask("GET", f"{ws_path}/blocks{query}", user="edda").json()["items"]]

    assert sorted(names()) == ["a-b", "alpha", "beta", "gamma"]
    assert names("?q=SECOND") == ["beta"]
    assert names("?q=0%25") == ["gamma"]
    seen, cursor = [], ""
    while True:
        page = service.ask("GET", f"{ws_path}/blocks?limit=3{cursor}").json()
        seen += [each["name"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == names()
    assert problem(service.ask("GET", f"{ws_path}/blocks?cursor=abc")) == (422, "validation_failed")


def test_a_secret_in_use_is_kept_until_no_block_uses_it(service: Service, ws_path: str) -> None:
    save(service, ws_path, "one")
    save(service, ws_path, "two", query=[{"name": "a", "value": "{{secrets.TOKEN}}"}])
    deletion = f"{ws_path}/secrets/TOKEN?confirm=TOKEN"
    refused = service.ask("DELETE", deletion)
    assert problem(refused) == (409, "in_use")
    assert refused.json()["blocks"] == ["one", "two"]
    without = {"call": CALL | {"headers": []}}
    assert service.ask("PATCH", f"{ws_path}/blocks/one", without, headers={"If-Match": "*"}).json()["uses"] == []
    assert service.ask("DELETE", deletion).json()["blocks"] == ["two"]
    assert service.ask("DELETE", f"{ws_path}/blocks/two?confirm=two").status_code == 204
    assert service.ask("DELETE", deletion).status_code == 204


def test_a_block_whose_secret_is_gone_is_marked_and_neither_runs_nor_is_saved(service: Service, ws_path: str) -> None:
    both = [{"name": "A", "value": "{{secrets.TOKEN}}"}, {"name": "B", "value": "{{secrets.OTHER}}"}]
    make_secret(service, ws_path, "OTHER")
    tag = {"If-Match": save(service, ws_path, headers=both).headers["ETag"]}
    path = f"{ws_path}/blocks/create-ticket"
    assert service.ask("DELETE", f"{ws_path}/secrets/TOKEN?confirm=TOKEN&force=true").status_code == 204
    told = {
        "field": "/call/headers/0/value",
        "label": "header A",
        "code": "unknown_secret",
        "detail": "There is no usable secret TOKEN.",
    }
    shown = service.ask("GET", path).json()
    assert (shown["problems"], shown["uses"]) == ([told], ["OTHER", "TOKEN"])
    assert service.ask("GET", f"{ws_path}/blocks").json()["items"] == [shown]
    ran = service.ask("POST", f"{path}/run", {})
    assert problem(ran) == (422, "unknown_secret")
    assert (ran.json()["secrets"], list(ran.json()["errors"])) == (["TOKEN"], ["/call/headers/0/value"])
    assert problem(service.ask("POST", f"{path}/preview", {})) == (422, "unknown_secret")
    assert problem(service.ask("PATCH", path, {"call": shown["call"]}, headers=tag)) == (422, "unknown_secret")
    make_secret(service, ws_path, "TOKEN")
    assert service.ask("GET", path).json()["problems"] == []
    assert problem(service.ask("DELETE", f"{ws_path}/secrets/TOKEN?confirm=TOKEN")) == (409, "in_use")


def test_a_block_that_its_secrets_rules_have_left_behind_is_marked(service: Service, ws_path: str) -> None:
    save(service, ws_path)
    narrowed = {"allowed_hosts": ["other.example"], "allowed_places": ["query"]}
    patched = service.ask("PATCH", f"{ws_path}/secrets/TOKEN", narrowed, headers={"If-Match": "*"})
    assert patched.ok, patched.text
    problems = service.ask("GET", f"{ws_path}/blocks/create-ticket").json()["problems"]
    assert [(each["field"], each["code"]) for each in problems] == [
        ("/call/headers/0/value", "place_not_allowed"),
        ("/call/headers/0/value", "destination_not_allowed"),
    ]
    ran = service.ask("POST", f"{ws_path}/blocks/create-ticket/run", {})
    assert problem(ran) == (403, "place_not_allowed")
    assert (ran.json()["field"], ran.json()["label"]) == ("/call/headers/0/value", "header Authorization")


def test_a_runtime_token_runs_blocks_and_reads_none(service: Service, ws_path: str) -> None:
    save(service, ws_path)
    token = service.ask("POST", f"{ws_path}/tokens", {"role": "runtime"}, keep=False).json()["token"]
    path = f"{ws_path}/blocks/create-ticket"
    for method, where, body in (
        ("GET", f"{ws_path}/blocks", None),
        ("GET", path, None),
        ("POST", f"{path}/preview", {}),
        ("POST", f"{ws_path}/blocks", {"name": "x", "call": CALL}),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", f"{path}?confirm=create-ticket", None),
    ):
        answer = service.ask(method, where, body, token=token, headers={"If-Match": "*"})
        assert problem(answer) == (403, "forbidden"), (method, where)
    # It gets past the rights, to what nothing here can resolve.
    assert problem(service.ask("POST", f"{path}/run", {}, token=token)) == (502, "upstream_unreachable")


def test_another_workspaces_blocks_are_not_there(service: Service, ws_path: str) -> None:
    save(service, ws_path)
    assert service.ask("POST", "/workspaces", {"name": f"{ws_path[12:]}-x"}, user="eve").status_code == 201
    path = f"{ws_path}/blocks/create-ticket"
    for method, where in (("GET", path), ("POST", f"{path}/run"), ("POST", f"{path}/preview"), ("DELETE", path)):
        assert problem(service.ask(method, where, user="eve")) == (404, "not_found")
    assert problem(service.ask("GET", f"{ws_path}-x/blocks/create-ticket", user="eve")) == (404, "not_found")


def test_a_name_that_a_route_has_for_itself_is_refused(service: Service, ws_path: str) -> None:
    refused = service.ask("POST", f"{ws_path}/blocks", {"name": "from-curl", "call": CALL})
    assert problem(refused) == (422, "validation_failed")
    assert refused.json()["errors"] == {"/name": ["Is reserved."]}
    allowed = service.ask("OPTIONS", f"{ws_path}/blocks/from-curl").headers["Allow"]
    assert {each.strip() for each in allowed.split(",")} == {"OPTIONS", "POST"}
    assert service.ask("GET", f"{ws_path}/blocks/from-curl").status_code == 405


def test_a_deleted_workspace_leaves_no_block(service: Service, ws_path: str) -> None:
    save(service, ws_path)
    name = ws_path.removeprefix("/workspaces/")
    assert service.ask("DELETE", f"{ws_path}?confirm={name}").status_code == 204
    with databases.connected(service.database_url) as connection:
        for table in ("blocks", "secret_uses"):
            count = f"SELECT count(*) FROM {table} WHERE workspace = :name"
            assert connection.execute(text(count), {"name": name}).scalar() == 0


def test_the_record_tells_of_each_change(service: Service, ws_path: str) -> None:
    save(service, ws_path)
    path = f"{ws_path}/blocks/create-ticket"
    moved = {"call": CALL | {"url": "https://elsewhere.example/{{ticket_id}}"}}
    assert service.ask("PATCH", path, moved, headers={"If-Match": "*"}).ok
    service.ask("PATCH", path, {"title": "x"}, headers={"If-Match": '"1"'})
    service.ask("DELETE", f"{path}?confirm=create-ticket", user="edda")
    events = service.ask("GET", f"{ws_path}/audit?block=create-ticket").json()["items"]
    assert [(each["action"], each["outcome"]) for each in events] == [
        ("block.delete", "done"),
        ("block.update", "refused"),
        ("block.update", "done"),
        ("block.create", "done"),
    ]
    assert events[2]["detail"] == {
        "changed": ["call"],
        "host": "elsewhere.example",
        "port": 443,
        "secrets": ["TOKEN"],
    }
    assert (events[3]["actor"]["acting_for"], events[3]["target"]["type"]) == ("edda", "block")
    assert len({each["target"]["id"] for each in events}) == 1
    assert "a\\r\\nb" not in str(events)
