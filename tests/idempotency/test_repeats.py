"""A request under an Idempotency-Key is done once, however often and from wherever it comes."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream


def call(upstream: Upstream, path: str = "/") -> dict[str, Any]:
    return {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}{path}"}


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid.uuid4().hex}


def test_the_same_request_gets_the_same_answer_and_is_done_once(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    headers = keyed()
    first, second = (service.ask("POST", f"{workspace.path}/calls", call(upstream), headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Cache-Control"] == "no-store"
    assert len(upstream.seen) == 1


def test_eight_at_once_make_one_call(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    held = threading.Event()

    def slow(handler: Handler) -> None:
        held.wait(20)
        handler.answer(b'{"id": 7}')

    upstream.scripts["/slow"] = slow
    headers, body = keyed(), call(upstream, "/slow") | {"timeout_seconds": 60}

    def ask(_number: int) -> requests.Response:
        answer = service.ask("POST", f"{workspace.path}/calls", body, headers=headers)
        if answer.status_code == 409:
            held.set()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    done = [answer for answer in answers if answer.status_code == 200]
    waiting = [answer for answer in answers if answer.status_code != 200]
    assert len({answer.content for answer in done}) == 1
    assert {problem(answer) for answer in waiting} == {(409, "conflict")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in waiting)
    assert len(upstream.seen) == 1
    again = service.ask("POST", f"{workspace.path}/calls", body, headers=headers)
    assert again.content == done[0].content


@pytest.fixture
def made(workspace: Workspace) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("/workspaces", {"name": f"w{uuid.uuid4().hex[:12]}"}),
        (f"{workspace.path}/variables", {"name": "REGION", "value": "eu"}),
        (f"{workspace.path}/secrets", {"name": "TOKEN", "value": secrets.token_hex(8), "visibility": "masked"}),
        (f"{workspace.path}/secrets/TOKEN/rollback", {"version": 1}),
        (f"{workspace.path}/blocks", {"name": "ping", "call": {"url": "https://example.com/"}}),
    ]


def test_everything_that_is_made_is_made_once(service: Service, made: list[tuple[str, dict[str, Any]]]) -> None:
    for path, body in made:
        headers = keyed()
        if path.endswith("/rollback"):
            value = path.replace("/rollback", "/value")
            assert service.ask("PUT", value, {"value": secrets.token_hex(8)}).status_code == 200
        first, second = (service.ask("POST", path, body, headers=headers) for _ in range(2))
        assert first.status_code in (200, 201), first.text
        assert (second.status_code, second.content) == (first.status_code, first.content)
        for name in ("Location", "ETag"):
            assert second.headers.get(name) == first.headers.get(name)
        without_key = service.ask("POST", path, body)
        assert without_key.status_code != first.status_code or "rollback" in path


def test_a_new_token_comes_again_without_the_token(service: Service, workspace: Workspace) -> None:
    path, headers = f"{workspace.path}/tokens", keyed()
    first, second = (
        service.ask("POST", path, {"role": "runtime"}, headers=headers, keep=False).json() for _ in range(2)
    )
    assert first.pop("token").startswith("srm_")
    assert first == second
    assert len(service.ask("GET", path).json()["items"]) == 1


def test_a_key_that_comes_with_another_request_is_refused(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    path, headers = f"{workspace.path}/calls", keyed()
    assert service.ask("POST", path, call(upstream), headers=headers).status_code == 200
    for other_path, body in (
        (path, call(upstream, "/other")),
        (f"{workspace.path}/variables", {"name": "A", "value": "b"}),
    ):
        answer = service.ask("POST", other_path, body, headers=headers)
        assert problem(answer) == (422, "idempotency_key_reused")
    assert len(upstream.seen) == 1


def test_keys_belong_to_an_actor(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    headers = keyed()
    for user in ("ada", "ed"):
        answer = service.ask("POST", f"{workspace.path}/calls", call(upstream), user=user, headers=headers)
        assert answer.status_code == 200
        assert "Idempotency-Replayed" not in answer.headers
    assert len(upstream.seen) == 2


def test_a_repeat_is_authorised_anew(service: Service, workspace: Workspace) -> None:
    service.ask("PUT", f"{workspace.path}/members/abe", {"role": "admin"})
    path, headers = f"{workspace.path}/tokens", keyed()
    body = {"role": "runtime"}
    assert service.ask("POST", path, body, user="abe", headers=headers, keep=False).status_code == 201
    service.ask("PUT", f"{workspace.path}/members/abe", {"role": "editor"})
    assert problem(service.ask("POST", path, body, user="abe", headers=headers)) == (403, "forbidden")
    service.ask("DELETE", f"{workspace.path}/members/abe?confirm=abe")
    assert problem(service.ask("POST", path, body, user="abe", headers=headers)) == (404, "not_found")


def test_a_refusal_leaves_the_key_free(service: Service, workspace: Workspace) -> None:
    path, headers = f"{workspace.path}/variables", keyed()
    assert problem(service.ask("POST", path, {"name": "1"}, headers=headers)) == (422, "validation_failed")
    assert service.ask("POST", path, {"name": "A", "value": "b"}, headers=headers).status_code == 201


def test_a_call_that_failed_after_it_went_out_is_not_made_again(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    def cut(handler: Handler) -> None:
        handler.answer(b"no gzip", headers={"Content-Encoding": "gzip"})

    upstream.scripts["/cut"] = cut
    headers = keyed()
    for _ in range(2):
        answer = service.ask("POST", f"{workspace.path}/calls", call(upstream, "/cut"), headers=headers)
        assert problem(answer) == (502, "response_not_readable")
    assert len(upstream.seen) == 1


def test_a_key_beyond_ascii_is_no_request(service: Service, workspace: Workspace) -> None:
    headers = {"Idempotency-Key": "ä".encode().decode("latin-1")}
    answer = service.ask("POST", f"{workspace.path}/variables", {"name": "A", "value": "b"}, headers=headers)
    assert problem(answer) == (400, "bad_request")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_bad_key_is_refused(service: Service, workspace: Workspace, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = service.ask("POST", f"{workspace.path}/variables", {"name": "A", "value": "b"}, headers=headers)
    assert problem(answer) == (422, "validation_failed")
    assert "header:Idempotency-Key" in answer.json()["errors"]


def test_reveal_takes_no_key(service: Service, workspace: Workspace) -> None:
    body = {"name": "TOKEN", "value": secrets.token_hex(8), "visibility": "masked"}
    service.ask("POST", f"{workspace.path}/secrets", body)
    headers = keyed()
    for value in (body["value"], "another-value"):
        answer = service.ask("POST", f"{workspace.path}/secrets/TOKEN/reveal", headers=headers, keep=False)
        assert answer.json()["value"] == value
        service.ask("PUT", f"{workspace.path}/secrets/TOKEN/value", {"value": "another-value"})


def test_a_key_of_which_nothing_was_begun_is_free_when_its_process_is_dead_and_not_after_any_time(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    path, headers = f"{workspace.path}/calls", keyed()
    assert service.ask("POST", path, call(upstream), headers=headers).status_code == 200
    for seconds in (0, 151, 23 * 3600):
        age(service, workspace, "answer = NULL", seconds=seconds)
        again = service.ask("POST", path, call(upstream), headers=headers)
        assert problem(again) == (409, "conflict"), "the process lives, however long it takes"
        assert again.headers["Retry-After"] == "1"
    age(service, workspace, "process = 'dead', deed_id = NULL, answer = NULL", seconds=0)
    lease(service, "dead", seconds_ago=28)
    assert problem(service.ask("POST", path, call(upstream), headers=headers)) == (409, "conflict")
    lease(service, "dead", seconds_ago=32)
    assert service.ask("POST", path, call(upstream), headers=headers).status_code == 200
    assert len(upstream.seen) == 2


def test_a_key_under_which_something_was_begun_stays_taken_when_its_process_dies(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    path, headers = f"{workspace.path}/calls", keyed()
    call_id = service.ask("POST", path, call(upstream), headers=headers).json()["call_id"]
    lease(service, "dead", seconds_ago=32)
    age(service, workspace, "process = 'dead', answer = NULL", seconds=3600)
    again = service.ask("POST", path, call(upstream), headers=headers)
    assert problem(again) == (409, "conflict")
    assert again.json()["call_id"] == call_id
    assert "Retry-After" not in again.headers
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("made", ["call", "token"])
def test_who_stood_still_until_another_took_the_claim_begins_nothing(
    service: Service, workspace: Workspace, upstream: Upstream, made: str
) -> None:
    asked = {"call": ("calls", call(upstream)), "token": ("tokens", {"role": "runtime", "label": "one"})}
    path, body = asked[made]
    # The claim is another's as soon as it is there: what the database does here, a faster process does elsewhere.
    with claims_taken_over(service.database_url):
        answer = workspace.ask("POST", path, body, headers=keyed())
    assert problem(answer) == (409, "conflict")
    assert upstream.seen == []
    assert workspace.ask("GET", "tokens").json()["items"] == []
    outcomes = [event["outcome"] for event in workspace.ask("GET", "audit?action=call.run").json()["items"]]
    assert outcomes == []


@contextmanager
def claims_taken_over(url: str) -> Iterator[None]:
    """Have every new claim be taken over by another process in the moment in which it is made."""
    take_over = "UPDATE keyed_requests SET attempt = 'another' WHERE id = NEW.id"
    if url.startswith("sqlite"):
        make = [f"CREATE TRIGGER take_over AFTER INSERT ON keyed_requests BEGIN {take_over}; END"]
        drop = ["DROP TRIGGER take_over"]
    else:
        body = f"BEGIN {take_over}; RETURN NEW; END".replace("'", "''")
        make = [
            f"CREATE FUNCTION take_over() RETURNS trigger LANGUAGE plpgsql AS '{body}'",
            "CREATE TRIGGER take_over AFTER INSERT ON keyed_requests FOR EACH ROW EXECUTE FUNCTION take_over()",
        ]
        drop = ["DROP TRIGGER take_over ON keyed_requests", "DROP FUNCTION take_over()"]
    with databases.connected(url) as connection:
        for statement in make:
            connection.execute(text(statement))
    try:
        yield
    finally:
        with databases.connected(url) as connection:
            for statement in drop:
                connection.execute(text(statement))


def test_a_key_of_a_deed_that_nobody_knows_the_end_of_stays_taken(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    path, headers = f"{workspace.path}/calls", keyed()
    assert service.ask("POST", path, call(upstream), headers=headers).status_code == 200
    age(service, workspace, "process = '-', answer = NULL", seconds=3600)
    again = service.ask("POST", path, call(upstream), headers=headers)
    assert problem(again) == (409, "conflict")
    assert "Retry-After" not in again.headers
    assert len(upstream.seen) == 1


def lease(service: Service, process: str, *, seconds_ago: int) -> None:
    """Have a process that renewed its lease so long ago."""
    now = "strftime('%s', 'now')" if service.database_url.startswith("sqlite") else "extract(epoch FROM now())"
    with databases.connected(service.database_url) as connection:
        connection.execute(text("DELETE FROM leases WHERE process = :process"), {"process": process})
        connection.execute(
            text(f"INSERT INTO leases (process, renewed_at) VALUES (:process, CAST({now} AS BIGINT) - :ago)"),
            {"process": process, "ago": seconds_ago},
        )


def test_an_answer_is_kept_for_a_day(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    path, headers = f"{workspace.path}/calls", keyed()
    service.ask("POST", path, call(upstream), headers=headers)
    age(service, workspace, "workspace = workspace", seconds=23 * 3600)
    service.ask("POST", path, call(upstream), headers=headers)
    assert len(upstream.seen) == 1
    age(service, workspace, "workspace = workspace", seconds=25 * 3600)
    service.ask("POST", path, call(upstream), headers=headers)
    assert len(upstream.seen) == 2


def age(service: Service, workspace: Workspace, change: str, *, seconds: int) -> None:
    """Make the requests of a workspace older than they are, as if time had passed."""
    from datetime import UTC, datetime, timedelta

    begun = datetime.now(UTC) - timedelta(seconds=seconds)
    if service.database_url.startswith("sqlite"):
        begun = begun.replace(tzinfo=None)
    with databases.connected(service.database_url) as connection:
        done = connection.execute(
            text(f"UPDATE keyed_requests SET begun_at = :begun, {change} WHERE workspace = :workspace"),
            {"begun": str(begun), "workspace": workspace.name},
        )
        assert done.rowcount > 0


def test_neither_key_nor_request_nor_answer_can_be_read_in_the_database(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    words = [f"canary-{secrets.token_hex(12)}" for _ in range(2)]
    body = call(upstream) | {"body": {"type": "text", "content": words[0]}}
    answer = service.ask("POST", f"{workspace.path}/calls", body, headers=keyed(words[1]))
    assert words[0] in answer.text
    kept = databases.contents(service.database_url)
    assert not any(word.encode() in kept for word in words)


def test_a_deleted_workspace_takes_its_answers_along(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    service.ask("POST", f"{workspace.path}/calls", call(upstream), headers=keyed())
    assert service.ask("DELETE", f"{workspace.path}?confirm={workspace.name}").status_code == 204
    with databases.connected(service.database_url) as connection:
        found = connection.execute(
            text("SELECT count(*) FROM keyed_requests WHERE workspace = :workspace"), {"workspace": workspace.name}
        ).scalar()
    assert found == 0
