"""A new value is tried before it goes live, and where it fails nothing has changed."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.support import databases
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream
from tests.support.upstream import upstream as run_upstream


@dataclass
class Stage:
    service: Service
    upstream: Upstream
    workspace: str
    value: str

    @property
    def path(self) -> str:
        return f"/workspaces/{self.workspace}/secrets/TOKEN"

    def rotate(self, value: str, **more: Any) -> requests.Response:
        return self.service.ask("PUT", f"{self.path}/value", {"value": value} | more, keep=False)

    def version(self) -> int:
        return int(self.service.ask("GET", self.path).json()["version"])

    def save(self, name: str, *, method: str = "GET", path: str = "/whoami", uses: str = "TOKEN", **more: Any) -> None:
        headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{uses}}}}}"}] if uses else []
        call = {"method": method, "url": f"http://127.0.0.1:{self.upstream.port}{path}", "headers": headers}
        body = {"name": name, "call": call} | more
        made = self.service.ask("POST", f"/workspaces/{self.workspace}/blocks", body)
        assert made.status_code == 201, made.text

    def keep(self, block: str | None) -> None:
        etag = {"If-Match": self.service.ask("GET", self.path).headers["ETag"]}
        kept = self.service.ask("PATCH", self.path, {"check_block": block}, headers=etag)
        assert kept.json()["check_block"] == block, kept.text


@pytest.fixture
def stage(service: Service) -> Iterator[Stage]:
    name, value = f"w{uuid.uuid4().hex[:12]}", f"canary-{secrets.token_hex(16)}"
    with run_upstream() as upstream:
        assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
        body = {"name": "TOKEN", "value": value, "visibility": "restricted"}
        body |= {"allowed_hosts": [f"127.0.0.1:{upstream.port}"]}  # type: ignore[dict-item]
        assert service.ask("POST", f"/workspaces/{name}/secrets", body, keep=False).status_code == 201
        stage = Stage(service, upstream, name, value)
        stage.save("whoami")
        yield stage


def new_value() -> str:
    return f"canary-{secrets.token_hex(16)}"


def test_a_value_that_passes_goes_live_and_the_try_is_no_use(stage: Stage) -> None:
    value = new_value()
    done = stage.rotate(value, check={"block": "whoami"})
    assert (done.status_code, done.json()["version"]) == (200, 2), done.text
    assert [seen.header("Authorization") for seen in stage.upstream.seen] == [f"Bearer {value}"]
    audit = stage.service.ask("GET", f"/workspaces/{stage.workspace}/audit?action=call.run").json()["items"]
    assert audit[0]["detail"]["check"] is True
    assert stage.service.ask("GET", f"{stage.path}/usage").json()["calls"] == 0


@pytest.mark.parametrize(("status", "reason"), [(401, "status"), (302, "status"), (500, "not_reached")])
def test_a_value_that_fails_changes_nothing(stage: Stage, status: int, reason: str) -> None:
    value = new_value()

    def _echo(handler: Handler) -> None:
        handler.answer(f"no {handler.seen.header('Authorization')} but {stage.value}".encode(), status)

    stage.upstream.scripts["/whoami"] = _echo
    failed = stage.rotate(value, check={"block": "whoami"})
    assert problem(failed) == (422, "check_failed"), failed.text
    told = failed.json()
    assert (told["reason"], told["upstream_status"], told["answer"]["status"]) == (reason, status, status)
    assert told["answer"]["body"]["content"] == "no Bearer [redacted:TOKEN] but [redacted:TOKEN]"
    assert value not in failed.text
    assert stage.value not in failed.text
    assert stage.version() == 1
    assert stage.service.ask("GET", f"{stage.path}/usage").json()["upstream_denied_24h"] == 0
    assert stage.rotate(value, check={"block": "whoami", "statuses": [status]}).status_code == 200
    assert stage.version() == 2


def test_a_check_that_can_not_be_made_is_told_apart(stage: Stage) -> None:
    stage.upstream.scripts["/whoami"] = lambda handler: handler.reset()
    failed = stage.rotate(new_value(), check={"block": "whoami"})
    assert problem(failed) == (422, "check_failed")
    assert (failed.json()["reason"], failed.json()["answer"]) == ("not_reached", None)
    assert stage.version() == 1


def test_a_block_that_proves_nothing_is_refused_before_anything_is_sent(stage: Stage) -> None:
    stage.save("posts", method="POST")
    stage.save("other", uses="")
    stage.save("asks", path="/x/{{who}}")
    for block in ("posts", "other", "asks", "nothing"):
        refused = stage.rotate(new_value(), check={"block": block})
        assert problem(refused) == (422, "validation_failed"), block
        assert list(refused.json()["errors"]) == ["/check/block"]
    assert stage.upstream.seen == []
    assert stage.version() == 1
    for wrong in ({"block": 7}, {}, {"block": "whoami", "statuses": []}, {"block": "whoami", "statuses": [99]}, True):
        assert problem(stage.rotate(new_value(), check=wrong)) == (422, "validation_failed"), wrong


def test_a_secret_keeps_its_check_and_the_block_stays(stage: Stage) -> None:
    stage.keep("whoami")
    stage.upstream.scripts["/whoami"] = lambda handler: handler.answer(b"{}", 401)
    assert problem(stage.rotate(new_value())) == (422, "check_failed")
    etag = {"If-Match": stage.service.ask("GET", stage.path).headers["ETag"]}
    patched = stage.service.ask("PATCH", stage.path, {"value": new_value()}, headers=etag, keep=False)
    assert problem(patched) == (422, "check_failed")
    assert stage.version() == 1
    assert stage.rotate(new_value(), check=False).status_code == 200
    block = f"/workspaces/{stage.workspace}/blocks/whoami"
    refused = stage.service.ask("DELETE", f"{block}?confirm=whoami")
    assert problem(refused) == (409, "in_use")
    assert refused.json()["secrets"] == ["TOKEN"]
    stage.keep(None)
    assert stage.service.ask("DELETE", f"{block}?confirm=whoami").status_code == 204
    etag = {"If-Match": stage.service.ask("GET", stage.path).headers["ETag"]}
    refused = stage.service.ask("PATCH", stage.path, {"check_block": "whoami"}, headers=etag)
    assert problem(refused) == (422, "validation_failed")
    assert list(refused.json()["errors"]) == ["/check_block"]


def test_what_a_block_answers_with_is_all_that_comes_back(stage: Stage) -> None:
    stage.save("captured", answer="captures")
    stage.upstream.scripts["/whoami"] = lambda handler: handler.answer(b'{"hidden": 1}', 403)
    failed = stage.rotate(new_value(), check={"block": "captured"})
    assert "body" not in failed.json()["answer"]
    assert "hidden" not in failed.text


def test_a_forged_host_is_not_given_the_new_value(stage: Stage) -> None:
    with run_upstream() as attacker:
        host = f"127.0.0.1:{attacker.port}"
        stage.upstream.seen.clear()
        forged = {"hosts": f'["{host}"]', "old": str(stage.upstream.port), "new": str(attacker.port)}
        with databases.connected(stage.service.database_url) as connection:
            cast = "::json" if connection.dialect.name == "postgresql" else ""
            for forgery in (
                "UPDATE variables SET allowed_hosts = :hosts WHERE workspace = :workspace",
                f"UPDATE blocks SET call = REPLACE(CAST(call AS TEXT), :old, :new){cast} WHERE workspace = :workspace",
            ):
                wanted = {name: value for name, value in forged.items() if f":{name}" in forgery}
                connection.execute(text(forgery), wanted | {"workspace": stage.workspace})
        refused = stage.rotate(new_value(), check={"block": "whoami"})
        assert problem(refused) == (503, "binding_mismatch")
        assert attacker.seen == stage.upstream.seen == []


def test_calls_during_a_rotation_see_the_old_value_or_the_new_one(stage: Stage) -> None:
    stop, answers = threading.Event(), list[int]()

    def _call() -> None:
        while not stop.is_set():
            run = f"/workspaces/{stage.workspace}/blocks/whoami/run"
            answers.append(stage.service.ask("POST", run, {}, keep=False).status_code)

    callers = [threading.Thread(target=_call) for _ in range(3)]
    for caller in callers:
        caller.start()
    values = [stage.value, *(new_value() for _ in range(4))]
    try:
        rotated = [stage.rotate(value, check={"block": "whoami"}).status_code for value in values[1:]]
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert rotated == [200] * 4
    assert set(answers) == {200}
    seen = [str(each.header("Authorization")).removeprefix("Bearer ") for each in stage.upstream.seen]
    assert set(seen) <= set(values)


@pytest.mark.slow
def test_at_fifty_calls_a_second_a_rotation_gives_no_call_a_refused_value(stage: Stage) -> None:
    """Values that the upstream refuses are tried among those that it takes; only checks ever carry them."""
    values = [stage.value, *(new_value() for _ in range(5))]
    refused = [new_value() for _ in range(5)]

    def _judge(handler: Handler) -> None:
        value = str(handler.seen.header("Authorization")).removeprefix("Bearer ")
        handler.answer(b"{}", 200 if value in values else 401)

    stage.upstream.scripts["/whoami"] = _judge
    run, answers = f"/workspaces/{stage.workspace}/blocks/whoami/run", list[int | None]()

    def _call_five_times_a_second() -> None:
        for _ in range(25):
            answer = stage.service.ask("POST", run, {}, keep=False)
            answers.append(answer.json().get("status") if answer.status_code == 200 else None)
            time.sleep(0.2)

    callers = [threading.Thread(target=_call_five_times_a_second) for _ in range(10)]
    for caller in callers:
        caller.start()
    tried = []
    for good, bad in zip(values[1:], refused, strict=True):
        tried.append(problem(stage.rotate(bad, check={"block": "whoami"})))
        tried.append((stage.rotate(good, check={"block": "whoami"}).status_code, None))
    for caller in callers:
        caller.join()
    assert tried == [(422, "check_failed"), (200, None)] * 5
    assert answers == [200] * 250
    carried = [str(seen.header("Authorization")).removeprefix("Bearer ") for seen in stage.upstream.seen]
    assert all(carried.count(bad) == 1 for bad in refused), "each of them by its check, and by nothing else"
    assert stage.version() == 6


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        ("plain-9f3b2c7e1a5d4860", []),
        (" plain-9f3b2c7e1a5d4860", ["blanks_at_ends"]),
        ('"plain-9f3b2c7e1a5d4860"', ["quoted"]),
        ("Bearer plain-9f3b2c7e1a5d4860", ["scheme_word"]),
        ("plain-9f3b\n2c7e1a5d4860\n", ["blanks_at_ends", "lines"]),
    ],
)
def test_what_is_odd_about_a_value_is_told_once(stage: Stage, value: str, codes: list[str]) -> None:
    written = stage.rotate(value)
    assert [each["code"] for each in written.json()["warnings"]] == codes
    assert "warnings" not in stage.service.ask("GET", stage.path).json()
