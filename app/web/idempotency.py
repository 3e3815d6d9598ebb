"""``Idempotency-Key``: a request that comes again is answered again and not done again.

Kept is the answer of a deed that was done, or may have been: a success, and an upstream's failure after the call went
out. A refusal leaves the key free, so that the request can be mended and sent under the same key. Where it can't be
known how far the deed came, the key stays taken.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from flask import Flask, Response, g, request

from app.access import require
from app.kernel.errors import Conflict, ValidationFailed, in_header
from app.web import context
from app.web.operations import Declared, declaration_for
from app.web.streams import CALL_ID, PROXY_STATUS, stream_of

C = TypeVar("C")
HEADER: Final = "Idempotency-Key"
KEY: Final = re.compile(r"[!-~]{1,255}")
_STREAMED: Final = 0  # in the place of a status: the answer went on as it came, and is kept nowhere
_KEPT_HEADERS: Final = (CALL_ID, PROXY_STATUS, "Content-Type", "Location", "ETag")
# The call had gone out when these came up.
_KEPT_CODES: Final = (
    "upstream_timeout",
    "upstream_protocol",
    "redirect_refused",
    "response_not_readable",
    "response_too_large",
)
_IN_DOUBT_CODES: Final = ("internal_error", "stopping")


@dataclass(frozen=True, slots=True)
class Repeats(Generic[C]):
    """How answers are kept: functions that the factory hands in, since this room knows no domain.

    ``claim`` takes the actor, the workspace, the key and the request's bytes, and returns the claim or the answer that
    the request had; ``mark`` returns what ties a deed to a claim (see ``Access``); ``keep``, ``hold`` and ``release``
    settle one.
    """

    claim: Callable[[str, str | None, str, bytes], C | bytes]
    mark: Callable[[C], Callable[[Any, str], None]]
    keep: Callable[[C, bytes], None]
    hold: Callable[[C], None]
    release: Callable[[C], None]


def answer_repeats(app: Flask, repeats: Repeats[Any]) -> None:
    """Watch over every POST that creates or calls; to be called after the gate and the limits."""

    @app.before_request
    def _claim() -> Response | None:
        declared = declaration_for(request)
        if HEADER not in request.headers or declared is None or not declared.keyed:
            return None
        claimed = repeats.claim(_actor(), (request.view_args or {}).get("ws"), _key(), _whole_request())
        if isinstance(claimed, bytes):
            _authorise(declared)
            return _unpack(claimed)
        g.claim = claimed
        context.mark_deeds(repeats.mark(claimed))
        return None

    @app.after_request
    def _settle(response: Response) -> Response:
        claimed = g.pop("claim", None)
        if claimed is None:
            return response
        if (stream := stream_of(request.environ)) is not None:
            repeats.keep(claimed, json.dumps([_STREAMED, {"call_id": stream.call_id}, ""]).encode())
            return response
        problem = _problem(response)
        if response.status_code < 300 or problem.get("code") in _KEPT_CODES:
            repeats.keep(claimed, _pack(response, declaration_for(request)))
        elif problem.get("code") in _IN_DOUBT_CODES or problem.get("in_doubt"):
            repeats.hold(claimed)
        else:
            repeats.release(claimed)
        return response


def _actor() -> str:
    actor = context.principal().actor
    return json.dumps([actor.type, actor.id, actor.acting_for])


def _key() -> str:
    key = request.headers[HEADER]
    if not KEY.fullmatch(key):
        raise ValidationFailed(
            "An Idempotency-Key is 1 to 255 visible ASCII characters; a UUID will do.",
            errors={in_header(HEADER): ["Must be 1 to 255 visible ASCII characters."]},
        )
    return key


def _whole_request() -> bytes:
    head = json.dumps([request.method, request.full_path, request.headers.get("Content-Type", "")])
    return head.encode() + b"\n" + request.get_data(cache=True)


def _authorise(declared: Declared) -> None:
    # Outside of a workspace there is only the platform's own token, which the gate has just proved.
    if declared.needs is not None and (request.view_args or {}).get("ws") is not None:
        require(context.access(), declared.needs)


def _problem(response: Response) -> Mapping[str, Any]:
    if response.content_type != "application/problem+json":
        return {}
    problem: Mapping[str, Any] = json.loads(response.get_data())
    return problem


def _pack(response: Response, declared: Declared | None) -> bytes:
    body = response.get_data()
    if declared is not None and declared.told_once:
        body = json.dumps({k: v for k, v in json.loads(body).items() if k not in declared.told_once}).encode()
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return json.dumps([response.status_code, headers, base64.b64encode(body).decode()]).encode()


def _unpack(kept: bytes) -> Response:
    status, headers, body = json.loads(kept)
    if status == _STREAMED:
        raise Conflict("The first request with this Idempotency-Key was answered by a stream.", extra=headers)
    response = Response(base64.b64decode(body), status, headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response
