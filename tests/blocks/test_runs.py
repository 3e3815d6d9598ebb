"""Runs and previews of saved blocks, over a real upstream."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.support.service import Service, problem
from tests.support.upstream import Upstream

_numbers = itertools.count(1)


@pytest.fixture
def workspace(service: Service) -> str:
    name = f"runs-{next(_numbers)}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    return f"/workspaces/{name}"


def make_secret(service: Service, workspace: str, name: str, value: str, **more: object) -> None:
    body = {"name": name, "value": value, "visibility": "masked"} | more
    assert service.ask("POST", f"{workspace}/secrets", body, keep=False).status_code == 201


def save(service: Service, workspace: str, call: dict[str, Any], name: str = "block", **more: object) -> str:
    answer = service.ask("POST", f"{workspace}/blocks", {"name": name, "call": call} | more)
    assert answer.status_code == 201, answer.text
    return f"{workspace}/blocks/{name}"


def local(upstream: Upstream, path: str = "/") -> str:
    return f"http://127.0.0.1:{upstream.port}{path}"


def test_a_block_runs_and_is_previewed(service: Service, workspace: str, upstream: Upstream) -> None:
    make_secret(service, workspace, "TOKEN", "canary-8b1f7c", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    call = {
        "url": local(upstream, "/{{what}}"),
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "captures": [{"name": "method", "path": "$.method"}],
    }
    block = save(service, workspace, call)
    preview = service.ask("POST", f"{block}/preview", {"variables": {"what": "a/b"}})
    assert preview.status_code == 200, preview.text
    assert preview.json() == {
        "method": "GET",
        "url": local(upstream, "/a%2Fb"),
        "headers": [{"name": "Authorization", "value": "Bearer [secret:TOKEN]"}],
        "body": None,
        "destination": {
            "allowed": True,
            "host": "127.0.0.1",
            "port": upstream.port,
            "addresses": ["127.0.0.1"],
            "reason": None,
        },
    }
    assert upstream.seen == []
    ran = service.ask("POST", f"{block}/run", {"variables": {"what": "a/b"}})
    assert ran.status_code == 200, ran.text
    assert (upstream.seen[0].path, upstream.seen[0].header("Authorization")) == ("/a%2Fb", "Bearer canary-8b1f7c")
    assert "canary" not in ran.text
    assert (ran.json()["status"], ran.json()["captures"]) == (200, {"method": "GET"})
    assert problem(service.ask("POST", f"{block}/run")) == (422, "missing_variable")
