"""What stands before Flask: a request's head and body are read, with deadline and limit, before it costs a thread.

A request that doesn't arrive whole begins nothing (RFC 9112, section 8). Threads are shared fairly: a caller's
outbound calls are counted before they get one, and some threads serve nothing but reads and sign-ins, so that slow
upstreams of one workspace are not felt by another.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from app.kernel.errors import (
    MalformedJson,
    PayloadTooLarge,
    RequestTimeout,
    StrongroomError,
    TooManyCalls,
    ValidationFailed,
)
from app.kernel.turns import Turns, take_turn
from app.web.errors import problem_document
from app.web.incoming import request_id_of
from app.web.presence import ClientPresence, Receive, hold_presence
from app.web.relay import Relay, RequireGround
from app.web.safety import safety_headers
from app.web.slots import Slots
from app.web.streams import PROXY_STATUS, Stream, proxy_status, stream_of
from app.web.threads import Threads
from app.web.wsgi import Environ, WsgiApp, WsgiResponse, environ_of, header_of, require_plain_headers, run, size_of_head

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

COMPUTING: Final = 8
"""Threads that may run Python at the same time."""
MIB: Final = 1024 * 1024
_LARGEST_HEAD: Final = 32 * 1024
_LARGEST_UNPROVEN: Final = 64 * 1024
_LARGEST_BODY: Final = 2 * MIB
_LARGE: Final = MIB
_LARGE_TOGETHER: Final = 512 * MIB
_BODY_SECONDS: Final = 10.0
_BYTES_PER_SECOND: Final = 16 * 1024
_SLOT_SECONDS: Final = 1.0
_STALLED_SECONDS: Final = 30.0
_API: Final = "/api/"
_CALL: Final = re.compile(r"/api/v1/workspaces/([^/]+)/(?:calls|blocks/[^/]+/run)")
_CALL_BODY: Final = re.compile(r"/api/v1/workspaces/[^/]+/(?:calls|calls/preview|blocks/[^/]+/(?:run|preview))")
_PAGE_CALL: Final = re.compile(r"/workspaces/([^/]+)/blocks/[^/]+(?:/[^/]+)?")
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SIGN_IN: Final = frozenset({"/sign-in", "/sign-out", "/still-here"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """How many threads there are and what a call's body may have.

    Args:
        threads: Requests that change or call something, at the same time.
        calls_in_flight: Outbound calls of one caller in one workspace at the same time.
        max_call_body: The largest body, in bytes, of an outbound call.
        https: Whether browsers reach the service by https.
    """

    threads: int
    calls_in_flight: int
    max_call_body: int
    https: bool = False

    @property
    def reserved(self) -> int:
        """Threads that serve nothing but reads and sign-ins."""
        return max(2, self.threads // 8)


class _Gone(Exception):
    """The client went away; there is nobody to answer."""


class Front:
    """An ASGI application that answers by a WSGI one.

    Args:
        app: What answers, in a thread.
        is_proven: Tells, in a thread, whether a request without its body proves who asks; bodies over 64 KiB are read
            for nobody else.
        look: See ``Relay``.
    """

    def __init__(
        self,
        app: WsgiApp,
        limits: FrontLimits,
        is_proven: Callable[[Environ], bool],
        look: Callable[[], RequireGround],
    ) -> None:
        self._app = app
        self._limits = limits
        self._safety = safety_headers(https=limits.https)
        self._is_proven = is_proven
        self._work = Threads(limits.threads, "request")
        self._reads = Threads(limits.reserved, "read")
        self._slots = Slots(limits.threads)
        self._turns = Turns(COMPUTING)
        self._relay = Relay(self._turns, look)
        self._calls: dict[tuple[str, bytes], int] = {}
        self._large = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Source: the ASGI specification."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        try:
            await self._serve(scope, receive, send)
        except _Gone:
            log.info("request_cut", method=_known_method(scope["method"]))
        except StrongroomError as error:
            await _refuse(error, scope, send, self._safety)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        require_plain_headers(scope["headers"])
        if size_of_head(scope) > _LARGEST_HEAD:
            raise PayloadTooLarge(f"The request's head has more than {_LARGEST_HEAD} bytes.")
        with closing(ClientPresence(receive)) as client:
            begun = await self._answer_whole(scope, receive, send, client)
            if begun is not None:  # and the request's body, which is held elsewhere, isn't needed any more
                await self._relay.send_on(*begun, environ_of(scope, b""), client, send)

    async def _answer_whole(
        self, scope: Scope, receive: Receive, send: Send, client: ClientPresence
    ) -> tuple[Stream, WsgiResponse] | None:
        """Read a request whole and answer it; of an answer that streams return it and its head, and send nothing."""
        path, body, call = scope["path"], _Body(self, scope, receive), self._count_call(scope)
        try:
            content = await body.read()
            if scope["method"] in _READS and path == "/healthz":
                await _tell_alive(scope, send, self._safety)
                return None
            environ = environ_of(scope, content)
            if scope["method"] in _READS or path in _SIGN_IN:
                await self._answer(self._reads, environ, send)
                return None
            hold_presence(environ, client)
            head, stream = await self._answer_call(environ, path, send), stream_of(environ)
            return None if head is None or stream is None else (stream, head)
        finally:
            body.close()
            self._discount_call(call)

    async def proven(self, scope: Scope) -> bool:
        """Tell whether the request's head proves who asks."""
        environ = environ_of(scope, b"")
        return await self._reads.run(partial(self._is_proven, environ))

    def body_limit(self, scope: Scope) -> int:
        """Return how many bytes this request's body may have."""
        limit = self._limits.max_call_body if _CALL_BODY.fullmatch(scope["path"]) else _LARGEST_BODY
        return max(limit, _LARGEST_BODY)

    def take_large(self, size: int) -> None:
        """Count a large body's bytes. Raises ``TooManyCalls`` where all of them together have too many already."""
        if self._large + size > _LARGE_TOGETHER:
            raise TooManyCalls("Too many large requests are under way; try again in a moment.", retry_after=1)
        self._large += size

    def give_large(self, size: int) -> None:
        """Count a large body's bytes no more."""
        self._large -= size

    def _count_call(self, scope: Scope) -> tuple[str, bytes] | None:
        """Count an outbound call of a caller for as long as it takes, before it has a thread; None for anything else.

        Raises:
            TooManyCalls: The caller has as many in the workspace as may be.
        """
        if scope["method"] != "POST":
            return None
        found = (_CALL if scope["path"].startswith(_API) else _PAGE_CALL).fullmatch(scope["path"])
        if found is None:
            return None
        key = (found[1], _credential(scope))
        under_way = self._calls.get(key, 0)
        if under_way >= self._limits.calls_in_flight:
            raise TooManyCalls(
                f"The workspace has {self._limits.calls_in_flight} calls in flight already.", retry_after=1
            )
        self._calls[key] = under_way + 1
        return key

    def _discount_call(self, key: tuple[str, bytes] | None) -> None:
        if key is None:
            return
        left = self._calls[key] - 1
        if left:
            self._calls[key] = left
        else:
            del self._calls[key]

    async def _answer_call(self, environ: Environ, path: str, send: Send) -> WsgiResponse | None:
        """Answer a request that changes or calls something, in one of the places for those."""
        if not self._slots.take_free():
            await self._wait_for_slot(patient=_CALL.fullmatch(path) is None)
        try:
            return await self._answer(self._work, environ, send)
        finally:
            self._slots.give()

    async def _wait_for_slot(self, *, patient: bool) -> None:
        if patient:
            await self._slots.take()
            return
        try:
            async with asyncio.timeout(_SLOT_SECONDS):
                await self._slots.take()
        except TimeoutError:
            raise TooManyCalls("Too many calls are in flight; try again in a moment.", retry_after=1) from None

    async def _answer(self, threads: Threads, environ: Environ, send: Send) -> WsgiResponse | None:
        """Answer a request; of an answer that streams return the head, and send nothing yet."""
        answer, first = await threads.run(partial(self._run, environ))
        if stream_of(environ) is not None:
            return answer
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.whole:
            await send({"type": "http.response.body", "body": first})
            return None
        try:
            piece: bytes | None = first
            while piece is not None:
                await _send_event(send, {"type": "http.response.body", "body": piece, "more_body": True})
                piece = await threads.run(partial(self._next, answer))
        finally:
            await threads.run(answer.close)
        await send({"type": "http.response.body", "body": b""})
        return None

    def _run(self, environ: Environ) -> tuple[WsgiResponse, bytes]:
        with take_turn(self._turns):
            answer = run(self._app, environ)
            if not answer.whole:
                return answer, b""
            try:
                return answer, b"".join(answer.pieces)
            finally:
                answer.close()

    def _next(self, answer: WsgiResponse) -> bytes | None:
        with take_turn(self._turns):
            return next(iter(answer.pieces), None)


class _Body:
    """A request's body, read whole, within its limits and its time."""

    def __init__(self, front: Front, scope: Scope, receive: Receive) -> None:
        self._front = front
        self._scope = scope
        self._receive = receive
        self._counted = 0

    def close(self) -> None:
        """Count its bytes no more, if they were."""
        if self._counted:
            self._front.give_large(self._counted)

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            MalformedJson, ValidationFailed: It didn't arrive whole.
            RequestTimeout: It came too slowly.
            PayloadTooLarge: It has more than may be, or more than a stranger may send.
            TooManyCalls: Large bodies have too many bytes together.
        """
        announced = _content_length(self._scope)
        limit = self._front.body_limit(self._scope)
        if announced is not None and announced > limit:
            raise _too_large(limit)
        proven = False
        began, size, pieces = time.monotonic(), 0, []
        while True:
            event = await self._next(began, size)
            if event["type"] == "http.disconnect":
                raise _incomplete(self._scope)
            piece = event.get("body", b"")
            size += len(piece)
            pieces.append(piece)
            if max(size, announced or 0) > _LARGEST_UNPROVEN and not proven:
                await self._require_proof()
                proven = True
            if size > limit:
                raise _too_large(limit)
            if max(size, announced or 0) > _LARGE:
                self._count(max(size, announced or 0))
            if not event.get("more_body", False):
                break
        if not size and announced is None and _is_chunked(self._scope):
            raise _incomplete(self._scope)
        return b"".join(pieces)

    async def _next(self, began: float, size: int) -> dict[str, Any]:
        deadline = began + _BODY_SECONDS + size / _BYTES_PER_SECOND
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):  # a task less than ``wait_for`` makes
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout("The request's body came too slowly.") from None

    async def _require_proof(self) -> None:
        if not await self._front.proven(self._scope):
            raise PayloadTooLarge(f"Without a valid sign-in or token a body has at most {_LARGEST_UNPROVEN} bytes.")

    def _count(self, size: int) -> None:
        if size > self._counted:
            self._front.take_large(size - self._counted)
            self._counted = size


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _send_event(send: Send, event: dict[str, Any]) -> None:
    """Hand on a piece of an answer; a client that takes none for half a minute is cut off."""
    try:
        await asyncio.wait_for(send(event), _STALLED_SECONDS)
    except TimeoutError:
        raise _Gone from None


async def _refuse(error: StrongroomError, scope: Scope, send: Send, safety: Mapping[str, str]) -> None:
    request_id = request_id_of(header_of(scope, b"x-request-id"))
    cut = isinstance(error, MalformedJson | ValidationFailed)
    status, headers, content = problem_document(error, request_id=request_id, status=400 if cut else None)
    log.info("request_refused", code=error.code, status=status, request_id=request_id)
    headers |= {"X-Request-ID": request_id, "Connection": "close", **safety}
    if _CALL.fullmatch(scope["path"]) and scope["method"] == "POST":
        headers[PROXY_STATUS] = proxy_status(error.code, error.party)
    await _send_whole(scope, send, status, headers, content)


async def _tell_alive(scope: Scope, send: Send, safety: Mapping[str, str]) -> None:
    request_id = request_id_of(header_of(scope, b"x-request-id"))
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-ID": request_id, **safety}
    await _send_whole(scope, send, 200, headers, b'{"status":"ok"}\n')


async def _send_whole(scope: Scope, send: Send, status: int, headers: Mapping[str, str], content: bytes) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


def _credential(scope: Scope) -> bytes:
    """Return what tells callers apart before anything is looked up: so nobody uses up another's calls."""
    digest = hashlib.sha256()
    for name in (b"authorization", b"cookie"):
        digest.update((header_of(scope, name) or "").encode() + b"\0")
    return digest.digest()


def _content_length(scope: Scope) -> int | None:
    text = header_of(scope, b"content-length")
    return int(text) if text is not None and text.isdecimal() else None


def _is_chunked(scope: Scope) -> bool:
    return header_of(scope, b"transfer-encoding") is not None


def _incomplete(scope: Scope) -> StrongroomError:
    sentence = "The request's body didn't arrive whole; nothing was begun."
    return MalformedJson(sentence) if scope["path"].startswith(_API) else ValidationFailed(sentence)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body has more than {limit} bytes.")


def _known_method(method: str) -> str:
    return method if method in _READS | {"POST", "PUT", "PATCH", "DELETE"} else "other"
