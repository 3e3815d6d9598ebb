"""A secret's versions: who made which, going back to one without seeing it, and ending one for good."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.support.service import Service, problem
from tests.support.upstream import Upstream


def canary() -> str:
    return "canary-" + secrets.token_hex(16)


class Kept:
    """A secret in a workspace of its own, and the values that it was given."""

    def __init__(self, service: Service, upstream: Upstream, visibility: str, engine: str) -> None:
        self.service, self.upstream = service, upstream
        self.workspace = f"w{secrets.token_hex(6)}"
        made = service.ask("POST", "/workspaces", {"name": self.workspace, "engine": engine})
        assert made.status_code == 201, made.text
        assert service.ask("PUT", self.path("members/bob"), {"role": "admin"}).status_code in (200, 201)
        assert service.ask("PUT", self.path("members/eve"), {"role": "editor"}).status_code in (200, 201)
        self.values = [canary()]
        body = {
            "name": "TOKEN",
            "value": self.values[0],
            "visibility": visibility,
            "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
        }
        assert service.ask("POST", self.path("secrets"), body).status_code == 201

    def path(self, rest: str) -> str:
        return f"/workspaces/{self.workspace}/{rest}"

    def store(self, user: str = "bob") -> None:
        self.values.append(canary())
        put = self.service.ask("PUT", self.path("secrets/TOKEN/value"), {"value": self.values[-1]}, user=user)
        assert put.status_code == 200, put.text

    def roll_back(self, version: object, **more: Any) -> Any:
        return self.service.ask("POST", self.path("secrets/TOKEN/rollback"), {"version": version}, **more)

    def versions(self, user: str = "eve", query: str = "") -> Any:
        answer = self.service.ask("GET", self.path("secrets/TOKEN/versions") + query, user=user)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def used(self) -> str | None:
        """Run a call and return the value that arrived."""
        call = {
            "url": f"http://127.0.0.1:{self.upstream.port}/",
            "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}],
        }
        answer = self.service.ask("POST", self.path("calls"), call)
        assert answer.status_code == 200, answer.text
        return self.upstream.seen[-1].header("Authorization")


@pytest.fixture(params=[("restricted", "kv"), ("restricted", "transit"), ("masked", "transit")], ids=str)
def kept(request: pytest.FixtureRequest, service: Service, upstream: Upstream) -> Kept:
    visibility, engine = request.param
    return Kept(service, upstream, visibility, engine)


@pytest.fixture
def restricted(service: Service, upstream: Upstream) -> Kept:
    return Kept(service, upstream, "restricted", "kv")


def test_a_rollback_makes_a_new_version_of_a_value_that_nobody_sees(kept: Kept) -> None:
    kept.store()
    assert kept.used() == kept.values[1]
    rolled = kept.roll_back(1)
    assert rolled.status_code == 200, rolled.text
    assert rolled.json()["version"] == 3
    assert rolled.json()["updated_by"] == "ada"
    assert rolled.headers["ETag"]
    assert kept.used() == kept.values[0]
    listed = kept.versions()
    assert listed["next_cursor"] is None
    told = [(each["version"], each["created_by"], each["destroyed"]) for each in listed["items"]]
    assert told == [(3, "ada", False), (2, "bob", False), (1, "ada", False)]
    events = kept.service.ask("GET", kept.path("audit?action=secret.rollback")).json()["items"]
    assert {each["outcome"] for each in events} == {"intended", "done"}
    assert events[0]["detail"]["from_version"] == 1
    assert events[0]["detail"]["version"] == 3
    kept.service.answers.clear()
    kept.versions()
    kept.roll_back(2)
    assert not any(value in text for value in kept.values for text in kept.service.answers)


def test_the_last_ten_versions_are_kept_and_listed_page_by_page(restricted: Kept) -> None:
    for _ in range(11):
        restricted.store()
    listed = restricted.versions()["items"]
    assert [each["version"] for each in listed] == list(range(12, 2, -1))
    assert {each["created_by"] for each in listed} == {"bob"}
    first = restricted.versions(query="?limit=6")
    rest = restricted.versions(query=f"?limit=6&cursor={first['next_cursor']}")
    assert first["items"] + rest["items"] == listed
    assert rest["next_cursor"] is None
    assert problem(restricted.roll_back(2)) == (404, "not_found")
    assert restricted.used() == restricted.values[-1]


def test_a_version_ends_for_good_but_never_the_one_in_force(restricted: Kept) -> None:
    service, version = restricted.service, restricted.path("secrets/TOKEN/versions")
    restricted.store()
    assert problem(service.ask("DELETE", f"{version}/1")) == (422, "confirmation_required")
    assert problem(service.ask("DELETE", f"{version}/1?confirm=TOKEN", user="eve")) == (403, "forbidden")
    assert problem(service.ask("DELETE", f"{version}/2?confirm=TOKEN")) == (409, "conflict")
    assert problem(service.ask("DELETE", f"{version}/9?confirm=TOKEN")) == (404, "not_found")
    stale = service.ask("DELETE", f"{version}/1?confirm=TOKEN", headers={"If-Match": '"1"'})
    assert problem(stale) == (412, "precondition_failed")
    for _ in range(2):
        assert service.ask("DELETE", f"{version}/1?confirm=TOKEN").status_code == 204
    assert [each["destroyed"] for each in restricted.versions()["items"]] == [False, True]
    assert problem(restricted.roll_back(1)) == (404, "not_found")
    assert restricted.used() == restricted.values[1]
    events = service.ask("GET", restricted.path("audit?action=secret.update&outcome=done")).json()["items"]
    assert events[0]["detail"]["destroyed_version"] == 1


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ((0, -1, "1", 1.5, None, 2**40), (422, "validation_failed")),
        ((7,), (404, "not_found")),
        ((1,), (409, "conflict")),
    ],
)
def test_a_rollback_to_nowhere_changes_nothing(
    service: Service, upstream: Upstream, versions: tuple[object, ...], expected: tuple[int, str]
) -> None:
    kept = Kept(service, upstream, "masked", "kv")
    for version in versions:
        assert problem(kept.roll_back(version)) == expected
    assert [each["version"] for each in kept.versions()["items"]] == [1]
    assert kept.used() == kept.values[0]
    kept.store()
    assert kept.roll_back(1).status_code == 200


def test_a_rollback_honours_if_match_and_the_table_of_rights(restricted: Kept) -> None:
    stale = restricted.service.ask("GET", restricted.path("secrets/TOKEN")).headers["ETag"]
    restricted.store()
    assert problem(restricted.roll_back(1, headers={"If-Match": stale})) == (412, "precondition_failed")
    assert problem(restricted.roll_back(1, user="eve")) == (403, "forbidden")
    fresh = restricted.service.ask("GET", restricted.path("secrets/TOKEN")).headers["ETag"]
    assert restricted.roll_back(1, headers={"If-Match": fresh}, user="bob").status_code == 200


def test_wider_hosts_leave_no_older_version_to_go_back_to(restricted: Kept) -> None:
    restricted.store()
    etag = restricted.service.ask("GET", restricted.path("secrets/TOKEN")).headers["ETag"]
    wider = {"allowed_hosts": [f"127.0.0.1:{restricted.upstream.port}", "api.example.com"]}
    path, sent = restricted.path("secrets/TOKEN"), {"If-Match": etag}
    assert problem(restricted.service.ask("PATCH", path, wider, headers=sent)) == (422, "value_required")
    value = canary()
    patched = restricted.service.ask("PATCH", path, wider | {"value": value}, headers=sent)
    assert patched.status_code == 200, patched.text
    assert patched.json()["version"] == 3
    assert [each["destroyed"] for each in restricted.versions()["items"]] == [False, True, True]
    for version in (1, 2):
        assert problem(restricted.roll_back(version)) == (404, "not_found")
    assert restricted.used() == value
