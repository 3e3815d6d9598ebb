"""Runs and calls that are served before Flask are answered as Flask answers them, refusals and all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.factory import create_app
from app.resources import InFlight, Resources
from app.settings import Settings
from app.web.fast_path import FastPath
from app.web.streams import Stream, stream_of
from app.web.wsgi import WsgiApp, environ_of, run
from app.wiring import open_resources
from tests.support.actors import Workspace
from tests.support.service import Service, free_port
from tests.support.upstream import Handler
from tests.support.upstream import upstream as run_upstream

Header = tuple[str, str]
Pair = tuple[WsgiApp, WsgiApp]
JSON: Final = "application/json"
# What differs from one answer to the next, whoever gives it.
_PASSING: Final = ("call_id", "request_id", "elapsed_ms")
_PASSING_HEADERS: Final = ("strongroom-call-id", "x-request-id", "content-length")


@dataclass(frozen=True)
class World:
    """A workspace with blocks to run, and tokens by the names that cases give them."""

    path: str
    upstream: str
    tokens: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """A request: a path below the workspace's, a body in which ``URL`` is the upstream's, and who sends it."""

    path: str
    body: bytes = b"{}"
    by: str = "runtime"
    more: tuple[Header, ...] = ()
    content_type: str = JSON
    host: str = "127.0.0.1:8000"
    scheme: str = "Bearer"

    def headers(self, world: World) -> list[Header]:
        proof = [("Authorization", f"{self.scheme} {world.tokens[self.by]}")] if self.by else []
        kind = [("Content-Type", self.content_type)] if self.content_type else []
        return [("Host", self.host), *proof, *kind, *self.more]

    def send(self, app: WsgiApp, world: World) -> Answer:
        path, _, query = f"{world.path}/{self.path}".partition("?")
        scope = {
            "method": "POST",
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 40000),
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers(world)],
        }
        return Answer.of(app, environ_of(scope, self.body.replace(b"URL", world.upstream.encode())))


@dataclass(frozen=True)
class Answer:
    """An answer without what is different each time; of headers that are, their names."""

    status: int
    headers: tuple[Header, ...]
    names: tuple[str, ...]
    body: object

    @classmethod
    def of(cls, app: WsgiApp, environ: dict[str, Any]) -> Answer:
        answer = run(app, environ)
        try:
            content = b"".join(answer.pieces)
        finally:
            answer.close()
        stream = stream_of(environ)
        told = sorted((name.decode(), value.decode()) for name, value in answer.headers)
        if stream is None:
            assert dict(told)["content-length"] == str(len(content))
        else:
            content = _whole(stream)
        headers = tuple(pair for pair in told if pair[0] not in _PASSING_HEADERS)
        # The front leaves a stream's length out, so that it is no matter whether one is told.
        names = tuple(name for name, _ in told if name != "content-length")
        return cls(answer.status, headers, names, _settled(content))

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


def _whole(stream: Stream) -> bytes:
    taken = b""
    while not stream.over:
        taken += stream.take()
    stream.finish()
    stream.close()
    return taken


def _settled(content: bytes) -> object:
    try:
        document = json.loads(content)
    except ValueError:
        return content
    told = {name: value for name, value in document.items() if name not in _PASSING}
    if "headers" in told:
        told["headers"] = [each for each in told["headers"] if each["name"] != "Date"]  # the upstream's
    return told


def _as_it_is(resources: Resources) -> Resources:
    return resources


@contextmanager
def both_ways(
    service: Service,
    more: Mapping[str, str] = MappingProxyType({}),
    *,
    change: Callable[[Resources], Resources] = _as_it_is,
) -> Iterator[Pair]:
    """The same application twice, on the same database and Vault: as it is served, and by Flask alone."""
    settings = Settings.from_env({**service.environ, **more})
    with ExitStack() as opened:
        fast, flask = (create_app(settings, change(opened.enter_context(open_resources(settings)))) for _ in range(2))
        yield fast.wsgi_app, leave_out_fast_path(flask)


def leave_out_fast_path(app: Flask) -> WsgiApp:
    outer: Any = app
    name = "wsgi_app"
    while not isinstance(getattr(outer, name), FastPath):
        outer, name = getattr(outer, name), "app"
    setattr(outer, name, getattr(outer, name).behind)
    return app.wsgi_app


@pytest.fixture(scope="module")
def world(service: Service) -> Iterator[World]:
    workspace = Workspace.make(service)
    with run_upstream() as upstream:
        host = f"127.0.0.1:{upstream.port}"
        upstream.scripts["/events"] = lambda handler: handler.answer(
            b"data: Kx7qT2vZ9mPf4LrW8bNd\n\n", headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "yes"}
        )
        upstream.scripts["/lost"] = lambda handler: handler.answer(b"", headers={"Transfer-Encoding": "unheard-of"})
        upstream.scripts["/slow"] = _stall
        _save_blocks(workspace, host)
        tokens = {
            "runtime": _token(workspace),
            "ad hoc": _token(workspace, ad_hoc=True),
            "stranger": _token(Workspace.make(service), ad_hoc=True),
            "platform": service.platform,
            "nonsense": "nonsense",
            "wrong": f"srm_{'a' * 16}_{'b' * 43}",
        }
        yield World(f"/api/v1{workspace.path}", f"http://{host}", tokens)


def _stall(handler: Handler) -> None:
    handler.upstream.released.wait(5)


def _save_blocks(workspace: Workspace, host: str) -> None:
    url, headers = f"http://{host}", [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}]
    for name, place in (("TOKEN", host), ("FAR", "api.example.com")):
        workspace.secret(name, "Kx7qT2vZ9mPf4LrW8bNd", visibility="restricted", allowed_hosts=[place])
    workspace.block("whole", {"method": "POST", "url": url, "headers": headers})
    workspace.block("parts", {"url": url, "captures": [{"name": "n", "path": "$.n"}]}, answer="captures")
    workspace.block("stream", {"url": f"{url}/events", "headers": headers}, answer="stream")
    workspace.block("needs", {"url": f"{url}/{{{{id}}}}"})
    workspace.block("astray", {"url": url, "headers": [{"name": "Authorization", "value": "{{secrets.FAR}}"}]})
    workspace.block("dead", {"url": f"http://127.0.0.1:{free_port()}/"})
    workspace.block("lost", {"url": f"{url}/lost"})
    workspace.block("slow", {"url": f"{url}/slow", "timeout_seconds": 0.2})


def _token(workspace: Workspace, **more: object) -> str:
    return str(workspace.ask("POST", "tokens", {"role": "runtime"} | more, keep=False).json()["token"])


@pytest.fixture(scope="module")
def ways(service: Service, world: World) -> Iterator[Pair]:
    with both_ways(service) as pair:
        yield pair


def run_of(block: str, body: bytes = b"{}", **more: Any) -> Asked:
    return Asked(f"blocks/{block}/run", body, **more)


def call_of(**call: object) -> Asked:
    return Asked("calls", json.dumps({"url": "URL/events"} | call).encode(), by="ad hoc")


def act_as(user: str) -> tuple[Header, ...]:
    return (("Strongroom-Act-As", user),)


DONE: Final[Mapping[str, Asked]] = {
    "a block": run_of("whole"),
    "no body": run_of("whole", b"", content_type=""),
    "a variable": run_of("needs", b'{"variables": {"id": 18446744073709551616}}'),
    "captures alone": run_of("parts"),
    "a stream": run_of("stream"),
    "a kind of JSON": run_of("whole", content_type="application/vnd.x+JSON; charset=utf-8"),
    "an id of the client's": run_of("whole", more=(("X-Request-ID", "mine-1234"),)),
    "a member": run_of("whole", by="platform", more=act_as("ed")),
    "a call": call_of(),
    "a call in a call": Asked("calls", b'{"call": {"url": "URL/x"}, "variables": {}}', by="ad hoc"),
    "a call that streams": call_of(answer="stream"),
}
UNUSUAL: Final[Mapping[str, tuple[int, Asked]]] = {
    "a query": (200, Asked("blocks/whole/run?x=1")),
    "a cookie": (200, run_of("whole", more=(("Cookie", "strongroom=x"),))),
    "a host that is none": (200, run_of("whole", host="a b")),
    "a path that ends in a slash": (404, Asked("blocks/whole/run/")),
    "a name with a NUL": (404, run_of("%00")),
    "another route": (415, Asked("secrets", content_type="text/plain", by="platform", more=act_as("ada"))),
}
REFUSED: Final[Mapping[str, tuple[str, Asked]]] = {
    "nobody": ("unauthenticated", run_of("whole", by="")),
    "nonsense": ("unauthenticated", run_of("whole", by="nonsense")),
    "a wrong token": ("unauthenticated", run_of("whole", by="wrong")),
    "another scheme": ("unauthenticated", run_of("whole", scheme="Basic")),
    "a token that acts for a user": ("forbidden", run_of("whole", more=act_as("ed"))),
    "acting for nobody": ("validation_failed", run_of("whole", by="platform", more=act_as("a b"))),
    "a stranger": ("not_found", run_of("whole", by="stranger")),
    "the platform itself": ("forbidden", run_of("whole", by="platform")),
    "a call by a token for blocks": ("forbidden", replace(call_of(), by="runtime")),
    "no JSON": ("malformed_json", run_of("whole", b"{")),
    "no UTF-8": ("malformed_json", run_of("whole", b'{"variables": "\xff"}')),
    "another media type": ("unsupported_media_type", run_of("whole", content_type="text/plain")),
    "no media type": ("unsupported_media_type", run_of("whole", content_type="")),
    "an unknown field": ("validation_failed", run_of("whole", b'{"x": 1}')),
    "a list": ("validation_failed", run_of("whole", b"[]")),
    "variables that are none": ("validation_failed", run_of("whole", b'{"variables": 1}')),
    "half a character": ("value_not_allowed_here", run_of("needs", b'{"variables": {"id": "\\ud800"}}')),
    "a call without a URL": ("validation_failed", Asked("calls", by="ad hoc")),
    "a header that can't be set": ("header_not_allowed", call_of(headers=[{"name": "Host", "value": "x"}])),
    "captures of a stream": ("validation_failed", call_of(answer="stream", captures=[{"name": "n", "path": "$"}])),
    "no such block": ("not_found", run_of("nothing")),
    "a name that is none": ("not_found", run_of("w-._1")),
    "a variable that is missing": ("missing_variable", run_of("needs")),
    "a secret that there isn't": ("unknown_secret", call_of(headers=[{"name": "X", "value": "{{secrets.NONE}}"}])),
    "a secret astray": ("destination_not_allowed", run_of("astray")),
    "an upstream that isn't there": ("upstream_unreachable", run_of("dead")),
    "an upstream that makes no sense": ("upstream_protocol", run_of("lost")),
    "an upstream that takes its time": ("upstream_timeout", run_of("slow")),
    "a key that is none": ("validation_failed", run_of("whole", more=(("Idempotency-Key", "a key"),))),
}


@pytest.mark.parametrize("name", DONE)
def test_what_is_done_is_answered_alike(world: World, ways: Pair, name: str) -> None:
    fast, flask = (DONE[name].send(app, world) for app in ways)
    assert fast == flask
    assert fast.status == 200
    assert ("proxy-status", "strongroom; received-status=200") in fast.headers


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_answered_alike(world: World, ways: Pair, name: str) -> None:
    code, asked = REFUSED[name]
    fast, flask = (asked.send(app, world) for app in ways)
    assert fast == flask
    assert fast.code == code


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_out_of_the_ordinary_goes_on_to_flask(world: World, ways: Pair, name: str) -> None:
    status, asked = UNUSUAL[name]
    fast, flask = (asked.send(app, world) for app in ways)
    assert fast == flask
    assert fast.status == status


def test_flask_is_asked_for_what_is_out_of_the_ordinary_alone(service: Service, world: World) -> None:
    reached: list[str] = []

    def note(environ: dict[str, Any], start_response: Callable[..., Any]) -> Sequence[bytes]:
        reached.append(environ["PATH_INFO"])
        start_response("204 No Content", [("Content-Length", "0")])
        return [b""]

    settings = Settings.from_env(service.environ)
    with open_resources(settings) as resources:
        fast: Any = create_app(settings, resources).wsgi_app
        fast.behind = note
        for asked in (*DONE.values(), *(asked for _, asked in REFUSED.values())):
            assert asked.send(fast, world).status != 204
        assert reached == []
        for _, asked in UNUSUAL.values():
            assert asked.send(fast, world).status == 204
    assert len(reached) == len(UNUSUAL)


def test_a_key_holds_whichever_way_a_request_comes(world: World, ways: Pair) -> None:
    for number, (first, again) in enumerate((ways, ways[::-1])):
        key = (("Idempotency-Key", f"either-way-{number}"),)
        done = run_of("whole", more=key).send(first, world)
        replayed = [run_of("whole", more=key).send(app, world) for app in (again, first)]
        assert replayed[0] == replayed[1]
        assert replayed[0].body == done.body
        assert ("idempotency-replayed", "true") in replayed[0].headers
        other = [run_of("whole", b'{"variables": {}}', more=key).send(app, world) for app in (again, first)]
        assert other[0] == other[1]
        assert other[0].code == "idempotency_key_reused"
        refused = [run_of("needs", more=(("Idempotency-Key", "mended"),)).send(app, world) for app in ways]
        assert refused[0] == refused[1]  # the key is free again
        streamed = [
            run_of("stream", more=(("Idempotency-Key", f"s-{number}"),)).send(app, world) for app in (first, again)
        ]
        assert (streamed[0].status, streamed[1].code) == (200, "conflict")


def _without_room(resources: Resources) -> Resources:
    return replace(resources, in_flight=InFlight(0))


def _broken(resources: Resources) -> Resources:
    return replace(resources, in_flight=None)  # type: ignore[arg-type]  # a fault that nobody foresaw


@pytest.mark.parametrize(
    ("code", "change", "more"),
    [
        ("too_many_calls", _without_room, {}),
        ("internal_error", _broken, {}),
        ("rate_limited", _as_it_is, {"STRONGROOM_RATE_LIMIT": "1/hour"}),
    ],
)
def test_what_a_service_without_room_refuses_is_answered_alike(
    service: Service, world: World, code: str, change: Callable[[Resources], Resources], more: Mapping[str, str]
) -> None:
    with both_ways(service, more, change=change) as ways:
        for app in ways if code == "rate_limited" else ():
            assert run_of("whole").send(app, world).status == 200
        fast, flask = (run_of("whole").send(app, world) for app in ways)
    assert _but_for_seconds(fast) == _but_for_seconds(flask)
    assert fast.code == code


def _but_for_seconds(answer: Answer) -> Answer:
    headers = tuple(pair for pair in answer.headers if pair[0] != "retry-after")
    body: Any = answer.body
    return replace(answer, headers=headers, body=body | {"detail": body["detail"].partition(";")[0]})


def test_a_database_that_is_away_is_told_alike(service: Service, world: World, tmp_path: Path) -> None:
    with both_ways(service, {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}) as ways:
        fast, flask = (run_of("whole").send(app, world) for app in ways)
    assert fast == flask
    assert (fast.status, fast.code) == (503, "record_unavailable")


def test_a_proxy_and_https_are_known_either_way(service: Service, world: World) -> None:
    more = {"STRONGROOM_PROXIES": "1", "STRONGROOM_PUBLIC_URL": "https://vault.example.com"}
    asked = run_of("whole", more=(("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")))
    with both_ways(service, more) as ways:
        fast, flask = (asked.send(app, world) for app in ways)
    assert fast == flask
    assert "strict-transport-security" in fast.names


def test_both_ways_are_logged_and_measured_alike(world: World, ways: Pair) -> None:
    told = []
    for app in ways:
        before = _counted()
        with capture_logs() as lines:
            run_of("whole", more=(("X-Request-ID", "one-and-only"),)).send(app, world)
        request = next(line for line in lines if line["event"] == "request")
        told.append(({**request, "elapsed_ms": None}, _counted() - before))
    assert told[0] == told[1]
    assert told[0][1] == 1


def _counted() -> float:
    labels = {"method": "POST", "route": "/api/v1/workspaces/<ws>/blocks/<block>/run", "status": "200"}
    return REGISTRY.get_sample_value("strongroom_http_request_seconds_count", labels) or 0.0
