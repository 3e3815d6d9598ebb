"""What one call costs: statements to the database, reads from Vault, connections; and how many run at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from app.factory import create_app
from app.settings import Settings
from app.wiring import open_resources
from tests.support.service import Service
from tests.support.upstream import Handler, Upstream
from tests.support.vault_log import reads, values_read


@contextmanager
def inside(service: Service, **more: str) -> Iterator[tuple[FlaskClient, list[str]]]:
    """The same service once more in this process, on the same database and Vault; with what its database is asked."""
    settings = Settings.from_env({**service.environ, **more})
    with open_resources(settings) as resources, noted(resources.sessions.engine) as asked:
        yield create_app(settings, resources).test_client(), asked


@contextmanager
def noted(engine: Engine) -> Iterator[list[str]]:
    """What the driver is asked for, whoever asks it: the verb and the table of each statement."""
    asked: list[str] = []

    def note(statement: object) -> None:
        found = re.match(r"(SELECT|INSERT|DELETE)\b.*?\b(?:FROM|INTO) (\w+)|(UPDATE) (\w+)", str(statement), re.DOTALL)
        if found and "leases" not in found.groups():  # that goes by the clock and not by calls
            asked.append(" ".join(filter(None, found.groups())))

    class NotingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *more: Any, **options: Any) -> Any:
            note(query)
            return super().execute(query, *more, **options)

        def executemany(self, query: Any, *more: Any, **options: Any) -> None:
            note(query)
            super().executemany(query, *more, **options)

    def watch(connection: Any, *_: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = NotingCursor

    event.listen(engine, "connect", watch)
    yield asked


def run(client: FlaskClient, path: str, token: str) -> TestResponse:
    return client.post(f"/api/v1{path}", json={}, headers={"Authorization": f"Bearer {token}"})


def prepare(service: Service, ws_path: str, upstream: Upstream) -> tuple[str, str]:
    """Save a block with two secrets, one of them twice, and two variables; returns its path and a token to run it."""
    for name in ("ONE", "TWO"):
        secret: dict[str, object] = {"name": name, "value": f"value-of-{name}", "visibility": "masked"}
        secret |= {"allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
        assert service.ask("POST", f"{ws_path}/secrets", secret).status_code == 201
    for name in ("a", "b"):
        assert service.ask("POST", f"{ws_path}/variables", {"name": name, "value": "x"}).status_code == 201
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/{{{{a}}}}/{{{{b}}}}",
        "headers": [{"name": f"X-{n}", "value": f"{{{{secrets.{n}}}}}"} for n in ("ONE", "TWO")],
        "query": [{"name": "again", "value": "{{secrets.ONE}}"}],
        "timeout_seconds": 60,
    }
    assert service.ask("POST", f"{ws_path}/blocks", {"name": "block", "call": call}).status_code == 201
    made = service.ask("POST", f"{ws_path}/tokens", {"role": "runtime"}, keep=False)
    return f"{ws_path}/blocks/block/run", str(made.json()["token"])


RECORD = ["SELECT chain_heads", "UPDATE chain_heads", "INSERT events"]


def test_a_call_asks_the_database_and_vault_for_no_more_than_it_needs(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    path, token = prepare(service, ws_path, upstream)
    with inside(service) as (client, asked):
        for _ in range(2):  # logs in to Vault and notes the token's first use, then looks the token up anew
            assert run(client, path, token).status_code == 200
        before = values_read(service, ws_path)
        asked.clear()
        assert run(client, path, token).status_code == 200
        each_time = sorted(asked)
        read = values_read(service, ws_path)[len(before) :]
        assert service.ask("POST", f"{ws_path}/variables", {"name": "c", "value": "x"}).status_code == 201
        asked.clear()
        assert run(client, path, token).status_code == 200
        after_a_change = sorted(asked)
    assert sorted(read) == ["masked/ONE", "masked/TWO"]
    assert each_time == sorted(["SELECT changes", *RECORD, *RECORD])
    looked_up = ["tokens", "workspaces", "blocks", "workspaces", "variables", "variables", *["changes"] * 6]
    assert after_a_change == sorted([*(f"SELECT {table}" for table in looked_up), *RECORD, *RECORD])


def test_a_list_of_blocks_asks_the_database_no_more_often_the_longer_it_is(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    prepare(service, ws_path, upstream)
    call = service.ask("GET", f"{ws_path}/blocks/block").json()["call"]
    for number in range(5):
        body = {"name": f"more-{number}", "call": call}
        assert service.ask("POST", f"{ws_path}/blocks", body).status_code == 201
    with inside(service) as (client, asked):
        headers = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ada"}
        assert client.get(f"/api/v1{ws_path}/blocks", headers=headers).status_code == 200
        asked.clear()
        assert len(client.get(f"/api/v1{ws_path}/blocks", headers=headers).get_json()["items"]) == 6
    # Of the variables, secrets in one query and plain ones in another.
    assert asked[-4:] == ["SELECT blocks", "SELECT workspaces", "SELECT variables", "SELECT variables"]
    assert (asked.count("SELECT blocks"), asked.count("SELECT variables")) == (1, 2)


def test_connections_to_vault_and_upstream_are_reused(service: Service, ws_path: str, upstream: Upstream) -> None:
    path, token = prepare(service, ws_path, upstream)
    peers: set[int] = set()

    def note(handler: Handler) -> None:
        peers.add(handler.client_address[1])
        handler.answer(b"{}")

    upstream.scripts["/x/x"] = note
    with inside(service) as (client, _):
        for _ in range(4):
            assert run(client, path, token).status_code == 200
    assert len(peers) == 1
    assert len({entry["request"]["remote_port"] for entry in reads(service, ws_path)}) == 1


def test_a_workspace_has_so_many_calls_in_flight_and_no_more(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    path, token = prepare(service, ws_path, upstream)
    other = f"{ws_path}-other"
    assert service.ask("POST", "/workspaces", {"name": other.removeprefix("/workspaces/")}).status_code == 201
    other_path, other_token = prepare(service, other, upstream)
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def stall(handler: Handler) -> None:
        arrived.release()
        go_on.wait(30)
        handler.answer(b"{}")

    upstream.scripts["/x/x"] = stall
    with inside(service, STRONGROOM_CALLS_IN_FLIGHT="2") as (client, _), ThreadPoolExecutor(3) as threads:
        stalled = [threads.submit(run, client.application.test_client(), path, token) for _ in range(2)]
        try:
            assert all(arrived.acquire(timeout=30) for _ in range(2))
            refused = run(client, path, token)
            elsewhere = threads.submit(run, client.application.test_client(), other_path, other_token)
            assert arrived.acquire(timeout=30)
        finally:
            go_on.set()
        assert (refused.status_code, refused.get_json()["code"]) == (429, "too_many_calls")
        assert int(refused.headers["Retry-After"]) > 0
        assert [each.result().status_code for each in (*stalled, elsewhere)] == [200, 200, 200]
        assert run(client, path, token).status_code == 200
    outcomes = service.ask("GET", f"{ws_path}/audit?action=call.run&outcome=refused").json()["items"]
    assert [each["detail"]["code"] for each in outcomes] == ["too_many_calls"]
