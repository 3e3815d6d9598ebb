"""The stage of the gallery: the real service, a workspace with an editor's hands in it, and hosts of the attacker's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.support.service import Service
from tests.support.upstream import Upstream
from tests.support.upstream import upstream as run_upstream


@dataclass
class Stage:
    """A workspace with two secrets that may go to ``upstream`` and ``other``: TOKEN, masked, and KEY, restricted."""

    service: Service
    upstream: Upstream
    other: Upstream
    workspace: str
    token: str = field(repr=False)
    key: str = field(repr=False)

    def url(self, path: str = "/", upstream: Upstream | None = None) -> str:
        return f"http://127.0.0.1:{(upstream or self.upstream).port}{path}"

    def call(self, path: str = "/", *, as_user: str = "ed", **more: Any) -> requests.Response:
        """Make a call as an editor; where nothing else is said, TOKEN goes in a header."""
        asked = {
            "method": "POST",
            "url": self.url(path),
            "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        } | more
        return self.service.ask("POST", f"/workspaces/{self.workspace}/calls", asked, user=as_user)

    def save(self, name: str, call: dict[str, Any], **more: Any) -> requests.Response:
        body = {"name": name, "call": call} | more
        return self.service.ask("POST", f"/workspaces/{self.workspace}/blocks", body, user="ed")

    def run(self, name: str, **variables: str) -> requests.Response:
        path = f"/workspaces/{self.workspace}/blocks/{name}/run"
        return self.service.ask("POST", path, {"variables": variables}, user="ed")

    def add(self, name: str, value: str, **more: Any) -> None:
        body = {"name": name, "value": value, "visibility": "masked", "allowed_hosts": self.hosts} | more
        answer = self.service.ask("POST", f"/workspaces/{self.workspace}/secrets", body, keep=False)
        assert answer.status_code == 201, answer.text

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{upstream.port}" for upstream in (self.upstream, self.other)]


@pytest.fixture(scope="module")
def _set(service: Service) -> Iterator[Stage]:
    with run_upstream() as upstream, run_upstream() as other:
        name = f"attacked-{secrets.token_hex(4)}"
        assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
        assert service.ask("PUT", f"/workspaces/{name}/members/ed", {"role": "editor"}).status_code == 201
        token, key = (f'canary-{secrets.token_hex(8)}/+&"é~x?=' for _ in range(2))
        stage = Stage(service, upstream, other, name, token, key)
        stage.add("TOKEN", token)
        stage.add("KEY", key, visibility="restricted")
        yield stage


@pytest.fixture
def stage(_set: Stage) -> Iterator[Stage]:
    yield _set
    for upstream in (_set.upstream, _set.other):
        upstream.scripts.clear()
        upstream.seen.clear()


def holds(answer: requests.Response, value: str) -> bool:
    """Tell whether the answer, read as JSON or as it is, or one of its headers holds a value."""
    content = answer.json()
    texts = [answer.text, str(dict(answer.headers)), *_texts(content)]
    misread = value.encode().decode("latin-1")  # as most servers hand on a header's UTF-8
    return any(spelling in text for text in texts for spelling in (value, misread))


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        for name, inner in content.items():
            yield name
            yield from _texts(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from _texts(inner)
    elif isinstance(content, str):
        yield content
