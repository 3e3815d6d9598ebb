"""``Idempotency-Key``: a request that comes again is answered again and not done again.

Kept is the answer of a deed that was done, or may have been: a success, and an upstream's failure after the call went
out. A refusal leaves the key free, so that the request can be mended and sent under the same key. Where it can't be
known how far the deed came, the key stays taken.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from flask import Flask, Response, request

from app.access import Principal, require
from app.kernel.errors import Conflict, ValidationFailed, in_header
from app.web import context
from app.web.incoming import Incoming
from app.web.operations import Declared, declaration_for
from app.web.reply import Reply, reply_of, respond
from app.web.streams import CALL_ID, PROXY_STATUS

C = TypeVar("C")
HEADER: Final = "Idempotency-Key"
_KEY_IN_ENVIRON: Final = "HTTP_IDEMPOTENCY_KEY"
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
_IN_DOUBT_CODES: Final = ("internal_error", "stopping", "client_gone")


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


class KeyedRequests:
    """Watches over every POST that creates or calls, and brings an ``Idempotency-Key``."""

    def __init__(self, repeats: Repeats[Any]) -> None:
        self._repeats = repeats

    def claim(self, incoming: Incoming, declared: Declared | None, request: Callable[[], bytes]) -> Reply | None:
        """Claim a request's deed where it brings a key; return the answer that it had, if it had one.

        Args:
            incoming: A request that was let in and counted.
            declared: What the view that answers it says of itself.
            request: Makes all that makes it this request.

        Raises:
            ValidationFailed, IdempotencyKeyReused, Conflict, Forbidden
        """
        key = incoming.environ.get(_KEY_IN_ENVIRON)
        if key is None or declared is None or not declared.keyed:
            return None
        claimed = self._repeats.claim(_actor(incoming), incoming.workspace, _key_of(key), request())
        if isinstance(claimed, bytes):
            _authorise(incoming, declared)
            return _unpack(claimed)
        incoming.claim = claimed
        incoming.mark_deeds(self._repeats.mark(claimed))
        return None

    def settle(self, incoming: Incoming, declared: Declared | None, reply: Reply) -> None:
        """Keep the answer of a deed that was done, hold the key of one that may have been, free that of all others."""
        claimed, incoming.claim = incoming.claim, None
        if claimed is None:
            return
        if reply.stream is not None:
            packed = json.dumps([_STREAMED, {"call_id": reply.stream.call_id}, ""]).encode()
            self._repeats.keep(claimed, packed)
            return
        problem = reply.problem
        if reply.status < 300 or problem.get("code") in _KEPT_CODES:
            self._repeats.keep(claimed, _pack(reply, declared))
        elif problem.get("code") in _IN_DOUBT_CODES or problem.get("in_doubt"):
            self._repeats.hold(claimed)
        else:
            self._repeats.release(claimed)


def answer_repeats(app: Flask, keyed: KeyedRequests) -> None:
    """Watch over every route; to be called after the gate and the limits."""

    @app.before_request
    def _claim() -> Response | None:
        reply = keyed.claim(context.incoming(), declaration_for(request), _whole_request)
        return None if reply is None else respond(reply)

    @app.after_request
    def _settle(response: Response) -> Response:
        incoming = context.incoming()
        if incoming.claim is not None:
            keyed.settle(incoming, declaration_for(request), reply_of(response))
        return response


def _actor(incoming: Incoming) -> str:
    actor = cast(Principal, incoming.principal).actor
    return json.dumps([actor.type, actor.id, actor.acting_for])


def _key_of(key: str) -> str:
    if not KEY.fullmatch(key):
        raise ValidationFailed(
            "An Idempotency-Key is 1 to 255 visible ASCII characters; a UUID will do.",
            errors={in_header(HEADER): ["Must be 1 to 255 visible ASCII characters."]},
        )
    return key


def _whole_request() -> bytes:
    return whole_request(context.incoming(), request.full_path, request.get_data(cache=True))


def whole_request(incoming: Incoming, path: str, body: bytes) -> bytes:
    """Return all that makes a request this one.

    Args:
        path: With ``?`` and the query, also where there is none.
    """
    return json.dumps([incoming.method, path, incoming.content_type]).encode() + b"\n" + body


def _authorise(incoming: Incoming, declared: Declared) -> None:
    # Outside of a workspace there is only the platform's own token, which the gate has just proved.
    if declared.needs is not None and incoming.access is not None:
        require(incoming.access, declared.needs)


def _pack(reply: Reply, declared: Declared | None) -> bytes:
    body = reply.body
    if declared is not None and declared.told_once:
        body = json.dumps({k: v for k, v in json.loads(body).items() if k not in declared.told_once}).encode()
    headers = {name: reply.headers[name] for name in _KEPT_HEADERS if name in reply.headers}
    return json.dumps([reply.status, headers, base64.b64encode(body).decode()]).encode()


def _unpack(kept: bytes) -> Reply:
    status, headers, body = json.loads(kept)
    if status == _STREAMED:
        raise Conflict("The first request with this Idempotency-Key was answered by a stream.", extra=headers)
    return Reply(status, headers | {"Idempotency-Replayed": "true"}, base64.b64decode(body))
