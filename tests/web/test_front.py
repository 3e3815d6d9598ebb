"""Requests as they really come: cut off, slow, ambiguous, too large; and what they may begin."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from typing import Any

import pytest

from app.web.front import Front, FrontLimits
from app.web.relay import RequireGround
from tests.support.loops import complete
from tests.support.service import Service
from tests.support.upstream import Upstream

_LATER = 20.0


def send(service: Service, data: bytes, *, half_close: bool = False) -> tuple[int, dict[str, object]]:
    """Send bytes, and read what is answered to them: the status and the document."""
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=_LATER)) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        with HTTPResponse(connection) as answer:
            answer.begin()
            return answer.status, json.loads(answer.read() or b"{}")


def head(service: Service, path: str, *lines: str, method: str = "POST") -> bytes:
    usual = (
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{service.port}",
        f"Authorization: Bearer {service.platform}",
        "Strongroom-Act-As: ada",
        "Content-Type: application/json",
    )
    return "\r\n".join((*usual, *lines, "", "")).encode("latin-1")


def runs(service: Service, ws_name: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = service.ask("GET", f"/workspaces/{ws_name}/audit?action=call.run").json()["items"]
    return items


def cut_bodies() -> Iterator[tuple[str, bytes]]:
    yield "nothing of what was announced", b"Content-Length: 1000\r\n\r\n"
    yield "a part of what was announced", b"Content-Length: 1000\r\n\r\n{"
    yield "chunks announced and none sent", b"Transfer-Encoding: chunked\r\n\r\n"
    yield "one chunk and no end", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    yield "half a chunk", b"Transfer-Encoding: chunked\r\n\r\n40\r\n{}\r\n"
    yield "no end after the last chunk", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    yield "a chunk without a size", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize("body", [body for _, body in cut_bodies()], ids=[name for name, _ in cut_bodies()])
@pytest.mark.parametrize("way", ["half closed", "closed"])
def test_a_request_that_does_not_arrive_whole_begins_nothing(
    service: Service, ws_name: str, body: bytes, way: str
) -> None:
    block = {"name": "ping", "call": {"method": "POST", "url": "https://127.0.0.1:1/"}}
    assert service.ask("POST", f"/workspaces/{ws_name}/blocks", block).status_code == 201
    request = head(service, f"/api/v1/workspaces/{ws_name}/blocks/ping/run")[:-2] + body
    if way == "closed":
        with closing(socket.create_connection(("127.0.0.1", service.port), timeout=_LATER)) as connection:
            connection.sendall(request)
    else:
        status, problem = send(service, request, half_close=True)
        assert (status, problem["code"]) == (400, "malformed_json")
    assert runs(service, ws_name) == []


def test_an_empty_body_counts_only_where_none_was_announced(service: Service, ws_name: str) -> None:
    path = f"/api/v1/workspaces/{ws_name}/calls/preview"
    for lines in (("Content-Length: 0",), ()):
        status, problem = send(service, head(service, path, *lines))
        assert (status, problem["code"]) == (422, "validation_failed")  # read as {}, which lacks a URL
    status, problem = send(service, head(service, path, "Transfer-Encoding: chunked") + b"0\r\n\r\n")
    assert (status, problem["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/me", "/api/v1/openapi.json", "/sign-in", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_cut_body_is_refused_on_every_route(service: Service, path: str, method: str) -> None:
    for body in (b"Content-Length: 10\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"):
        status, problem = send(service, head(service, path, method=method)[:-2] + body, half_close=True)
        assert status == 400
        assert problem["code"] == ("malformed_json" if path.startswith("/api/") else "validation_failed")


def test_a_cut_form_of_a_page_is_refused_too(service: Service) -> None:
    lines = "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    status, problem = send(service, f"{lines}Content-Length: 100\r\n\r\nuser=ada".encode(), half_close=True)
    assert (status, problem["code"]) == (400, "validation_failed")


@pytest.mark.parametrize(
    "line",
    [
        "Strongroom-Act-As: bob",
        "strongroom-act-as: ada",
        "Authorization: Bearer x",
        "Idempotency-Key: a\r\nIdempotency-Key: b",
    ],
)
def test_a_header_that_decides_something_comes_once(service: Service, ws_name: str, line: str) -> None:
    status, problem = send(service, head(service, f"/api/v1/workspaces/{ws_name}", line, method="GET"))
    assert (status, problem["code"]) == (400, "bad_request")
    assert "twice" in str(problem["detail"])


def test_a_header_of_ours_has_ascii_only(service: Service, ws_name: str) -> None:
    request = head(service, f"/api/v1/workspaces/{ws_name}", "Idempotency-Key: \xff", method="GET")
    status, problem = send(service, request)
    assert (status, problem["code"]) == (400, "bad_request")


@pytest.mark.parametrize("order", ["before", "after"])
def test_an_underscore_makes_no_header_of_ours(service: Service, order: str) -> None:
    lines = head(service, "/api/v1/me", method="GET").decode().split("\r\n")
    lines.insert(2 if order == "before" else 5, "Strongroom_Act_As: mallory")
    status, me = send(service, "\r\n".join(lines).encode())
    assert status == 200
    assert "mallory" not in json.dumps(me)
    assert me["actor"]["acting_for"] == "ada"  # type: ignore[index]


def test_a_stranger_sends_no_large_body(service: Service, ws_name: str) -> None:
    lines = f"POST /api/v1/workspaces/{ws_name}/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer srm_x_y\r\n"
    status, problem = send(service, f"{lines}Content-Length: 70000\r\n\r\n".encode() + b" " * 70000)
    assert (status, problem["code"]) == (413, "payload_too_large")


@pytest.mark.slow
def test_large_bodies_share_512_mebibytes_a_process(service: Service, ws_name: str, upstream: Upstream) -> None:
    path = f"/api/v1/workspaces/{ws_name}/calls"
    large = 42 * 1024 * 1024  # nearly as much as a call may have: twelve of them fit
    workers = int(service.environ.get("STRONGROOM_WORKERS", "1"))
    with ExitStack() as stack:
        waiting: list[socket.socket] = []
        refused: list[socket.socket] = []
        while not refused and len(waiting) <= 12 * workers:
            connection = socket.create_connection(("127.0.0.1", service.port), timeout=_LATER)
            waiting.append(stack.enter_context(closing(connection)))
            connection.sendall(head(service, path, f"Content-Length: {large}") + b" ")
            refused = select.select(waiting, [], [], 0.3)[0]
        refused = refused or select.select(waiting, [], [], _LATER)[0]
        assert len(waiting) >= 13, "twelve of them have room"
        told = refused[0].recv(65536)
        assert told.startswith(b"HTTP/1.1 429 ")
        assert b"too_many_calls" in told
        assert b"retry-after: 1" in told.lower()
        assert service.ask("GET", "/me").status_code == 200  # what is small goes on
    # Their connections are closed, so their bytes count no more.
    call = {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}/"}
    call |= {"body": {"type": "text", "content": "x" * (3 * 1024 * 1024 // 2)}}  # type: ignore[dict-item]
    end, status = time.monotonic() + _LATER, 429
    while status == 429 and time.monotonic() < end:
        status = service.ask("POST", f"/workspaces/{ws_name}/calls", call).status_code
    assert status == 200


def test_a_head_has_a_limit(service: Service) -> None:
    request = head(service, "/api/v1/me", *(f"X-{n}: {'a' * 1000}" for n in range(33)), method="GET")
    status, problem = send(service, request)
    assert (status, problem["code"]) == (413, "payload_too_large")


def test_every_answer_keeps_browsers_from_guessing_its_type(service: Service, ws_name: str) -> None:
    for path in ("/me", f"/workspaces/{ws_name}", "/nowhere", "/openapi.json"):
        assert service.ask("GET", path).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/healthz", b"", 200), ("/api/v1/me", b"", 413), ("/api/v1/me", None, 400)]
)
def test_what_the_front_answers_by_itself_is_as_safe_as_the_rest(path: str, body: bytes | None, status: int) -> None:
    def nobody(_environ: object) -> bool:
        return False

    def nothing(*_arguments: object) -> list[bytes]:
        return []

    def look() -> RequireGround:
        return lambda _environ, _stream: None

    front = Front(nothing, FrontLimits(threads=2, calls_in_flight=1, max_call_body=1, https=True), nobody, look)
    sent: list[dict[str, Any]] = []
    length = [(b"content-length", b"9999999")] if status == 413 else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": length,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"} if body is None else {"type": "http.request", "body": body}

    async def send_event(event: dict[str, Any]) -> None:
        sent.append(event)

    complete(front(scope, receive, send_event))
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == status
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"strict-transport-security"] == b"max-age=31536000"


def test_connections_that_send_nothing_hold_no_thread(service: Service) -> None:
    with_nothing = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(80)]
    request = head(service, "/api/v1/me", "Content-Length: 1000")
    try:
        for each in with_nothing:
            each.sendall(request)
        assert service.ask("GET", "/me").status_code == 200
        alive = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with closing(socket.create_connection(("127.0.0.1", service.port), timeout=_LATER)) as connection:
            connection.sendall(alive.encode())
            assert b" 200 " in connection.recv(4096)
    finally:
        for each in with_nothing:
            each.close()
