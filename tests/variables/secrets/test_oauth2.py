"""Access tokens that renew themselves: how they are asked for, used, shared and lost, with what services really do."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.upstream import Handler, Seen, Upstream

_numbers = itertools.count(1)


@dataclass
class Provider:
    """An authorization server, and the API that takes its tokens: ``answers`` come first, then tokens without end."""

    upstream: Upstream
    path: str
    answers: list[Any] = field(default_factory=list)
    asked: list[Seen] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    usual: dict[str, Any] = field(default_factory=lambda: {"expires_in": 3600})
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.upstream.port}{self.path}"

    def answer(self, handler: Handler) -> None:
        with self.lock:
            self.asked.append(handler.seen)
            if self.answers:
                status, body, *more = self.answers.pop(0)
            else:
                token = f"canary-access-{len(self.asked)}-{self.path[1:]}"
                self.given.append(token)
                status, body, more = 200, {"access_token": token, "token_type": "Bearer"} | self.usual, []
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.answer(raw, status, more[0] if more else {"Content-Type": "application/json"})

    def form(self, number: int = -1) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.asked[number].body.decode()).items()}


@pytest.fixture(scope="module")
def workspace(service: Service) -> Workspace:
    return Workspace.make(service)


@pytest.fixture
def provider(upstream: Upstream) -> Iterator[Provider]:
    provider = Provider(upstream, f"/token{next(_numbers)}")
    upstream.scripts[provider.path] = provider.answer
    yield provider
    del upstream.scripts[provider.path]


def make(workspace: Workspace, provider: Provider, **more: Any) -> str:
    name = f"T{next(_numbers)}"
    body = {
        "name": name, "type": "oauth2", "visibility": "restricted", "grant": "client_credentials",
        "token_url": provider.url, "client_id": "my id", "client_secret": "canary secret/+ä",
        "allowed_hosts": [f"127.0.0.1:{provider.upstream.port}"],
    } | more  # fmt: skip
    answer = workspace.ask("POST", "secrets", {name: value for name, value in body.items() if value is not None})
    assert answer.status_code == 201, answer.text
    assert not provider.asked  # never at creation
    return name


def call(workspace: Workspace, provider: Provider, name: str, path: str = "/api", **more: Any) -> requests.Response:
    head = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}]
    url = f"http://127.0.0.1:{provider.upstream.port}{path}"
    return workspace.ask("POST", "calls", {"url": url, "headers": head} | more)


def sent(provider: Provider) -> str:
    api = [seen for seen in provider.upstream.seen if seen.path != provider.path]
    return (api[-1].header("Authorization") or "").removeprefix("Bearer ")


def state(workspace: Workspace, name: str) -> str:
    return str(workspace.ask("GET", f"secrets/{name}").json()["state"])


def test_a_token_is_had_when_it_is_needed_and_used_until_its_end(workspace: Workspace, provider: Provider) -> None:
    name = make(workspace, provider, scopes=["b", "a"])
    preview = workspace.ask("POST", "calls/preview", {"url": provider.url, "query": []})
    assert preview.status_code == 200
    answers = [call(workspace, provider, name) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3, answers[0].text
    assert len(provider.asked) == 1
    assert sent(provider) == provider.given[0]
    assert provider.form() == {"grant_type": "client_credentials", "scope": "a b"}
    assert "canary" not in answers[-1].text
    assert f"Bearer [redacted:{name}]" in answers[-1].text
    events = workspace.ask("GET", f"audit?secret={name}&action=secret.renew").json()["items"]
    assert {event["outcome"] for event in events} == {"intended", "done"}
    assert "canary" not in json.dumps(events)


def test_the_client_shows_itself_as_the_standard_says_and_as_services_expect_it(
    workspace: Workspace, provider: Provider
) -> None:
    name = make(workspace, provider)
    provider.answers = [(401, {"error": "invalid_client"})]
    assert call(workspace, provider, name).status_code == 200
    pairs = [
        base64.b64decode((seen.header("Authorization") or "").removeprefix("Basic ")).decode()
        for seen in provider.asked
    ]
    assert [unquote_plus(part) for part in pairs[0].split(":")] == ["my id", "canary secret/+ä"]
    assert pairs[1] == "my id:canary secret/+ä"
    # What worked is remembered.
    assert workspace.ask("POST", f"secrets/{name}/renew").status_code == 200
    assert len(provider.asked) == 3
    assert provider.asked[2].header("Authorization") == provider.asked[1].header("Authorization")
    in_body = make(workspace, Provider(provider.upstream, provider.path), client_auth="body")
    assert call(workspace, provider, in_body).status_code == 200
    assert provider.form()["client_secret"] == "canary secret/+ä"
    assert provider.asked[-1].header("Authorization") is None


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ({"expires_in": 3600}, 1),
        ({"expires_in": "3600"}, 1),
        ({"expires_in": 3600.5}, 1),
        ({}, 1),
        ({"expires_in": 0}, 1),
        ({"expires_in": "0"}, 1),
        ({"expires_in": None}, 1),
        ({"expires_in": True}, 1),
        ({"expires_in": "soon"}, 1),
        ({"expires_in": 1e400}, 1),
        ({"expires_in": 0.001}, 2),
    ],
)
def test_lifetimes_are_taken_as_they_are_told(
    workspace: Workspace, provider: Provider, answer: dict[str, Any], asked: int
) -> None:
    provider.usual = answer
    name = make(workspace, provider)
    for _ in range(2):
        assert call(workspace, provider, name).status_code == 200
    assert len(provider.asked) == asked


def test_an_answer_may_be_form_data(workspace: Workspace, provider: Provider) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    provider.answers = [(200, b"access_token=canary-formed-token&expires_in=60&token_type=bearer", kind)]
    name = make(workspace, provider)
    assert call(workspace, provider, name).status_code == 200
    assert sent(provider) == "canary-formed-token"


def test_scopes_that_were_left_out_are_in_the_record(workspace: Workspace, provider: Provider) -> None:
    provider.usual = {"scope": "read", "expires_in": 60}
    name = make(workspace, provider, scopes=["read", "write"])
    assert call(workspace, provider, name).status_code == 200
    events = workspace.ask("GET", f"audit?secret={name}&action=secret.renew&outcome=done").json()["items"]
    assert events[0]["detail"]["scopes_missing"] == ["write"]


REFRESH: Final = {"grant": "refresh_token", "refresh_token": "canary-refresh-0"}


def test_a_refresh_token_that_rotates_is_used_once(workspace: Workspace, provider: Provider) -> None:
    provider.answers = [
        (200, {"access_token": f"canary-rotating-{n}", "refresh_token": f"canary-refresh-{n}", "expires_in": 0.001})
        for n in (1, 2, 3)
    ]
    name = make(workspace, provider, **REFRESH)
    for _ in range(3):
        assert call(workspace, provider, name).status_code == 200
    assert [provider.form(n)["refresh_token"] for n in range(3)] == [f"canary-refresh-{n}" for n in range(3)]
    provider.upstream.scripts["/tell"] = lambda handler: handler.answer(
        b"canary-refresh-0 canary-refresh-1 canary-refresh-2 canary-refresh-3 canary secret/+\xc3\xa4"
    )
    provider.usual = {"expires_in": 3600}
    told = call(workspace, provider, name, "/tell")
    assert "canary-refresh-3" not in told.text
    assert "canary secret" not in told.text


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "invalid_grant"}),
        (401, {"error": "invalid_grant"}),
        (403, {"error": "invalid_grant"}),
        (200, {"error": "bad_refresh_token"}),
        (200, {"ok": False, "error": "token_revoked"}),
        (400, {"message": "expired"}),
        (403, {"error": "access_denied"}),
    ],
)
def test_a_grant_that_is_over_has_to_be_connected_anew(
    workspace: Workspace, provider: Provider, status: int, body: dict[str, Any]
) -> None:
    provider.answers = [(status, body)]
    name = make(workspace, provider, **REFRESH)
    for _ in range(2):
        refused = call(workspace, provider, name)
        assert (refused.status_code, refused.json()["code"]) == (409, "reconnect_required"), refused.text
        assert refused.json()["party"] == "upstream"
    assert len(provider.asked) == 1
    assert state(workspace, name) == "reconnect"
    # With a new refresh token alone; the client secret stays.
    connected = workspace.ask("PUT", f"secrets/{name}/value", {"refresh_token": "canary-refresh-anew"})
    assert (connected.status_code, connected.json()["state"]) == (200, "active"), connected.text
    assert call(workspace, provider, name).status_code == 200
    assert provider.form()["refresh_token"] == "canary-refresh-anew"
    assert "canary+secret" in unquote_plus(
        base64.b64decode((provider.asked[-1].header("Authorization") or "")[6:]).decode()
    ).replace(" ", "+")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, {"error": "invalid_client"}), "invalid_client"),
        ((401, {"error": "unauthorized_client"}), "unauthorized_client"),
        ((500, {"error": "invalid_grant"}), "invalid_grant"),
        ((503, b"<html>"), "status_503"),
        ((403, b"<html>denied</html>"), "status_403"),
        ((302, b"", {"Location": "/elsewhere"}), "redirect"),
        ((200, {}), "no_token"),
        ((200, {"access_token": 5}), "no_token"),
        ((200, b"x" * (1024 * 1024 + 1)), "response_too_large"),
        ((200, b"\xff", {"Content-Encoding": "gzip"}), "response_not_readable"),
    ],
)
def test_what_is_no_token_is_told_by_its_reason_and_the_grant_lives_on(
    workspace: Workspace, provider: Provider, answer: Any, reason: str
) -> None:
    provider.answers = [answer, answer]
    name = make(workspace, provider, client_auth="body", **REFRESH)
    refused = call(workspace, provider, name)
    assert (refused.status_code, refused.json()["code"]) == (502, "token_unavailable"), refused.text
    assert (refused.json()["reason"], refused.json()["party"]) == (reason, "upstream")
    assert state(workspace, name) == "active"
    again = call(workspace, provider, name)  # a moment later nobody is asked once more
    assert (again.status_code, len(provider.asked)) == (502, 1)
    provider.answers = []
    assert workspace.ask("POST", f"secrets/{name}/renew").status_code == 200
    assert call(workspace, provider, name).status_code == 200


@pytest.mark.slow
def test_an_old_token_is_used_while_it_lives_where_a_new_one_is_not_to_be_had(
    workspace: Workspace, provider: Provider
) -> None:
    provider.answers = [(200, {"access_token": "canary-short-lived", "expires_in": 8}), (500, {})]
    name = make(workspace, provider)
    assert call(workspace, provider, name).status_code == 200
    time.sleep(6.6)  # its last fifth
    assert call(workspace, provider, name).status_code == 200
    assert (len(provider.asked), sent(provider)) == (2, "canary-short-lived")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_token_that_an_upstream_refuses_is_renewed_once_a_minute(
    workspace: Workspace, provider: Provider, method: str
) -> None:
    good: list[str] = []

    def api(handler: Handler) -> None:
        token = (handler.seen.header("Authorization") or "").removeprefix("Bearer ")
        handler.answer(b"", 200 if token in good else 401)

    provider.upstream.scripts["/strict"] = api
    name = make(workspace, provider)
    assert call(workspace, provider, name, "/strict", method=method).json()["status"] == 401
    assert len(provider.asked) == 2
    good.append(provider.given[-1])
    assert call(workspace, provider, name, "/strict", method=method).json()["status"] == 200
    good.clear()
    assert call(workspace, provider, name, "/strict", method=method).json()["status"] == 401
    assert len(provider.asked) == 2  # within a minute


def test_a_stream_that_is_refused_goes_once_more_with_a_renewed_token_and_both_are_taken_out(
    workspace: Workspace, provider: Provider
) -> None:
    def api(handler: Handler) -> None:
        told = "".join(f"data: {token}\n\n" for token in provider.given).encode()
        handler.answer(told, 200 if len(provider.given) == 2 else 401, {"Content-Type": "text/event-stream"})

    provider.upstream.scripts["/events"] = api
    name = make(workspace, provider)
    answer = call(workspace, provider, name, "/events", answer="stream")
    assert (answer.status_code, len(provider.asked)) == (200, 2)
    assert answer.content == b"data: [redacted:%b]\n\n" % name.encode() * 2
    assert answer.headers["Proxy-Status"] == "strongroom; received-status=200"


def test_what_may_not_be_sent_twice_is_not(workspace: Workspace, provider: Provider) -> None:
    provider.upstream.scripts["/never"] = lambda handler: handler.answer(b"", 401)
    name = make(workspace, provider)
    before = len(provider.upstream.seen)
    assert call(workspace, provider, name, "/never", method="POST").json()["status"] == 401
    assert len(provider.upstream.seen) == before + 2  # the token, the call
    assert len(provider.asked) == 1


@pytest.mark.slow
def test_many_threads_make_one_token_request(workspace: Workspace, provider: Provider) -> None:
    name = make(workspace, provider)
    codes: list[int] = []

    def one() -> None:
        answer = call(workspace, provider, name, timeout_seconds=60)
        while answer.status_code == 429:
            time.sleep(0.5)
            answer = call(workspace, provider, name, timeout_seconds=60)
        codes.append(answer.status_code)

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 12
    assert len(provider.asked) == 1


def test_who_may_renew_and_what(workspace: Workspace, provider: Provider) -> None:
    name = make(workspace, provider)
    assert workspace.ask("POST", f"secrets/{name}/renew", user="ed").status_code == 403
    renewed = workspace.ask("POST", f"secrets/{name}/renew", user="abe")
    assert (renewed.status_code, renewed.json()["name"]) == (200, name)
    assert len(provider.asked) == 1
    workspace.secret("PLAIN", "canary-plain-value")
    for path, status, code in (("PLAIN", 422, "not_for_this_type"), ("MISSING", 404, "not_found")):
        refused = workspace.ask("POST", f"secrets/{path}/renew")
        assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_the_token_url_changes_only_with_all_credentials(workspace: Workspace, provider: Provider) -> None:
    name = make(workspace, provider, **REFRESH)
    url = f"{provider.url}?other=1"
    for body in ({"token_url": url}, {"token_url": url, "client_secret": "canary-other"}):
        refused = workspace.ask("PUT", f"secrets/{name}/value", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "value_required"), refused.text
    whole = {"token_url": url, "client_secret": "canary-other", "refresh_token": "canary-refresh-other"}
    assert workspace.ask("PUT", f"secrets/{name}/value", whole).status_code == 200
    provider.upstream.scripts[f"{provider.path}?other=1"] = provider.answer
    assert call(workspace, provider, name).status_code == 200
    assert provider.form()["refresh_token"] == "canary-refresh-other"
    del provider.upstream.scripts[f"{provider.path}?other=1"]


def test_narrower_hosts_leave_the_grant_alive(workspace: Workspace, provider: Provider) -> None:
    here = f"127.0.0.1:{provider.upstream.port}"
    provider.answers = [(200, {"access_token": "canary-a", "refresh_token": "canary-refresh-1", "expires_in": 0.001})]
    name = make(workspace, provider, **REFRESH, allowed_hosts=[here, "api.example.com"])
    assert call(workspace, provider, name).status_code == 200
    narrower = workspace.ask("PATCH", f"secrets/{name}", {"allowed_hosts": [here]}, headers={"If-Match": "*"})
    assert narrower.status_code == 200
    assert call(workspace, provider, name).status_code == 200
    assert provider.form()["refresh_token"] == "canary-refresh-1"


def test_deletion_leaves_nothing_behind(workspace: Workspace, provider: Provider) -> None:
    name = make(workspace, provider)
    assert call(workspace, provider, name).status_code == 200
    assert workspace.ask("DELETE", f"secrets/{name}?confirm={name}").status_code == 204
    body = {"visibility": "restricted", "value": "canary-another-secret-value-8", "allowed_hosts": ["a.example.com"]}
    assert workspace.ask("POST", "secrets", {"name": name} | body).status_code == 201


# --- jwt_bearer -------------------------------------------------------------------------------------------------------

P256: Final = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def assertion(workspace: Workspace, provider: Provider, **more: Any) -> str:
    name = f"J{next(_numbers)}"
    body = {
        "name": name, "type": "jwt", "visibility": "restricted", "key": P256.decode(), "algorithm": "ES256",
        "claims": {"iss": "me@example.com", "scope": "https://www.example.com/auth"}, "lifetime_seconds": 600,
        "allowed_hosts": [f"127.0.0.1:{provider.upstream.port}"],
    } | more  # fmt: skip
    assert workspace.ask("POST", "secrets", body).status_code == 201
    return name


def claims_of(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


NO_CLIENT: Final = {"grant": "jwt_bearer", "client_id": None, "client_secret": None}


def test_a_google_service_account(workspace: Workspace, provider: Provider) -> None:
    signer = assertion(workspace, provider)
    name = make(workspace, provider, assertion=signer, **NO_CLIENT)
    assert call(workspace, provider, name).status_code == 200
    assert provider.form()["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = claims_of(provider.form()["assertion"])
    assert claims["iss"] == "me@example.com"
    assert claims["exp"] == claims["iat"] + 600
    assert provider.asked[-1].header("Authorization") is None
    assert sent(provider) == provider.given[0]


@pytest.mark.parametrize("minutes_off", [-5, 0, 5])
def test_a_github_app(workspace: Workspace, provider: Provider, minutes_off: int) -> None:
    """The service's clock is minutes from ours; what it says of the token's end is by its own."""
    theirs = datetime.now(UTC) + timedelta(minutes=minutes_off)
    ends = (theirs + timedelta(seconds=200)).strftime("%Y-%m-%dT%H:%M:%SZ")
    date = {"Date": format_datetime(theirs, usegmt=True)}
    provider.answers = [(201, {"token": "canary-installation-token", "expires_at": ends}, date)]
    signer = assertion(workspace, provider)
    fields = {"token_field": "token", "expiry_field": "expires_at"}
    name = make(workspace, provider, assertion=signer, **NO_CLIENT, **fields)
    for _ in range(2):
        assert call(workspace, provider, name).status_code == 200
    assert len(provider.asked) == 1
    assert claims_of((provider.asked[0].header("Authorization") or "").removeprefix("Bearer "))["iss"]
    assert provider.asked[0].body == b""
    assert sent(provider) == "canary-installation-token"


def test_an_assertion_goes_only_where_its_own_secret_may_go(workspace: Workspace, provider: Provider) -> None:
    elsewhere = assertion(workspace, provider, allowed_hosts=["id.example.com"])
    name = make(workspace, provider, assertion=elsewhere, **NO_CLIENT)
    refused = call(workspace, provider, name)
    assert (refused.status_code, refused.json()["reason"]) == (502, "host_not_allowed"), refused.text
    missing = make(workspace, provider, assertion="MISSING", **NO_CLIENT)
    refused = call(workspace, provider, missing)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_secret")
    assert not provider.asked
