"""Sending streams on from the event loop: a few threads for all, and neither thread nor timer for one that waits.

Source: ASGI's HTTP specification; what a gone client's ``send`` does is the server's choice, so that only ``receive``
tells.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.kernel.errors import RecordUnavailable, StrongroomError
from app.kernel.turns import Turns, take_turn
from app.web.errors import problem_document
from app.web.presence import ClientPresence
from app.web.streams import Stream, stream_headers
from app.web.threads import Threads
from app.web.wsgi import Environ, WsgiResponse

T = TypeVar("T")
Send = Callable[[dict[str, Any]], Awaitable[None]]
RequireGround = Callable[[Environ, Stream], None]
"""Raises where the request that began a stream would not be let in any more, or where what it stands on was changed."""

STALLED_SECONDS: Final = 30.0
_THREADS: Final = 4
_GLANCES_EVERY: Final = 0.1  # at what needs nobody to be asked
_LOOKS_EVERY: Final = 0.5  # at what a stream stands on; some of all streams each time, so that none waits for many
_STORED_WITHIN: Final = 0.2
_LAST_WORDS_SECONDS: Final = 5.0
_PIECE: Final = 16 * 1024  # so that also who reads slowly takes one before long
_STALLED: Final = "client_stalled"

log = structlog.get_logger(__name__)


class _ClientGone(Exception):
    """Nobody reads the stream any more."""


class _ClientStalled(Exception):
    """Whoever reads the stream takes no more of it."""


class _Flow:
    """One stream on its way, sent by the task that makes this; for the event loop's thread."""

    def __init__(self, stream: Stream, environ: Environ, send: Send) -> None:
        self.stream = stream
        self.environ = environ
        self.looked = time.monotonic()
        self.is_looked_at = False
        self.sending_since: float | None = None
        self.ending: BaseException | None = None
        """Why it is to end, where something ends it."""
        self._send = send
        self._task = asyncio.current_task()
        self._waiting: asyncio.Future[None] | None = None

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look at what the stream stands on."""
        return now - self.looked >= _LOOKS_EVERY and not self.is_looked_at

    def end(self, error: BaseException) -> None:
        """Have the stream end, whatever its task waits for."""
        self.ending = self.ending or error
        if self.sending_since is not None and self._task is not None:
            self.sending_since = None
            self._task.cancel()
        self.wake()

    def wake(self) -> None:
        """Have the task look whether something came, or what time it is."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def require_going_on(self) -> None:
        """Raise what ends the stream."""
        if self.ending is not None:
            raise self.ending

    async def send(self, piece: bytes) -> None:
        """Send some bytes. Raises what ends the stream meanwhile."""
        for at in range(0, max(len(piece), 1), _PIECE):
            self.require_going_on()
            self.sending_since = time.monotonic()
            try:
                await self._send(_body(piece[at : at + _PIECE]))
            except asyncio.CancelledError:
                if self.ending is None or self._task is None or self._task.uncancel():
                    raise
            finally:
                self.sending_since = None
        self.require_going_on()

    async def wait_until_readable(self) -> None:
        """Wait until something can be read, or the task is woken."""
        fd = self.stream.fileno()
        if fd < 0 or self.ending is not None:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        loop.add_reader(fd, self.wake)
        try:
            await self._waiting
        finally:
            loop.remove_reader(fd)
            self._waiting = None


class Relay:
    """Sends streams on, and ends each when what it stands on ends.

    Args:
        turns: The turns at computing that all threads share.
        look: Looks once at how things stand, in a thread, and returns what tells of each of several streams.
        stalled_seconds: How long a client may take nothing of what waits for it.
    """

    def __init__(
        self, turns: Turns, look: Callable[[], RequireGround], *, stalled_seconds: float = STALLED_SECONDS
    ) -> None:
        self._turns = turns
        self._stalled_seconds = stalled_seconds
        self._look = look
        self._taking = Threads(_THREADS, "stream")
        self._asking = Threads(_THREADS, "stream-record")  # may wait for the database
        self._asking_vault = Threads(_THREADS, "stream-vault")  # may wait for long, and nobody else with them
        self._flows: OrderedDict[_Flow, None] = OrderedDict()
        """All streams on their way, the one first that was looked at the longest time ago."""
        self._watching: asyncio.Task[None] | None = None

    async def send_on(
        self, stream: Stream, answer: WsgiResponse, environ: Environ, client: ClientPresence, send: Send
    ) -> None:
        """Send a stream's head, and its body as it comes, until it ends one way or another."""
        flow = _Flow(stream, environ, send)
        gone = client.watch()
        gone.add_done_callback(lambda _: flow.end(_ClientGone()))
        gone.add_done_callback(_look_at)
        self._watch(flow)
        request_id = _request_id(answer)
        try:
            head = {"status": answer.status, "headers": stream_headers(answer.headers)}
            await send({"type": "http.response.start", **head})
            await self._send_body(flow, send)
        except _ClientGone:
            await self._abandon(stream)
        except _ClientStalled:
            await self._abandon(stream, _STALLED)
        except RecordUnavailable as error:
            stream.cut(error)
            log.warning("stream_cut", code=error.code, request_id=request_id)
        except SQLAlchemyError as error:
            stream.cut(RecordUnavailable("The database doesn't answer at the moment."))
            log.warning("stream_cut", kind=type(error).__name__, request_id=request_id)
        except StrongroomError as error:
            await self._tell(stream, error, request_id, send)
        except Exception as error:
            log.error("internal_error", kind=type(error).__name__, request_id=request_id)
            await self._tell(stream, StrongroomError("An unexpected error ended the stream."), request_id, send)
        except BaseException:
            self._start(self._asking, stream.abandon)
            raise
        finally:
            self._flows.pop(flow, None)
            stream.close()

    async def _send_body(self, flow: _Flow, send: Send) -> None:
        stream = flow.stream
        await flow.send(b"")  # so that the head doesn't wait for the first byte
        while True:
            piece = await self._taking.run(partial(self._in_turn, stream.take))
            if stream.over:
                break
            if piece:
                await flow.send(piece)
                stream.wait_on()
            if not stream.more:
                await flow.wait_until_readable()
            flow.require_going_on()
        self._flows.pop(flow, None)
        await self._store(stream)
        await _send_last(piece, send, within=self._stalled_seconds)

    async def _store(self, stream: Stream) -> None:
        """Record that a stream came to its end. Raises ``RecordUnavailable``, soon where that can't be done now."""
        stored = self._start(self._asking, stream.finish)
        while not stored.done():
            await asyncio.wait({stored}, timeout=_STORED_WITHIN)
            if not stored.done():
                stream.require_recordable()
        stored.result()

    async def _tell(self, stream: Stream, error: StrongroomError, request_id: str, send: Send) -> None:
        """End a stream early: told in its own way where it has one, else without the end that a whole one has."""
        _, _, content = problem_document(error, request_id=request_id)
        log.info("stream_ended", code=error.code, request_id=request_id)
        words = await self._settle(lambda: stream.fail(error, json.loads(content)))
        if words:
            with suppress(_ClientStalled):
                await _send_last(words, send, within=_LAST_WORDS_SECONDS)

    async def _abandon(self, stream: Stream, *code: str) -> None:
        stream.close()  # whatever the record takes
        await self._settle(lambda: stream.abandon(*code))

    async def _settle(self, settle: Callable[[], T]) -> T | None:
        """Record how a stream ended; where that can't be stored now, it is later, and nothing more is sent."""
        try:
            return await self._start(self._asking, settle)
        except RecordUnavailable:
            return None

    def _start(self, threads: Threads, step: Callable[[], T]) -> asyncio.Future[T]:
        started = threads.run(partial(self._in_turn, step))
        started.add_done_callback(_look_at)  # also where nobody waits for it any more
        return started

    def _in_turn(self, step: Callable[[], T]) -> T:
        with take_turn(self._turns):
            return step()

    # --- what ends a stream: one timer for all of them ------------------------------------------------------------

    def _watch(self, flow: _Flow) -> None:
        self._flows[flow] = None
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch_all())

    async def _watch_all(self) -> None:
        while self._flows:
            await asyncio.sleep(_GLANCES_EVERY)
            now = time.monotonic()
            for flow in tuple(self._flows):
                self._glance(flow, now)
            self._look_at_share(now)

    def _glance(self, flow: _Flow, now: float) -> None:
        try:
            flow.stream.require_recordable()
        except RecordUnavailable as error:
            flow.end(error)
        if flow.sending_since is not None and now - flow.sending_since > self._stalled_seconds:
            flow.end(_ClientStalled())
        elif flow.stream.late:
            flow.wake()

    def _look_at_share(self, now: float) -> None:
        """Have a thread look at what some streams stand on: a share of them each time, those whose turn it is."""
        share = 1 + int(len(self._flows) * _GLANCES_EVERY / _LOOKS_EVERY)
        due = list(islice((flow for flow in self._flows if flow.is_due(now)), share))
        self._ask(self._asking, [flow for flow in due if not flow.stream.asks_vault])
        for flow in due:
            if flow.stream.asks_vault:
                self._ask(self._asking_vault, [flow])

    def _ask(self, threads: Threads, flows: Sequence[_Flow]) -> None:
        if not flows:
            return
        for flow in flows:
            flow.is_looked_at = True
            self._flows.move_to_end(flow)
        found = self._start(threads, partial(self._grounds_lost, flows))
        found.add_done_callback(partial(_end_lost, flows))

    def _grounds_lost(self, flows: Sequence[_Flow]) -> list[Exception | None]:
        """Return for each stream why it has to end, if it has to."""
        try:
            require_ground = self._look()
        except Exception as error:
            return [error] * len(flows)
        return [_ground_lost(flow, require_ground) for flow in flows]


def _ground_lost(flow: _Flow, require_ground: RequireGround) -> Exception | None:
    if flow.ending is not None:
        return None
    try:
        require_ground(flow.environ, flow.stream)
    except Exception as error:
        return error
    return None


def _end_lost(flows: Sequence[_Flow], found: asyncio.Future[list[Exception | None]]) -> None:
    now = time.monotonic()
    for flow, error in zip(flows, found.result(), strict=True):
        flow.looked, flow.is_looked_at = now, False
        if error is not None:
            flow.end(error)


async def _send_last(piece: bytes, send: Send, *, within: float) -> None:
    """Send a stream's last bytes, and its end. Raises ``_ClientStalled``."""
    try:
        async with asyncio.timeout(within):
            for at in range(0, len(piece), _PIECE):
                await send(_body(piece[at : at + _PIECE]))
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        raise _ClientStalled from None


def _body(piece: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": True}


def _look_at(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


def _request_id(answer: WsgiResponse) -> str:
    return next((value.decode("latin-1") for name, value in answer.headers if name == b"x-request-id"), "")
