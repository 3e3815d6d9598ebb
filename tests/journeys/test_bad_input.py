"""Bad input gets a problem document with its own code, and changes nothing."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.service import Service, problem

STRONG = "k9-" + secrets.token_hex(20)


@pytest.fixture(scope="module")
def path(service: Service) -> str:
    name = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    return f"/workspaces/{name}/secrets"


def body(**change: Any) -> dict[str, Any]:
    return {"name": "OK", "value": STRONG, "visibility": "masked"} | change


RESTRICTED = {"visibility": "restricted", "allowed_hosts": ["api.example.com"]}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        *(
            (body(name=name), "validation_failed")
            for name in ("a/b", "a.b", "a b", "a\x00", "a\n", "ä", "", "1a", "A" * 65)
        ),
        (body(value="abc"), "too_short"),
        (body(value="x" * 65537), "too_long"),
        (body(value="a\x00bcd"), "validation_failed"),
        (body(value=None), "validation_failed"),
        (body(value=12345678), "validation_failed"),
        (body(visibility="public"), "validation_failed"),
        (body(colour="red"), "validation_failed"),
        ({}, "validation_failed"),
        ([], "validation_failed"),
        (body(**RESTRICTED, value="k9-x7z"), "too_short"),
        (body(**RESTRICTED, value="password123"), "too_guessable"),
        (body(visibility="restricted"), "allowed_hosts_required"),
        (body(visibility="restricted", allowed_hosts=[]), "allowed_hosts_required"),
        (body(visibility="restricted", allowed_hosts=["*"]), "allowed_hosts_too_wide"),
        (body(visibility="restricted", allowed_hosts=["*.co.uk"]), "allowed_hosts_too_wide"),
        (body(visibility="restricted", allowed_hosts=["*.github.io"]), "allowed_hosts_too_wide"),
        (body(allowed_hosts=["https://x"]), "validation_failed"),
        (body(allowed_places=["cookie"]), "validation_failed"),
        *(
            (body(expires_at=moment), "validation_failed")
            for moment in ("tomorrow", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00")
        ),
    ],
)
def test_a_bad_secret_is_refused_and_nothing_changed(service: Service, path: str, sent: Any, code: str) -> None:
    answer = service.ask("POST", path, sent)
    assert problem(answer) == (422, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["party"] == "caller"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert service.ask("GET", path).json()["items"] == []


@pytest.mark.parametrize(
    ("data", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"\xff", "application/json", 400, "malformed_json"),
        (b'{"name": NaN}', "application/json", 400, "malformed_json"),
        (b"name=OK", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b'{"value": "' + b"x" * 3_000_000 + b'"}', "application/json", 413, "payload_too_large"),
        (
            b'{"value": "\\ud800abcdef", "name": "OK", "visibility": "masked"}',
            "application/json",
            422,
            "validation_failed",
        ),
    ],
    ids=["cut", "no utf-8", "nan", "form", "plain", "large", "surrogate"],
)
def test_a_bad_body_is_refused(
    service: Service, path: str, data: bytes, content_type: str, status: int, code: str
) -> None:
    answer = service.ask("POST", path, data=data, headers={"Content-Type": content_type})
    assert problem(answer) == (status, code)


def test_a_body_that_comes_in_chunks_has_the_same_limit(service: Service, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"name": "OK", "visibility": "masked", "value": "'
        yield from [b"x" * 65_536] * 40
        yield b'"}'

    headers = {"Content-Type": "application/json"}
    assert problem(service.ask("POST", path, data=chunks(), headers=headers)) == (413, "payload_too_large")


@pytest.mark.parametrize("token", ["", "x", "srm_aaaaaaaaaaaaaaaa_" + "A" * 43, "srm_" + "é" * 10])
def test_a_bad_token_is_refused(service: Service, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    answer = service.ask("GET", path, user=None, headers=headers)
    assert problem(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.slow
def test_an_expired_token_is_refused(service: Service, path: str) -> None:
    made = service.command("token", "create", "--platform", "--expires", "1s", "--json")
    assert made.returncode == 0
    import json
    import time

    time.sleep(1.1)
    assert problem(service.ask("GET", "/me", token=json.loads(made.stdout)["token"])) == (401, "unauthenticated")


def test_names_are_unique_whatever_their_case(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": name})
    path = f"/workspaces/{name}/secrets"
    assert service.ask("POST", path, body(name="Token")).status_code == 201
    assert problem(service.ask("POST", path, body(name="TOKEN"))) == (409, "name_taken")
    assert problem(service.ask("POST", "/workspaces", {"name": name})) == (409, "name_taken")


@pytest.mark.parametrize("name", ["A", "a", "-a", "a_b", "a" * 64, "ä" * 3, "", "a/b"])
def test_a_bad_workspace_name_is_refused(service: Service, name: str) -> None:
    assert problem(service.ask("POST", "/workspaces", {"name": name})) == (422, "validation_failed")


def test_what_is_not_there_is_not_found(service: Service) -> None:
    assert problem(service.ask("GET", "/workspaces/nowhere/secrets")) == (404, "not_found")
    assert problem(service.ask("GET", "/nothing")) == (404, "not_found")
    assert problem(service.ask("DELETE", "/me")) == (405, "method_not_allowed")


def test_who_is_no_user_is_named_by_the_field_that_says_so(service: Service) -> None:
    wanted = {"name": f"w{uuid.uuid4().hex[:12]}", "owner": "no body"}
    assert list(service.ask("POST", "/workspaces", wanted, user=None).json()["errors"]) == ["/owner"]
    assert list(service.ask("GET", "/me", user="no body").json()["errors"]) == ["header:Strongroom-Act-As"]


def test_act_as_is_for_the_platform_alone(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": name})
    token = service.ask("POST", f"/workspaces/{name}/tokens", {"role": "admin"}, keep=False).json()["token"]
    refused = service.ask("GET", "/me", token=token, headers={"Strongroom-Act-As": "ada"})
    assert problem(refused) == (403, "forbidden")
    assert problem(service.ask("POST", f"/workspaces/{name}/tokens", {"role": "runtime"}, token=token)) == (
        403,
        "forbidden",
    )


def test_a_workspace_keeps_an_owner(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": name})
    member = f"/workspaces/{name}/members/ada"
    assert problem(service.ask("PUT", member, {"role": "editor"})) == (409, "last_owner")
    assert problem(service.ask("DELETE", f"{member}?confirm=ada")) == (409, "last_owner")
