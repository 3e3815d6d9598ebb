"""What else there is of secrets knows the types: expiry, usage, the import of a file, going back, a workspace's end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.attacks.test_grants import operators
from tests.support.actors import Workspace
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream


@pytest.fixture(params=["kv", "transit"])
def workspace(service: Service, request: pytest.FixtureRequest) -> Workspace:
    return Workspace.make(service, refuse_expired=True, engine=request.param)


@pytest.fixture
def asked(upstream: Upstream) -> Iterator[list[str]]:
    """What a provider of tokens was shown, as basic auth."""
    asked: list[str] = []

    def give(handler: Handler) -> None:
        asked.append(handler.seen.header("Authorization") or "")
        handler.answer(json.dumps({"access_token": f"token-{len(asked)}-abcdefgh", "expires_in": 3600}).encode())

    upstream.scripts["/token"] = give
    yield asked
    del upstream.scripts["/token"]


def make(workspace: Workspace, upstream: Upstream) -> None:
    """Make SIGNS, an HMAC, and CRM, whose tokens the upstream gives."""
    here = {"visibility": "restricted", "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    for body in (
        {"name": "SIGNS", "type": "hmac", "key": "canary-key", "message": "{{$body}}"},
        {"name": "CRM", "type": "oauth2", "grant": "client_credentials", "client_id": "me",
         "client_secret": "canary-client-secret", "token_url": f"http://127.0.0.1:{upstream.port}/token"},
    ):  # fmt: skip
        made = workspace.ask("POST", "secrets", {**here, **body})
        assert made.status_code == 201, made.text


def call(workspace: Workspace, upstream: Upstream, name: str) -> Any:
    header = "X-Signature" if name == "SIGNS" else "Authorization"
    body = {
        "method": "POST", "url": f"http://127.0.0.1:{upstream.port}/", "body": {"type": "text", "content": "x"},
        "headers": [{"name": header, "value": f"{{{{secrets.{name}}}}}"}],
    }  # fmt: skip
    return workspace.ask("POST", "calls", body)


def test_expiry_usage_and_the_import_of_a_file_know_the_types(
    workspace: Workspace, upstream: Upstream, asked: list[str]
) -> None:
    make(workspace, upstream)
    for name in ("SIGNS", "CRM"):
        assert [call(workspace, upstream, name).status_code for _ in range(2)] == [200, 200]
        usage = workspace.ask("GET", f"secrets/{name}/usage").json()
        assert (usage["calls"], usage["last_used_at"] is not None) == (2, True)
        looks = workspace.ask("GET", f"secrets/{name}/access").json()["items"]
        assert [(each["action"], each["count"]) for each in looks] == [("use", 2)]
    assert len(asked) == 1
    content = "SIGNS=canary-other-value\nPLAIN=canary-value-7f2c91\n"
    rows = workspace.ask("POST", "secrets/import", {"format": "dotenv", "content": content, "visibility": "masked"})
    assert [(row["name"], row["result"]) for row in rows.json()["items"]] == [("SIGNS", "exists"), ("PLAIN", "created")]
    assert workspace.ask("GET", "secrets/SIGNS").json()["type"] == "hmac"
    ended = {"expires_at": (datetime.now(UTC) - timedelta(seconds=5)).isoformat()}
    for name in ("SIGNS", "CRM"):
        done = workspace.ask("PATCH", f"secrets/{name}", ended, headers={"If-Match": "*"})
        assert (done.status_code, done.json()["expiry"]) == (200, "expired"), done.text
        assert problem(call(workspace, upstream, name)) == (403, "secret_expired")
    assert len(asked) == 1, "nobody is asked for a token of an expired secret"


def test_credentials_go_back_and_their_tokens_with_them(
    workspace: Workspace, upstream: Upstream, asked: list[str]
) -> None:
    make(workspace, upstream)
    assert call(workspace, upstream, "CRM").status_code == 200
    put = workspace.ask("PUT", "secrets/CRM/value", {"client_secret": "canary-next-client-secret"})
    assert (put.status_code, put.json()["version"]) == (200, 2), put.text
    assert call(workspace, upstream, "CRM").status_code == 200
    back = workspace.ask("POST", "secrets/CRM/rollback", {"version": 1})
    assert (back.status_code, back.json()["version"]) == (200, 3), back.text
    assert call(workspace, upstream, "CRM").status_code == 200
    assert [asked[0] == each for each in asked] == [True, False, True], "each token is had with its own credentials"
    refused = workspace.ask("POST", "secrets/SIGNS/rollback", {"version": 1})
    assert problem(refused) == (422, "not_for_this_type")
    assert "only the newest" in refused.json()["detail"]


def test_the_end_of_a_workspace_is_the_end_of_its_keys_and_tokens(
    workspace: Workspace, upstream: Upstream, asked: list[str]
) -> None:
    make(workspace, upstream)
    assert call(workspace, upstream, "CRM").status_code == 200
    kept = (f"strongroom-transit/keys/{workspace.name}.sign.SIGNS", f"strongroom/metadata/{workspace.name}/tokens/CRM")
    with operators(workspace.service) as ask:
        for path in kept:
            assert ask("GET", path)["data"]
        deleted = workspace.service.ask("DELETE", f"{workspace.path}?confirm={workspace.name}")
        assert deleted.status_code == 204, deleted.text
        for path in kept:
            with pytest.raises(AssertionError):
                ask("GET", path)
