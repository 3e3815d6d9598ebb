"""Nobody but an owner or admin chooses what is signed, and nobody gets a key, a signature or a token out of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.attacks.conftest import Stage
from tests.support import databases
from tests.support.service import problem

KEY = "canary-signing-key-4b1f7d"
TOKEN = "canary-access-token-91e2c8"


@pytest.fixture
def signing(stage: Stage) -> Iterator[Stage]:
    """The stage with SIGNS, an HMAC over the body, and CRM, whose tokens the upstream gives."""
    here = {"visibility": "restricted", "allowed_hosts": stage.hosts[:1]}

    def give(handler: Any) -> None:
        answer = {"access_token": TOKEN, "refresh_token": "canary-refresh-7a", "expires_in": 3600}
        handler.answer(json.dumps(answer).encode(), 200, {"Content-Type": "application/json"})

    stage.upstream.scripts["/token"] = give
    for body in (
        {"name": "SIGNS", "type": "hmac", "key": KEY, "message": "v0:{{$body}}"},
        {"name": "CRM", "type": "oauth2", "grant": "client_credentials", "client_id": "me",
         "client_secret": "canary-client-secret", "token_url": stage.url("/token")},
    ):  # fmt: skip
        path = f"/workspaces/{stage.workspace}/secrets"
        assert stage.service.ask("POST", path, {**here, **body}, keep=False).status_code == 201
    yield stage
    del stage.upstream.scripts["/token"]
    for name in ("SIGNS", "CRM"):
        path = f"/workspaces/{stage.workspace}/secrets/{name}?confirm={name}&force=true"
        assert stage.service.ask("DELETE", path).status_code == 204


SIGNED = [{"name": "X-Signature", "value": "{{secrets.SIGNS}}"}]
BODY = {"type": "text", "content": "pay 1"}


def signature(message: bytes) -> bytes:
    return hmac.digest(KEY.encode(), message, hashlib.sha256)


def test_a_signature_never_comes_back_however_it_is_written(signing: Stage) -> None:
    raw = signature(b"v0:pay 1")

    def tell(handler: Any) -> None:
        assert handler.seen.header("X-Signature") == raw.hex()
        told = [raw.hex(), base64.b64encode(raw.hex().encode()).decode()]
        handler.answer(json.dumps(told).encode(), 200, {"X-Signature": raw.hex()})

    signing.upstream.scripts["/tell"] = tell
    answer = signing.call("/tell", headers=SIGNED, body=BODY)
    assert answer.status_code == 200, answer.text
    assert raw.hex() not in answer.text.lower()
    assert answer.json()["body"]["content"] == ["[redacted:SIGNS]"] * 2
    del signing.upstream.scripts["/tell"]


def test_an_editor_changes_neither_what_is_signed_nor_where_it_goes(signing: Stage) -> None:
    path = f"/workspaces/{signing.workspace}/secrets/SIGNS"
    for method, where, body in (
        ("PUT", f"{path}/value", {"key": "mine", "message": "{{$body}}"}),
        ("PATCH", path, {"message": "{{$body}}"}),
        ("PATCH", path, {"allowed_hosts": signing.hosts}),
        ("GET", f"/workspaces/{signing.workspace}/secrets/wrapping-key", None),
        ("POST", f"/workspaces/{signing.workspace}/secrets/CRM/renew", None),
    ):
        refused = signing.service.ask(method, where, body, user="ed", headers={"If-Match": "*"})
        assert problem(refused) == (403, "forbidden"), (method, where)
    before = len(signing.other.seen)
    elsewhere = signing.call(headers=SIGNED, body=BODY, url=signing.url("/", signing.other))
    assert problem(elsewhere) == (403, "destination_not_allowed")
    assert len(signing.other.seen) == before


def test_a_variable_does_not_reach_what_a_message_says(signing: Stage) -> None:
    """It is part of the body that goes out, and of nothing else."""
    body = {"type": "text", "content": "{{words}}"}
    tricks = ("{{$timestamp}}", "v1:{{$body}}", "{{secrets.KEY}}", "\n\nv0:pay 1000")
    for words in tricks:
        answer = signing.call(headers=SIGNED, body=body, variables={"words": words})
        assert answer.status_code == 200, answer.text
        seen = signing.upstream.seen[-1]
        assert seen.body == words.encode()
        assert seen.header("X-Signature") == signature(b"v0:" + seen.body).hex()


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        ("SIGNS", {"message": "{{$timestamp}}"}),
        ("SIGNS", {"hash": "sha1"}),
        ("CRM", {"token_url": "elsewhere"}),
        ("CRM", {"client_auth": "body"}),
    ],
)
def test_what_was_forged_in_the_database_has_nothing_signed_and_no_token_asked_for(
    signing: Stage, name: str, forged: dict[str, str]
) -> None:
    with databases.connected(signing.service.database_url) as connection:
        where = {"here": signing.workspace, "name": name}
        query = "SELECT made_of FROM variables WHERE workspace = :here AND name = :name"
        stored = connection.execute(text(query), where).scalar_one()
        made_of = stored if isinstance(stored, dict) else json.loads(stored)
        if "token_url" in forged:
            forged = {"token_url": signing.url("/token", signing.other)}
        change = "UPDATE variables SET made_of = :made_of WHERE workspace = :here AND name = :name"
        connection.execute(text(change), {"made_of": json.dumps({**made_of, **forged})} | where)
    try:
        before = len(signing.upstream.seen), len(signing.other.seen)
        headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}]
        answer = signing.call(headers=headers if name == "CRM" else SIGNED, body=BODY)
        assert problem(answer) == (503, "binding_mismatch"), answer.text
        assert (len(signing.upstream.seen), len(signing.other.seen)) == before
    finally:
        with databases.connected(signing.service.database_url) as connection:
            connection.execute(text(change), {"made_of": json.dumps(made_of)} | where)


def test_no_token_and_no_credential_comes_back(signing: Stage) -> None:
    headers = [{"name": "Authorization", "value": "Bearer {{secrets.CRM}}"}]
    told = f"{TOKEN} canary-refresh-7a canary-client-secret".encode()
    signing.upstream.scripts["/tell"] = lambda handler: handler.answer(told)
    answer = signing.call("/tell", headers=headers)
    assert answer.status_code == 200, answer.text
    assert "canary" not in answer.text
    del signing.upstream.scripts["/tell"]
    asked_themselves = signing.call("/token", headers=headers)  # where a block may go, too
    assert TOKEN not in asked_themselves.text
