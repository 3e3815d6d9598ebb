"""Who looked at a secret and who used it, by version."""

from __future__ import annotations

import uuid

from tests.support.service import Service, problem
from tests.support.upstream import Upstream


def test_looks_and_uses_are_told_by_actor_and_version(service: Service, upstream: Upstream) -> None:
    ws = f"/workspaces/w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": ws.rpartition("/")[2]}).status_code == 201
    assert service.ask("PUT", f"{ws}/members/ed", {"role": "editor"}).status_code == 201
    host = f"127.0.0.1:{upstream.port}"
    secret = {"name": "TOKEN", "value": "canary-first", "visibility": "masked", "allowed_hosts": [host]}
    assert service.ask("POST", f"{ws}/secrets", secret).status_code == 201
    call = {"url": f"http://{host}/", "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}]}
    for _ in range(2):
        assert service.ask("POST", f"{ws}/calls", call, user="ed").status_code == 200
    assert service.ask("PUT", f"{ws}/secrets/TOKEN/value", {"value": "canary-second"}).status_code == 200
    assert service.ask("POST", f"{ws}/calls", call).status_code == 200
    assert service.ask("POST", f"{ws}/secrets/TOKEN/reveal", keep=False).status_code == 200
    refused = call | {"url": "http://127.0.0.2:9/"}
    assert service.ask("POST", f"{ws}/calls", refused).status_code == 403, "nothing went out: no use"
    assert service.ask("POST", f"{ws}/blocks", {"name": "try", "call": call | {"method": "GET"}}).status_code == 201
    tried = service.ask("PUT", f"{ws}/secrets/TOKEN/value", {"value": "canary-third", "check": {"block": "try"}})
    assert tried.status_code == 200, "a check is no use"
    answer = service.ask("GET", f"{ws}/secrets/TOKEN/access").json()
    assert answer["next_cursor"] is None
    rows = [(each["actor"]["acting_for"], each["action"], each["version"], each["count"]) for each in answer["items"]]
    assert rows == [("ada", "reveal", 2, 1), ("ada", "use", 2, 1), ("ed", "use", 1, 2)]
    assert answer["items"][2]["first_at"] < answer["items"][2]["last_at"]
    assert problem(service.ask("GET", f"{ws}/secrets/TOKEN/access", user="ed")) == (403, "forbidden")
    assert problem(service.ask("GET", f"{ws}/secrets/NONE/access")) == (404, "not_found")
