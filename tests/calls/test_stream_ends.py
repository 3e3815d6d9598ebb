"""What ends a stream: whatever it stands on, within seconds, told in the stream's own way; and what doesn't."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from app.db import Sessions, open_engine
from app.identity.users import Users
from app.kernel.clock import system_clock
from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.streams import CANARY, add_block, events_upstream, outcomes, reading, send_chunk
from tests.support.upstream import Handler, Upstream

SOON = 10
"""Seconds within which a stream has to end here: two, and what a busy machine takes besides."""


@pytest.fixture
def ws(service: Service) -> str:
    return Workspace.make(service, members={"bob": "owner"}).name


def _change(service: Service, ws: str, what: str, change: dict[str, Any]) -> requests.Response:
    path = f"/workspaces/{ws}/{what}"
    etag = service.ask("GET", path, user="bob").headers["ETag"]
    return service.ask("PATCH", path, change, headers={"If-Match": etag}, user="bob", keep=False)


def _delete(path: str) -> Callable[[Service, str], requests.Response]:
    return lambda service, ws: service.ask("DELETE", f"/workspaces/{ws}{path.format(ws=ws)}", user="bob")


def _narrow_places(service: Service, ws: str) -> requests.Response:
    return _change(service, ws, "secrets/TOKEN", {"allowed_places": ["header:Authorization"]})


def _move_hosts(service: Service, ws: str) -> requests.Response:
    change = {"allowed_hosts": ["b.example.com"], "value": CANARY + "2"}
    return _change(service, ws, "secrets/TOKEN", change)


def _narrow_requests(service: Service, ws: str) -> requests.Response:
    return _change(service, ws, "secrets/TOKEN", {"allowed_requests": [{"methods": ["GET"], "path": "/other"}]})


def _create_anew(service: Service, ws: str) -> requests.Response:
    """Delete the block and save another one under its name: what runs is another block all the same."""
    saved = service.ask("GET", f"/workspaces/{ws}/blocks/s", user="bob").json()
    service.ask("DELETE", f"/workspaces/{ws}/blocks/s?confirm=s", user="bob")
    same = {name: saved[name] for name in ("name", "call", "answer")}
    return service.ask("POST", f"/workspaces/{ws}/blocks", same, user="bob")


ENDS: dict[str, tuple[Callable[[Service, str], requests.Response], str]] = {
    "secret deleted": (_delete("/secrets/TOKEN?confirm=TOKEN&force=true"), "conflict"),
    "block deleted": (_delete("/blocks/s?confirm=s"), "not_found"),
    "block created anew": (_create_anew, "not_found"),
    "workspace deleted": (_delete("?confirm={ws}"), "not_found"),
    "member removed": (_delete("/members/ada?confirm=ada"), "not_found"),
    "hosts changed": (_move_hosts, "conflict"),
    "places changed": (_narrow_places, "conflict"),
    "requests changed": (_narrow_requests, "conflict"),
}


def test_a_stream_ends_with_whatever_it_stands_on(service: Service, upstream: Upstream) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    for what, (end, code) in ENDS.items():
        ws = Workspace.make(service, members={"bob": "owner"}).name
        add_block(service, upstream, ws)
        with reading(service, ws) as reader:
            reader.until(b"data: one")
            done = end(service, ws)
            assert done.ok, (what, done.text)
            began = time.monotonic()
            reader.until(b"event: strongroom-error")
            assert time.monotonic() - began < SOON, what
            reader.rest()
        problem = json.loads(reader.came.partition(b"event: strongroom-error\ndata: ")[2].partition(b"\n")[0])
        assert problem["code"] == code, what
        assert problem["request_id"] == reader.header("X-Request-ID")
        if what != "workspace deleted":
            event = service.ask("GET", f"/workspaces/{ws}/audit?action=call.run", user="bob").json()["items"][0]
            assert (event["outcome"], event["detail"]["code"]) == ("failed", code), what


def test_a_stream_ends_with_its_token_and_with_who_made_it(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    add_block(service, upstream, ws)
    body = {"role": "runtime", "label": "t"}
    for how in ("revoked", "maker left"):
        made = service.ask("POST", f"/workspaces/{ws}/tokens", body, keep=False).json()
        with reading(service, ws, token=made["token"]) as reader:
            reader.until(b"data: one")
            if how == "revoked":
                gone = service.ask("DELETE", f"/workspaces/{ws}/tokens/{made['id']}")
            else:
                gone = service.ask("DELETE", f"/workspaces/{ws}/members/ada?confirm=ada", user="bob")
            assert gone.ok, gone.text
            reader.until(b"event: strongroom-error")
            reader.rest()
        assert b'"code": "unauthenticated"' in reader.came


def test_a_stream_ends_when_its_user_is_disabled(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    service.ask("PUT", f"/workspaces/{ws}/members/eve-streams", {"role": "owner"})
    sessions = Sessions(open_engine(service.database_url))
    users = Users(sessions, system_clock)
    users.create("eve-streams", "a-long-pass-phrase-9", must_change=False)
    add_block(service, upstream, ws)
    with reading(service, ws, Strongroom_Act_As="eve-streams") as reader:
        reader.until(b"data: one")
        users.disable("eve-streams")
        reader.until(b"event: strongroom-error")
    sessions.close()


def test_a_new_value_and_a_new_title_end_no_stream(service: Service, upstream: Upstream, ws: str) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one")
        put = service.ask("PUT", f"/workspaces/{ws}/secrets/TOKEN/value", {"value": CANARY + "new"}, keep=False)
        assert put.status_code == 200
        assert _change(service, ws, "blocks/s", {"title": "Another"}).ok
        time.sleep(1.5)  # longer than between two looks at what it stands on
        go.set()
        assert reader.rest().endswith(b"0\r\n\r\n")
    assert b"strongroom-error" not in reader.came


def _hold_open(ended: threading.Event) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        send_chunk(handler, b"data: one\n\n")
        handler.connection.settimeout(20)
        if handler.connection.recv(1) == b"":
            ended.set()
        handler.close_connection = True

    return answer


@pytest.mark.parametrize("how", ["closes", "shuts its sending half", "resets"])
def test_a_client_that_goes_away_ends_the_call_upstream(
    service: Service, upstream: Upstream, ws: str, how: str
) -> None:
    ended = threading.Event()
    upstream.scripts["/stream"] = _hold_open(ended)
    add_block(service, upstream, ws)
    with reading(service, ws) as reader:
        reader.until(b"data: one")
        if how == "shuts its sending half":
            reader.socket.shutdown(socket.SHUT_WR)
        elif how == "resets":
            reader.reset()
        else:
            reader.socket.close()
        assert ended.wait(SOON)
    event = outcomes(service, ws, await_end=True)[0]
    assert (event["outcome"], event["detail"]["code"]) == ("failed", "client_gone")


def test_a_client_that_goes_away_before_the_head_ends_the_call_upstream(
    service: Service, upstream: Upstream, ws: str
) -> None:
    came, ended = threading.Event(), threading.Event()

    def answer(handler: Handler) -> None:
        came.set()
        handler.connection.settimeout(60)
        if handler.connection.recv(1) == b"":
            ended.set()
        handler.close_connection = True

    upstream.scripts["/stream"] = answer
    add_block(service, upstream, ws, timeout=60)
    with reading(service, ws, Idempotency_Key=ws):
        assert came.wait(60)
    assert ended.wait(SOON)
    event = outcomes(service, ws, await_end=True)[0]
    assert (event["outcome"], event["detail"]["code"]) == ("failed", "client_gone")
    again = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {}, headers={"Idempotency-Key": ws})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert len(upstream.seen) == 1


def test_an_upstream_that_pauses_for_too_long_ends_its_stream(service: Service, upstream: Upstream, ws: str) -> None:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    add_block(service, upstream, ws, timeout=1)
    with reading(service, ws) as reader:
        reader.until(b"event: strongroom-error")
        reader.rest()
    assert b'"code": "upstream_timeout"' in reader.came
    assert outcomes(service, ws, await_end=True)[0]["detail"]["code"] == "upstream_timeout"
