"""Two copies of the service on one database: whichever is asked, it is one service."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import bindparam, text

from tests.support import databases
from tests.support.copies import launch_beside, two_copies
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream

RATE = 400

Copies = tuple[Service, Service]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    more = {"STRONGROOM_RATE_LIMIT": f"{RATE}/day", "STRONGROOM_RECONCILE_SECONDS": "3600"}
    with two_copies(tmp_path_factory.mktemp("copies"), **more) as both:
        yield both


@pytest.fixture
def token(copies: Copies) -> str:
    """A platform's token for this test alone, since requests are counted by it."""
    made = copies[0].ask("POST", "/tokens", {"role": "platform", "label": "a test's"}, user=None, keep=False)
    return str(made.json()["token"])


@pytest.fixture
def workspace(copies: Copies, token: str) -> str:
    name = f"w{uuid.uuid4().hex[:12]}"
    assert ask(copies[0], token, "POST", "/workspaces", {"name": name}).status_code == 201
    return name


def ask(copy: Service, token: str, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    sent = {"Strongroom-Act-As": "ada"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return copy.ask(method, path, body, token=token, headers=sent)


def verified(copy: Service, workspace: str) -> dict[str, Any]:
    """Have the record verified by the command; returns what it says of this chain."""
    told = copy.command("audit", "verify", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    return next(row for row in json.loads(told.stdout) if row["chain"] == workspace)


def call(upstream: Upstream, path: str = "/") -> dict[str, Any]:
    return {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}{path}"}


def test_both_write_one_record(copies: Copies, token: str, workspace: str, upstream: Upstream) -> None:
    def write(number: int) -> int:
        copy = copies[number % 2]
        if number % 3:
            return ask(copy, token, "POST", f"/workspaces/{workspace}/calls", call(upstream)).status_code
        body = {"name": f"V{number}", "value": "x"}
        return ask(copy, token, "POST", f"/workspaces/{workspace}/variables", body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(write, range(60))) == {200: 40, 201: 20}
    events = ask(copies[1], token, "GET", f"/workspaces/{workspace}/audit?limit=200").json()["items"]
    actions = Counter((event["action"], event["outcome"]) for event in events)
    assert actions["call.run", "intended"] == actions["call.run", "done"] == 40
    assert actions["variable.create", "done"] == 20
    assert verified(copies[0], workspace)["events"] == len(events)


@pytest.mark.parametrize("engine", ["kv", "transit"])
def test_what_is_changed_through_one_counts_at_once_at_the_other(
    copies: Copies, token: str, upstream: Upstream, engine: str
) -> None:
    at, host = f"/workspaces/w{uuid.uuid4().hex[:12]}", f"127.0.0.1:{upstream.port}"
    changing, calling = copies
    wanted = {"name": at.removeprefix("/workspaces/"), "engine": engine}
    assert ask(changing, token, "POST", "/workspaces", wanted).status_code == 201
    secret = {"name": "TOKEN", "value": "value-of-it", "visibility": "masked", "allowed_hosts": [host]}
    assert ask(changing, token, "POST", f"{at}/secrets", secret).status_code == 201
    header = {"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}
    block = {"name": "ping", "call": {"url": f"http://{host}/0", "headers": [header]}}
    assert ask(changing, token, "POST", f"{at}/blocks", block).status_code == 201
    made = ask(changing, token, "POST", f"{at}/tokens", {"role": "runtime", "label": "a copy's"}).json()

    def run() -> requests.Response:
        return calling.ask("POST", f"{at}/blocks/ping/run", {"variables": {}}, token=made["token"])

    def changed(path: str, change: dict[str, Any]) -> None:
        tag = ask(changing, token, "GET", path).headers["ETag"]
        assert ask(changing, token, "PATCH", path, change, If_Match=tag).status_code == 200

    for number in range(1, 6):
        assert run().status_code == 200
        changed(f"{at}/blocks/ping", {"call": block["call"] | {"url": f"http://{host}/{number}"}})  # type: ignore[operator]
        assert run().status_code == 200
        assert upstream.seen[-1].path == f"/{number}"
        assert ask(changing, token, "PUT", f"{at}/secrets/TOKEN/value", {"value": f"value-{number}"}).status_code == 200
        assert run().status_code == 200
        assert upstream.seen[-1].header("Authorization") == f"Bearer value-{number}"
        changed(f"{at}/secrets/TOKEN", {"allowed_hosts": ["example.com"]})
        assert problem(run()) == (403, "destination_not_allowed")
        changed(f"{at}/secrets/TOKEN", {"allowed_hosts": [host]})
    ask(changing, token, "PUT", f"{at}/secrets/TOKEN/value", {"value": "another-value"})
    assert run().status_code == 200
    assert upstream.seen[-1].header("Authorization") == "Bearer another-value"
    assert ask(changing, token, "DELETE", f"{at}/secrets/TOKEN?confirm=TOKEN&force=true").status_code == 204
    assert problem(run()) == (422, "unknown_secret")
    assert ask(changing, token, "DELETE", f"{at}/tokens/{made['id']}").status_code == 204
    assert problem(run()) == (401, "unauthenticated")


def test_eight_requests_with_one_key_make_one_call(
    copies: Copies, token: str, workspace: str, upstream: Upstream
) -> None:
    refused = threading.Event()

    def slow(handler: Handler) -> None:
        refused.wait(20)
        handler.answer(b'{"id": 7}')

    upstream.scripts["/slow"] = slow
    key, body = uuid.uuid4().hex, call(upstream, "/slow") | {"timeout_seconds": 60}
    path = f"/workspaces/{workspace}/calls"

    def write(number: int) -> requests.Response:
        answer = ask(copies[number % 2], token, "POST", path, body, Idempotency_Key=key)
        if answer.status_code == 409:
            refused.set()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(write, range(8)))
    done = [answer for answer in answers if answer.status_code == 200]
    assert {problem(answer) for answer in answers if answer not in done} <= {(409, "conflict")}
    assert len({answer.content for answer in done}) == 1
    for copy in copies:
        again = ask(copy, token, "POST", path, body, Idempotency_Key=key)
        assert again.content == done[0].content
        assert again.headers["Idempotency-Replayed"] == "true"
    assert len(upstream.seen) == 1


def test_requests_are_counted_over_both(copies: Copies, token: str) -> None:
    def look(number: int) -> int:
        return ask(copies[number % 2], token, "GET", "/workspaces").status_code

    with ThreadPoolExecutor(4) as pool:
        assert Counter(pool.map(look, range(RATE + 20))) == {200: RATE, 429: 20}


@pytest.mark.parametrize("kind", ["secrets", "variables"])
def test_of_eight_that_want_one_name_at_once_one_gets_it(copies: Copies, token: str, workspace: str, kind: str) -> None:
    names = ("Twin", "TWIN", "twin", "tWIN")

    def create(number: int) -> tuple[int, str | None]:
        body = {"name": names[number % 4], "value": f"value-{number}"}
        if kind == "secrets":
            body["visibility"] = "masked"
        answer = ask(copies[number % 2], token, "POST", f"/workspaces/{workspace}/{kind}", body)
        return answer.status_code, answer.json().get("code")

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(create, range(8))) == {(201, None): 1, (409, "name_taken"): 7}
    listed = ask(copies[0], token, "GET", f"/workspaces/{workspace}/variables").json()["items"]
    assert [each["name"].lower() for each in listed] == ["twin"]


def test_of_two_that_make_one_workspace_at_once_one_does(copies: Copies, token: str) -> None:
    for _ in range(4):
        new = {"name": f"w{uuid.uuid4().hex[:12]}", "engine": "transit"}
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda copy: ask(copy, token, "POST", "/workspaces", new).status_code, copies))  # noqa: B023
        assert sorted(made) == [201, 409]


def test_of_eight_that_save_one_block_at_once_one_does(copies: Copies, token: str, workspace: str) -> None:
    secret = {"name": "TOKEN", "value": "value-of-it", "visibility": "masked"}
    ask(copies[0], token, "POST", f"/workspaces/{workspace}/secrets", secret)
    header = {"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}
    block = {"name": "ping", "call": {"url": "https://example.com/", "headers": [header]}}

    def create(number: int) -> tuple[int, str | None]:
        answer = ask(copies[number % 2], token, "POST", f"/workspaces/{workspace}/blocks", block)
        return answer.status_code, answer.json().get("code")

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(create, range(8))) == {(201, None): 1, (409, "name_taken"): 7}


def test_a_user_may_become_known_in_many_places_at_once(copies: Copies, token: str, workspace: str) -> None:
    path = f"/workspaces/{workspace}/members"

    def act(number: int) -> tuple[int, int]:
        unseen = f"unseen{number // 8}@example.com"
        copy = copies[number % 2]
        acting = copy.ask("GET", "/me", token=token, headers={"Strongroom-Act-As": unseen})
        added = ask(copy, token, "PUT", f"{path}/new{number // 8}", {"role": "editor"})
        return acting.status_code, added.status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(act, range(24))) == {(200, 201): 3, (200, 200): 21}


def test_of_two_owners_who_leave_at_once_one_stays(copies: Copies, token: str, workspace: str) -> None:
    path = f"/workspaces/{workspace}/members"
    for _ in range(4):
        assert ask(copies[0], token, "PUT", f"{path}/bea", {"role": "owner"}).status_code in (200, 201)
        ways = [(copies[0], "bea"), (copies[1], "ada")]
        with ThreadPoolExecutor(2) as pool:
            left = list(pool.map(lambda way: ask(way[0], token, "DELETE", f"{path}/{way[1]}?confirm={way[1]}"), ways))
        assert sorted(answer.status_code for answer in left) in ([204, 404], [204, 409]), [each.text for each in left]
        if left[1].status_code == 204:
            assert copies[0].ask("PUT", f"{path}/ada", {"role": "owner"}, user="bea").status_code == 201


@pytest.mark.slow
def test_what_a_crash_left_is_mended_once(copies: Copies, token: str, workspace: str) -> None:
    path = f"/workspaces/{workspace}/secrets"
    values = {f"S{number}": f"value-{uuid.uuid4().hex}" for number in range(12)}
    for name, value in values.items():
        made = ask(copies[0], token, "POST", path, {"name": name, "value": value, "visibility": "masked"})
        assert made.status_code == 201
    wanted = {"deleting": list(values)[:4], "pending": list(values)[4:8], "active": list(values)[8:]}
    for state, names in wanted.items():
        leave_behind(copies[0], workspace, names, state=state)

    def mend(copy: Service) -> list[tuple[str, str]]:
        told = copy.command("reconcile", "--json")
        assert told.returncode == 0, told.stderr
        return [(row["secret"], row["remedy"]) for row in json.loads(told.stdout) if row["workspace"] == workspace]

    with ThreadPoolExecutor(2) as pool:
        mended = [each for told in pool.map(mend, copies) for each in told]
    assert sorted(mended) == sorted(
        (name, "deleted" if state == "deleting" else "finished") for state, names in wanted.items() for name in names
    )
    for name, value in values.items():
        shown = ask(copies[1], token, "POST", f"{path}/{name}/reveal")
        if name in wanted["deleting"]:
            assert shown.status_code == 404
        else:
            assert shown.json()["value"] == value


def leave_behind(copy: Service, workspace: str, names: list[str], *, state: str) -> None:
    """Leave secrets as a process does that died an hour ago, before it could say how far it came."""
    then = datetime.now(UTC) - timedelta(hours=1)
    touched = then.replace(tzinfo=None) if copy.database_url.startswith("sqlite") else then
    change = text(
        "UPDATE variables SET unfinished = true, state = :state, touched_at = :touched "
        "WHERE workspace = :workspace AND name IN :names"
    ).bindparams(bindparam("names", expanding=True))
    with databases.connected(copy.database_url) as connection:
        given = {"state": state, "touched": str(touched), "workspace": workspace, "names": names}
        assert connection.execute(change, given).rowcount == len(names)


@pytest.mark.slow
def test_a_copy_that_is_killed_takes_no_acknowledged_event_along(
    copies: Copies, token: str, workspace: str, upstream: Upstream, tmp_path: Path, chance: random.Random
) -> None:
    wanted = chance.randint(5, 40)
    doomed = launch_beside(copies[0], tmp_path)
    both = (copies[0], doomed)
    acknowledged: tuple[list[str], list[str]] = ([], [])
    enough = threading.Event()

    def write(number: int) -> None:
        # A copy that is much faster stops, or the other would have to be as fast before requests are limited.
        while not enough.is_set() and len(acknowledged[number]) < 60:
            try:
                answer = ask(both[number], token, "POST", f"/workspaces/{workspace}/calls", call(upstream))
            except requests.RequestException:
                return
            if answer.status_code == 200:
                acknowledged[number].append(answer.json()["call_id"])

    threads = [threading.Thread(target=write, args=(number % 2,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while min(map(len, acknowledged)) < wanted:
        assert any(thread.is_alive() for thread in threads)
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.02))
    doomed.kill()
    enough.set()
    for thread in threads:
        thread.join()
    calls = [call_id for each in acknowledged for call_id in each]
    kept = recorded(copies[0], token, workspace)
    assert kept >= {(call_id, outcome) for call_id in calls for outcome in ("intended", "done")}
    assert verified(copies[0], workspace)["fault"] is None


def recorded(copy: Service, token: str, workspace: str) -> set[tuple[str, str]]:
    """Return all calls in the record, with each of their events' outcomes."""
    path, items = f"/workspaces/{workspace}/audit?action=call.run&limit=200", []
    page: dict[str, Any] = {"next_cursor": ""}
    while (cursor := page["next_cursor"]) is not None:
        page = ask(copy, token, "GET", f"{path}&cursor={cursor}" if cursor else path).json()
        items += page["items"]
    return {(event["call_id"], event["outcome"]) for event in items}
