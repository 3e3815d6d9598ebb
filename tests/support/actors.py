"""Who tests act as: a workspace with its members, in the words of what they do.

workspace = Workspace.make(service)
workspace.secret("TOKEN", "value-1", allowed_hosts=[host])
workspace.block("ping", {"url": url})
workspace.run("ping", user="ed")
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from tests.support.service import Service

MEMBERS: Mapping[str, str] = {"abe": "admin", "ed": "editor"}


@dataclass(frozen=True)
class Workspace:
    """A workspace of its own for one test: ``ada`` owns it, ``abe`` is an admin and ``ed`` an editor."""

    service: Service
    name: str

    @classmethod
    def make(cls, service: Service, *, members: Mapping[str, str] = MEMBERS, **more: Any) -> Workspace:
        workspace = cls(service, f"w{uuid.uuid4().hex[:12]}")
        assert service.ask("POST", "/workspaces", {"name": workspace.name} | more).status_code == 201
        for user, role in members.items():
            workspace.member(user, role)
        return workspace

    @property
    def path(self) -> str:
        return f"/workspaces/{self.name}"

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Ask for something below this workspace's path."""
        return self.service.ask(method, f"{self.path}/{path}" if path else self.path, body, **more)

    def member(self, user: str, role: str) -> None:
        assert self.ask("PUT", f"members/{user}", {"role": role}).status_code == 201

    def secret(self, name: str, value: str, *, visibility: str = "masked", **more: Any) -> None:
        """Create a secret; no answer that is kept holds its value."""
        body = {"name": name, "value": value, "visibility": visibility} | more
        answer = self.ask("POST", "secrets", body, keep=False)
        assert answer.status_code == 201, answer.text

    def block(self, name: str, call: Mapping[str, Any], **more: Any) -> str:
        """Save a block; returns its path."""
        answer = self.ask("POST", "blocks", {"name": name, "call": call} | more)
        assert answer.status_code == 201, answer.text
        return f"{self.path}/blocks/{name}"

    def run(self, block: str, variables: Mapping[str, Any] | None = None, **more: Any) -> requests.Response:
        return self.ask("POST", f"blocks/{block}/run", {"variables": dict(variables or {})}, **more)
