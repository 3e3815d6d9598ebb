"""Service tokens: made, used, rotated, revoked; and what a wrong one gets."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, problem


def issue(service: Service, workspace: Workspace, user: str = "ada", **body: Any) -> dict[str, Any]:
    answer = service.ask("POST", f"{workspace.path}/tokens", {"role": "editor"} | body, user=user, keep=False)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def works(service: Service, token: str) -> bool:
    return service.ask("GET", "/me", token=token).status_code == 200


def test_a_token_is_shown_once_and_listed_with_its_last_use(service: Service, workspace: Workspace) -> None:
    made = issue(service, workspace, label="flow-runner")
    path = f"{workspace.path}/tokens"
    (listed,) = service.ask("GET", path).json()["items"]
    assert "token" not in listed
    assert listed["last_used_at"] is None
    assert made["token"].split("_", 2)[2] not in databases.contents(service.database_url).decode()
    assert works(service, made["token"])
    shown = service.ask("GET", f"{path}/{made['id']}").json()
    assert abs(datetime.fromisoformat(shown["last_used_at"]) - datetime.now(UTC)) < timedelta(minutes=2)
    assert (shown["label"], shown["created_by"], shown["revoked_at"]) == ("flow-runner", "ada", None)


def test_its_end_is_told_in_utc(service: Service, workspace: Workspace) -> None:
    made = issue(service, workspace, expires_at="2090-01-01T02:00:00+02:00")
    shown = service.ask("GET", f"{workspace.path}/tokens/{made['id']}").json()
    assert made["expires_at"] == shown["expires_at"] == "2090-01-01T00:00:00+00:00"


def test_a_revoked_token_is_refused_at_once_and_a_new_one_may_overlap(service: Service, workspace: Workspace) -> None:
    old, new = issue(service, workspace), issue(service, workspace)
    assert works(service, old["token"])
    assert works(service, new["token"])
    for _ in range(2):  # twice does nothing more
        assert service.ask("DELETE", f"{workspace.path}/tokens/{old['id']}").status_code == 204
    assert not works(service, old["token"])
    assert works(service, new["token"])


def test_wrong_expired_and_revoked_tokens_get_the_same_answer(service: Service, workspace: Workspace) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    expired, revoked, right = (
        issue(service, workspace, expires_at=soon.isoformat()),
        issue(service, workspace),
        issue(service, workspace),
    )
    service.ask("DELETE", f"{workspace.path}/tokens/{revoked['id']}")
    assert works(service, expired["token"]) or datetime.now(UTC) > soon
    while datetime.now(UTC) <= soon:
        time.sleep(0.1)
    wrong = right["token"][:-4] + "AAAA"
    unknown = f"srm_{'a' * 16}_{'A' * 43}"
    answers = [service.ask("GET", "/me", token=each) for each in (wrong, unknown, expired["token"], revoked["token"])]
    told = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert [problem(answer) for answer in answers] == [(401, "unauthenticated")] * 4
    assert all(each == told[0] for each in told)


def test_failed_attempts_are_limited_and_lock_nobody_out(service: Service, workspace: Workspace) -> None:
    right = issue(service, workspace)["token"]
    wrong = right[:-4] + "AAAA"
    answers = [service.ask("GET", "/me", token=wrong) for _ in range(12)]
    codes = [problem(answer) for answer in answers]
    assert codes[0] == (401, "unauthenticated")
    assert codes[-1] == (429, "rate_limited")
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert works(service, right)


def test_a_member_who_leaves_or_is_lowered_loses_the_tokens_they_made(service: Service, workspace: Workspace) -> None:
    mine, kept = issue(service, workspace, user="abe"), issue(service, workspace)
    assert service.ask("PUT", f"{workspace.path}/members/abe", {"role": "editor"}).status_code == 200
    assert not works(service, mine["token"])
    service.ask("PUT", f"{workspace.path}/members/abe", {"role": "admin"})
    assert not works(service, mine["token"])
    again = issue(service, workspace, user="abe")
    assert service.ask("DELETE", f"{workspace.path}/members/abe?confirm=abe").status_code == 204
    assert not works(service, again["token"])
    assert works(service, kept["token"])


def test_who_may_make_which_token(service: Service, workspace: Workspace) -> None:
    path = f"{workspace.path}/tokens"
    assert problem(service.ask("POST", path, {"role": "runtime"}, user="ed")) == (403, "forbidden")
    for role in ("owner", "platform"):
        assert problem(service.ask("POST", path, {"role": role})) == (422, "validation_failed")
    assert problem(service.ask("POST", path, {"role": "editor", "ad_hoc": True})) == (422, "validation_failed")
    past = {"role": "runtime", "expires_at": "2020-01-01T00:00:00Z"}
    assert problem(service.ask("POST", path, past)) == (422, "validation_failed")
    admin = issue(service, workspace, role="admin")["token"]
    assert problem(service.ask("POST", path, {"role": "runtime"}, token=admin)) == (403, "forbidden")
    runtime = issue(service, workspace, role="runtime")[
        "id"
    ]  # it makes none, but sees and revokes them as an admin does
    assert runtime in {each["id"] for each in service.ask("GET", path, token=admin).json()["items"]}
    assert service.ask("DELETE", f"{path}/{runtime}", token=admin).status_code == 204
    assert service.ask("GET", f"{path}/{runtime}", token=admin).json()["revoked_at"]
    assert problem(service.ask("POST", "/tokens", {"role": "platform"})) == (403, "forbidden")  # acting for a user


def test_the_platform_rotates_its_own_token(service: Service) -> None:
    made = service.ask("POST", "/tokens", {"role": "platform", "label": "next"}, user=None, keep=False).json()
    assert works(service, made["token"])
    seen = {each["id"] for each in service.ask("GET", "/tokens?limit=200", token=made["token"]).json()["items"]}
    assert made["id"] in seen
    assert service.ask("DELETE", f"/tokens/{made['id']}", user=None).status_code == 204
    assert not works(service, made["token"])


def test_acting_for_a_user_gives_their_role_and_no_more(service: Service, workspace: Workspace) -> None:
    me = service.ask("GET", "/me", user="ed").json()
    assert (me["actor"]["type"], me["actor"]["acting_for"]) == ("token", "ed")
    assert {"name": workspace.name, "role": "editor"}.items() <= next(
        each for each in me["workspaces"] if each["name"] == workspace.name
    ).items()
    service.ask("POST", f"{workspace.path}/variables", {"name": "A", "value": "b"}, user="ed")
    event = service.ask("GET", f"{workspace.path}/audit").json()["items"][0]
    assert (event["action"], event["actor"]["acting_for"]) == ("variable.create", "ed")
    assert event["actor"]["id"] == me["actor"]["id"]
    stranger = f"new-{uuid.uuid4().hex[:8]}@example.com"
    assert service.ask("GET", "/me", user=stranger).json()["workspaces"] == []
    assert problem(service.ask("GET", "/me", user="no user id")) == (422, "validation_failed")
    assert problem(service.ask("GET", f"{workspace.path}", user=stranger)) == (404, "not_found")


def test_the_cookie_of_the_pages_opens_no_api(service: Service) -> None:
    with requests.Session() as session:
        session.cookies.set("strongroom", "anything")
        assert problem(session.get(f"{service.url}/api/v1/me", timeout=10)) == (401, "unauthenticated")
