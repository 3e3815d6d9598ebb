"""What is answered to a request of the API, before it is sent: by one of Flask's routes, or by the fast path."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from app.web.fast_json import dump
from app.web.streams import CALL_ID, PROXY_STATUS, Stream, hold_stream, proxy_status, stream_of

PROBLEM_JSON: Final = "application/problem+json"
_CALLS: Final = frozenset({"calls.AdHocCalls", "blocks.BlockRun"})


@dataclass(slots=True)
class Reply:
    """A status, headers and a body, or in its place a stream, which the front sends on.

    ``upstream`` are a stream's own headers, of which some may stand there twice.
    """

    status: int
    headers: MutableMapping[str, str]
    body: bytes = b""
    stream: Stream | None = None
    upstream: tuple[tuple[str, str], ...] = ()

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem document that it is; empty where it is none."""
        if self.headers.get("Content-Type") != PROBLEM_JSON:
            return {}
        found: Mapping[str, Any] = json.loads(self.body)
        return found


def json_reply(document: object) -> Reply:
    """Return a document as an answer."""
    return Reply(200, {"Content-Type": "application/json"}, dump(document) + b"\n")


def stream_reply(stream: Stream) -> Reply:
    """Return a stream's head as an answer; the front sends its body."""
    headers = {
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "X-Accel-Buffering": "no",  # a proxy before us lets it go on as it comes
    }
    upstream = tuple((name, value.encode("latin-1", "replace").decode("latin-1")) for name, value in stream.headers)
    reply = Reply(stream.status, headers, stream=stream, upstream=upstream)
    return mark_answered(reply, call_id=stream.call_id, status=stream.status)


def mark_answered(reply: Reply, *, call_id: str, status: int) -> Reply:
    """Say which call this is the answer of, and that the upstream answered (RFC 9209)."""
    reply.headers[CALL_ID] = call_id
    reply.headers[PROXY_STATUS] = f"strongroom; received-status={status}"
    return reply


def tell_proxy_status(reply: Reply) -> None:
    """Say on an answer to a call that isn't the upstream's whose error it is (RFC 9209)."""
    if PROXY_STATUS not in reply.headers:
        problem = reply.problem
        reply.headers[PROXY_STATUS] = proxy_status(str(problem.get("code")), str(problem.get("party")))


def respond(reply: Reply) -> Response:
    """Return a reply as the answer of one of Flask's views."""
    response = Response(reply.body, reply.status)
    response.headers = Headers(reply.upstream)  # and none of Flask's own
    response.headers.update(reply.headers)
    if reply.stream is not None:
        hold_stream(request.environ, reply.stream)
    return response


def reply_of(response: Response) -> Reply:
    """Return what one of Flask's views answered; its headers are the response's own."""
    headers = cast("MutableMapping[str, str]", response.headers)
    return Reply(response.status_code, headers, response.get_data(), stream_of(request.environ))


def mark_calls(app: Flask) -> None:
    """Say on every answer to a call whose error it is, if it is one."""

    @app.after_request
    def _mark(response: Response) -> Response:
        if request.endpoint in _CALLS and request.method == "POST":
            tell_proxy_status(reply_of(response))
        return response
