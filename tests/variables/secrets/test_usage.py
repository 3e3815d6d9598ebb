"""How secrets are used is counted from what happened, up to the moment and fast."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.access import Access, Actor, Role
from app.audit.append import append
from app.audit.service import Deed, Target
from app.db import Sessions, cursor_of, open_engine
from app.kernel.clock import system_clock
from app.migrations import upgrade
from app.variables.models import VariableRow
from app.variables.secrets.usage import Usage, count_usage, usage_of
from app.workspaces.models import WorkspaceRow
from tests.support import databases
from tests.support.actors import Workspace
from tests.support.doors import resources_of
from tests.support.service import Service, problem
from tests.support.upstream import Upstream

ADA = Access(Actor("user", "ada"), "acme", Role.OWNER)


@pytest.fixture
def ws_name(service: Service) -> str:
    return Workspace.make(service, refuse_expired=True).name


def make(service: Service, ws_name: str, upstream: Upstream, **more: object) -> None:
    hosts = [f"127.0.0.1:{upstream.port}"]
    body = {"name": "TOKEN", "value": uuid.uuid4().hex, "visibility": "masked", "allowed_hosts": hosts} | more
    assert service.ask("POST", f"/workspaces/{ws_name}/secrets", body).status_code == 201


def call(upstream: Upstream, path: str = "/") -> dict[str, object]:
    headers = [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}]
    return {"method": "GET", "url": f"http://127.0.0.1:{upstream.port}{path}", "headers": headers}


def test_usage_tells_blocks_calls_and_denials_up_to_this_moment(
    service: Service, ws_name: str, upstream: Upstream
) -> None:
    make(service, ws_name, upstream)
    path = f"/workspaces/{ws_name}/secrets/TOKEN/usage"
    assert service.ask("GET", path).json() == {
        "blocks": [], "calls": 0, "last_used_at": None, "last_used_by": None, "upstream_denied_24h": 0,
    }  # fmt: skip
    upstream.scripts["/denied"] = lambda handler: handler.answer(b"{}", 403)
    made = service.ask("POST", f"/workspaces/{ws_name}/blocks", {"name": "fetch", "call": call(upstream)})
    assert made.status_code == 201, made.text
    for _ in range(2):
        assert service.ask("POST", f"/workspaces/{ws_name}/blocks/fetch/run", {}).status_code == 200
    told = service.ask("GET", path).json()
    assert (told["blocks"], told["calls"], told["last_used_by"]) == (["fetch"], 2, "fetch")
    assert service.ask("POST", f"/workspaces/{ws_name}/calls", call(upstream, "/denied")).json()["status"] == 403
    told = service.ask("GET", path).json()
    assert (told["calls"], told["last_used_by"], told["upstream_denied_24h"]) == (3, None, 1)
    end = time.monotonic() + 60
    while not service.ask("GET", f"/workspaces/{ws_name}/secrets?unused=false").json()["items"]:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert service.ask("GET", f"/workspaces/{ws_name}/secrets/TOKEN").json()["last_used_at"] is not None
    assert service.ask("GET", f"/workspaces/{ws_name}/secrets?unused=true").json()["items"] == []
    assert service.ask("GET", path).json() == told
    assert problem(service.ask("GET", f"/workspaces/{ws_name}/secrets/NOTHING/usage")) == (404, "not_found")


def test_an_expired_secret_is_refused_where_the_workspace_says_so(
    service: Service, ws_name: str, upstream: Upstream
) -> None:
    soon = (system_clock() + timedelta(seconds=1)).isoformat()
    make(service, ws_name, upstream, expires_at=soon)
    path = f"/workspaces/{ws_name}/secrets/TOKEN"
    assert service.ask("GET", path).json()["expiry"] in ("expiring", "expired")
    end = time.monotonic() + 60
    while service.ask("GET", path).json()["expiry"] != "expired":
        assert time.monotonic() < end
        time.sleep(0.1)
    answer = service.ask("POST", f"/workspaces/{ws_name}/calls", call(upstream))
    assert problem(answer) == (403, "secret_expired")
    assert upstream.seen == []
    assert service.ask("GET", f"{path}/usage").json()["calls"] == 0


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    (tmp_path / "var").mkdir()
    sessions = Sessions(open_engine(databases.url_for(tmp_path)))
    upgrade(sessions.engine)
    now = {"created_at": system_clock(), "created_by": "ada", "updated_at": system_clock(), "updated_by": "ada"}
    with sessions.begin() as session:
        session.add(WorkspaceRow(name="acme", title="", engine="kv", refuse_expired=False, state="active", **now))
        session.flush()
        session.add(
            VariableRow(
                id="1", workspace="acme", name="TOKEN", folded_name="token", kind="secret", visibility="masked",
                touched_at=system_clock(), **now,
            )
        )  # fmt: skip
    yield sessions
    sessions.close()


def run(sessions: Sessions, many: int, *, status: int = 200, age: timedelta = timedelta()) -> None:
    detail = {"secrets": ["TOKEN"], "secret_ids": {"TOKEN": "1"}, "status": status}
    deeds = [Deed(ADA, "call.run", Target("block", "b", "fetch"), detail=dict(detail)) for _ in range(many)]
    with sessions.begin() as session:
        append(cursor_of(session.connection()), [deed.event("done", system_clock() - age) for deed in deeds])


def used(sessions: Sessions) -> Usage:
    return usage_of("TOKEN", access=ADA, resources=resources_of(sessions))


def test_counting_twice_counts_once_and_what_is_a_day_old_is_no_denial(sessions: Sessions) -> None:
    run(sessions, 3, status=401, age=timedelta(hours=25))
    run(sessions, 2, status=401)
    run(sessions, 700)
    before = used(sessions)
    assert (before.calls, before.upstream_denied_24h, before.last_used_by) == (705, 2, "fetch")
    for _ in range(2):
        count_usage(sessions=sessions, clock=system_clock)
        assert used(sessions) == before
    run(sessions, 1)
    assert dataclasses.replace(used(sessions), last_used_at=None).calls == 706


def test_a_call_that_never_went_out_is_no_use(sessions: Sessions) -> None:
    detail: dict[str, object] = {"secrets": ["TOKEN"], "secret_ids": {"TOKEN": "1"}}
    for outcome, code, counts in (
        ("refused", "destination_not_allowed", 0), ("failed", "vault_unavailable", 0), ("intended", "", 0),
        ("failed", "upstream_timeout", 1), ("failed", "response_too_large", 2),
    ):  # fmt: skip
        deed = Deed(ADA, "call.run", Target("call"), detail=detail | {"code": code})
        with sessions.begin() as session:
            append(cursor_of(session.connection()), [deed.event(outcome, system_clock())])  # type: ignore[arg-type]
        assert used(sessions).calls == counts
