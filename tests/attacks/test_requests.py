"""An editor writes a request that the secret isn't for: refused before Vault is asked, whatever it is dressed as."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.attacks.conftest import Stage
from tests.support.service import problem
from tests.support.vault_log import values_read

READ = [{"methods": ["GET", "HEAD"], "path": "/api/**"}]


@pytest.fixture(scope="module")
def reader(_set: Stage) -> str:
    """A restricted secret that is for reading below /api/ only."""
    name = f"READER_{secrets.token_hex(4)}"
    _set.add(name, f"canary-{secrets.token_hex(16)}", visibility="restricted", allowed_requests=READ)
    return name


def call(stage: Stage, name: str, path: str, method: str = "GET", **more: Any) -> Any:
    headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}, *more.pop("headers", [])]
    return stage.call(path, method=method, headers=headers, **more)


def override(name: str) -> dict[str, Any]:
    return {"headers": [{"name": name, "value": "DELETE"}]}


@pytest.mark.parametrize(
    ("path", "method", "more"),
    [
        ("/api/tickets/1", "DELETE", {}),
        ("/api/tickets/1", "POST", {}),
        ("/echo", "GET", {}),
        ("/api/../echo", "GET", {}),
        ("/api/%2e%2e/echo", "GET", {}),
        ("/api/%252e%252e/echo", "GET", {}),
        ("/api/..;/echo", "GET", {}),
        ("/api/..%2Fecho", "GET", {}),
        ("/api/..%5Cecho", "GET", {}),
        ("/API/tickets", "GET", {}),
        ("//api/tickets", "GET", {}),
        ("/api%2Ftickets", "GET", {}),
        ("/api/tickets", "GET", override("X-HTTP-Method-Override")),
        ("/api/tickets", "GET", override("X_Http_Method")),
        ("/api/tickets?_method=DELETE", "GET", {}),
        ("/api/tickets", "GET", {"query": [{"name": "_method", "value": "DELETE"}]}),
        ("/api/{{where}}", "GET", {"variables": {"where": "%2e%2e"}}),
    ],
)
def test_another_request_is_refused_and_vault_is_not_asked(
    stage: Stage, reader: str, path: str, method: str, more: dict[str, Any]
) -> None:
    before = values_read(stage.service, stage.workspace)
    answer = call(stage, reader, path, method, **more)
    assert problem(answer) == (403, "request_not_allowed"), answer.text
    assert answer.json()["party"] == "policy"
    assert answer.json()["secret"] == reader
    assert values_read(stage.service, stage.workspace) == before
    assert stage.upstream.seen == []


def test_what_it_is_for_goes_out_and_a_redirect_is_matched_anew(stage: Stage, reader: str) -> None:
    assert call(stage, reader, "/api/tickets").status_code == 200
    stage.upstream.scripts["/api/away"] = lambda handler: handler.answer(b"", 302, {"Location": "/echo"})
    refused = call(stage, reader, "/api/away", follow_redirects=True)
    assert refused.status_code in (403, 502), refused.text
    assert [seen.path for seen in stage.upstream.seen] == ["/api/tickets", "/api/away"]


def test_a_preview_and_a_saved_block_say_so_before_anybody_runs_them(stage: Stage, reader: str) -> None:
    asked = {
        "method": "DELETE",
        "url": stage.url("/api/tickets/1"),
        "headers": [{"name": "Authorization", "value": f"Bearer {{{{secrets.{reader}}}}}"}],
    }
    path = f"/workspaces/{stage.workspace}/calls/preview"
    assert problem(stage.service.ask("POST", path, asked, user="ed")) == (403, "request_not_allowed")
    made = stage.save(f"b-{secrets.token_hex(4)}", asked)
    assert made.status_code == 201
    assert [each["code"] for each in made.json()["problems"]] == ["request_not_allowed"]
    assert problem(stage.run(made.json()["name"])) == (403, "request_not_allowed")


def test_widening_a_restricted_secret_asks_for_a_new_value(stage: Stage, reader: str) -> None:
    path = f"/workspaces/{stage.workspace}/secrets/{reader}"

    def patch(**changes: Any) -> Any:
        etag = stage.service.ask("GET", path).headers["ETag"]
        return stage.service.ask("PATCH", path, changes, headers={"If-Match": etag}, keep=False)

    for wider in (
        None, [{"path": "/api/**"}], [{"methods": ["GET", "POST"], "path": "/api/**"}], [*READ, {"path": "/echo"}],
        [{"methods": ["GET"]}],
    ):  # fmt: skip
        assert problem(patch(allowed_requests=wider)) == (422, "value_required"), wider
    assert problem(patch(wide=True)) == (422, "value_required")
    narrower = [{"methods": ["GET"], "path": "/api/**"}]
    assert patch(allowed_requests=narrower).json()["allowed_requests"] == narrower
    assert problem(call(stage, reader, "/api/tickets", "HEAD")) == (403, "request_not_allowed")
    with_value = patch(allowed_requests=READ, value=f"canary-{secrets.token_hex(16)}")
    assert with_value.json()["allowed_requests"] == READ
    assert call(stage, reader, "/api/tickets").status_code == 200


def test_a_wildcard_for_a_restricted_secret_is_asked_for_by_name(stage: Stage) -> None:
    name, path = f"WIDE_{secrets.token_hex(4)}", f"/workspaces/{stage.workspace}/secrets"
    body = {"name": name, "value": secrets.token_hex(20), "visibility": "restricted"}
    for hosts in (["*.zendesk.com"], ["*.example.com"]):
        refused = stage.service.ask("POST", path, body | {"allowed_hosts": hosts}, keep=False)
        assert problem(refused) == (422, "allowed_hosts_too_wide")
        assert ("anybody can have a name" in refused.json()["detail"]) == (hosts == ["*.zendesk.com"])
    made = stage.service.ask("POST", path, body | {"allowed_hosts": ["*.example.com"], "wide": True}, keep=False)
    assert (made.status_code, made.json()["wide"]) == (201, True)
    assert made.json()["allowed_hosts"] == ["*.example.com"]
    etag = {"If-Match": made.headers["ETag"]}
    refused = stage.service.ask("PATCH", f"{path}/{name}", {"wide": False}, headers=etag)
    assert problem(refused) == (422, "allowed_hosts_too_wide")


@pytest.mark.parametrize(
    "wrong",
    [[], [{"path": "https://a.example/x"}], [{"path": "/a?b"}], [{"path": "/a/.."}], [{"methods": []}],
     [{"methods": ["get"]}], [{"path": "/" + "x" * 2048}], [{"path": "/x"}] * 201, [{"other": 1}], "GET", [None]],
)  # fmt: skip
def test_wrong_patterns_are_told_by_their_place(stage: Stage, wrong: Any) -> None:
    body = {"name": "WRONG", "value": secrets.token_hex(8), "visibility": "masked", "allowed_requests": wrong}
    refused = stage.service.ask("POST", f"/workspaces/{stage.workspace}/secrets", body, keep=False)
    assert problem(refused) == (422, "validation_failed")
    assert all(each.startswith("/allowed_requests") for each in refused.json()["errors"])


def test_the_record_says_which_hosts_places_and_requests_a_secret_was_given(stage: Stage) -> None:
    name, path = f"RULED_{secrets.token_hex(4)}", f"/workspaces/{stage.workspace}/secrets"
    rules = {"allowed_hosts": ["api.example.com"], "allowed_places": ["header:Authorization"], "allowed_requests": READ}
    body = {"name": name, "value": secrets.token_hex(20), "visibility": "restricted"}
    made = stage.service.ask("POST", path, body | rules, keep=False)
    assert made.status_code == 201, made.text
    fewer = {"allowed_requests": [{"methods": ["GET"], "path": "/api/**"}]}
    etag = {"If-Match": made.headers["ETag"]}
    assert stage.service.ask("PATCH", f"{path}/{name}", fewer, headers=etag, keep=False).status_code == 200
    for action, requests in (("create", ["GET,HEAD /api/**"]), ("update", ["GET /api/**"])):
        query = f"action=secret.{action}&secret={name}&outcome=done"
        (event,) = stage.service.ask("GET", f"/workspaces/{stage.workspace}/audit?{query}").json()["items"]
        told = {rule: event["detail"].get(rule) for rule in rules}
        assert told == rules | {"allowed_requests": requests}, action
