"""Saved API blocks over the API: kept as they were written, marked when a secret goes, guarded against lost edits."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import requests

from tests.support.service import Service, problem

_numbers = itertools.count(1)

CALL: dict[str, Any] = {
    "method": "POST",
    "url": "https://api.example.com/v2/tickets/{{ticket_id}}?a=%2F",
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
def workspace(service: Service) -> str:
    name = f"saved-{next(_numbers)}"
    path = f"/workspaces/{name}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    assert service.ask("PUT", f"{path}/members/edda", {"role": "editor"}).ok
    make_secret(service, path, "TOKEN")
    return path


def make_secret(service: Service, workspace: str, name: str, **more: object) -> None:
    body = {"name": name, "value": "long-enough-value-1", "visibility": "masked"} | more
    assert service.ask("POST", f"{workspace}/secrets", body, keep=False).status_code == 201


def save(service: Service, workspace: str, name: str = "create-ticket", **more: object) -> requests.Response:
    answer = service.ask("POST", f"{workspace}/blocks", {"name": name, "call": CALL | more}, user="edda")
    assert answer.status_code == 201, answer.text
    return answer


def test_an_editor_saves_reads_changes_and_deletes_one(service: Service, workspace: str) -> None:
    body = {"name": "create-ticket", "title": "Create a ticket", "call": CALL, "answer": "captures"}
    made = service.ask("POST", f"{workspace}/blocks", body, user="edda")
    path = f"{workspace}/blocks/create-ticket"
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
