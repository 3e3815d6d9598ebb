"""Somebody edits a saved block so that its secret goes to another host, another place, or from another workspace."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
import requests

from tests.attacks.conftest import Stage
from tests.support.service import problem

AUTHORISED = [{"name": "Authorization", "value": "Bearer {{secrets.KEY}}"}]


def saved(stage: Stage, call: dict[str, Any]) -> tuple[str, requests.Response]:
    name = f"b-{secrets.token_hex(4)}"
    made = stage.save(name, call)
    assert made.status_code == 201, made.text
    return name, made


def edited(stage: Stage, name: str, made: requests.Response, call: dict[str, Any]) -> requests.Response:
    path = f"/workspaces/{stage.workspace}/blocks/{name}"
    return stage.service.ask("PATCH", path, {"call": call}, user="ed", headers={"If-Match": made.headers["ETag"]})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.2:{port}/", "http://127.0.0.1:1/", "http://localhost:{port}/", "https://example.com/"]
)
def test_to_another_host_it_does_not_run(stage: Stage, url: str) -> None:
    call = {"url": stage.url(), "headers": AUTHORISED}
    name, made = saved(stage, call)
    edited(stage, name, made, call | {"url": url.format(port=stage.upstream.port)})
    assert problem(stage.run(name)) == (403, "destination_not_allowed")
    assert stage.upstream.seen == []


@pytest.mark.parametrize(
    "call",
    [
        {"headers": [{"name": "X-Key", "value": "{{secrets.KEY}}"}]},
        {"headers": [{"name": "User-Agent", "value": "{{secrets.KEY}}"}]},
        {"query": [{"name": "q", "value": "{{secrets.KEY}}"}]},
        {"method": "POST", "body": {"type": "text", "content": "{{secrets.KEY}}"}},
    ],
)
def test_to_another_place_it_is_neither_saved_nor_run(stage: Stage, call: dict[str, Any]) -> None:
    name, made = saved(stage, {"url": stage.url(), "headers": AUTHORISED})
    assert problem(edited(stage, name, made, {"url": stage.url()} | call)) == (403, "place_not_allowed")
    assert stage.run(name).status_code == 200
    assert stage.upstream.seen[0].header("Authorization") is not None


def test_a_secret_of_another_workspace_is_none(stage: Stage) -> None:
    other = f"rival-{secrets.token_hex(4)}"
    assert stage.service.ask("POST", "/workspaces", {"name": other}).status_code == 201
    call = {"url": stage.url(), "headers": AUTHORISED}
    answer = stage.service.ask("POST", f"/workspaces/{other}/calls", call)
    assert problem(answer) == (422, "unknown_secret")
    for written in (f"{stage.workspace}/KEY", f"../{stage.workspace}/restricted/KEY", f"{stage.workspace}.KEY"):
        headers = [{"name": "Authorization", "value": "{{secrets." + written + "}}"}]
        assert stage.service.ask("POST", f"/workspaces/{other}/calls", call | {"headers": headers}).status_code == 422
    assert stage.upstream.seen == []


def test_a_block_of_another_workspace_is_not_there(stage: Stage) -> None:
    name, _ = saved(stage, {"url": stage.url(), "headers": AUTHORISED})
    other = f"rival-{secrets.token_hex(4)}"
    assert stage.service.ask("POST", "/workspaces", {"name": other}).status_code == 201
    assert problem(stage.service.ask("POST", f"/workspaces/{other}/blocks/{name}/run", {})) == (404, "not_found")
    stranger = stage.service.ask("POST", f"/workspaces/{stage.workspace}/blocks/{name}/run", {}, user="eve")
    assert problem(stranger) == (404, "not_found")
    assert stage.upstream.seen == []
