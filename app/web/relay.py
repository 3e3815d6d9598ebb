"""Sending streams on from the event loop: a few threads for all of them, and none for one that waits.

Source: ASGI's HTTP specification; what a gone client's ``send`` does is the server's choice, so that only ``receive``
tells.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.kernel.errors import RecordUnavailable, StrongroomError
from app.kernel.turns import Turns, take_turn
from app.web.errors import problem_document
from app.web.streams import Stream, stream_headers
from app.web.threads import Threads
from app.web.wsgi import Environ, WsgiResponse

T = TypeVar("T")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STALLED_SECONDS: Final = 30.0
_THREADS: Final = 4
_LOOKS_EVERY: Final = 0.5  # at what a stream stands on
_GLANCES_EVERY: Final = 0.2  # at what needs nobody to be asked
_LAST_WORDS_SECONDS: Final = 5.0
_PIECE: Final = 64 * 1024
_STALLED: Final = "client_stalled"

log = structlog.get_logger(__name__)


class _ClientGone(Exception):
    """Nobody reads the stream any more."""


class _ClientStalled(Exception):
    """Whoever reads the stream takes no more of it."""


class Relay:
    """Sends streams on, and ends each when what it stands on ends.

    Args:
        turns: The turns at computing that all threads share.
        require_ground: Raises where the request that began a stream would not be let in any more, or where what the
            stream stands on was changed; called in a thread.
        stalled_seconds: How long a client may take nothing of what waits for it.
    """

    def __init__(
        self,
        turns: Turns,
        require_ground: Callable[[Environ, Stream], None],
        *,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._turns = turns
        self._require_ground = require_ground
        self._stalled_seconds = stalled_seconds
        self._taking = Threads(_THREADS, "stream")
        self._asking = Threads(_THREADS, "stream-record")  # may wait for the database

    async def send_on(
        self, stream: Stream, answer: WsgiResponse, environ: Environ, receive: Receive, send: Send
    ) -> None:
        """Send a stream's head, and its body as it comes, until it ends one way or another."""
        ending = asyncio.ensure_future(self._until_ended(stream, environ, receive))
        ending.add_done_callback(_look_at)
        request_id = _request_id(answer)
        try:
            head = {"status": answer.status, "headers": stream_headers(answer.headers)}
            await send({"type": "http.response.start", **head})
            await self._send_body(stream, ending, send)
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
            ending.cancel()
            stream.close()

    async def _send_body(self, stream: Stream, ending: asyncio.Future[None], send: Send) -> None:
        await self._send_piece(b"", ending, send)  # so that the head doesn't wait for the first byte
        while True:
            piece = await self._start(self._taking, stream.take)
            if stream.over:
                break
            if piece:
                await self._send_piece(piece, ending, send)
                stream.wait_on()
            elif not stream.more:
                await _readable(stream.fileno(), ending)
            if ending.done():
                ending.result()
        await self._store(stream)
        if piece:
            await self._send_piece(piece, _never(), send)
        await send({"type": "http.response.body", "body": b""})

    async def _send_piece(self, piece: bytes, ending: asyncio.Future[None], send: Send) -> None:
        """Send some bytes. Raises ``_ClientStalled``, and whatever ends the stream meanwhile."""
        for at in range(0, max(len(piece), 1), _PIECE):
            event = {"type": "http.response.body", "body": piece[at : at + _PIECE], "more_body": True}
            sending = asyncio.ensure_future(send(event))
            await asyncio.wait({sending, ending}, timeout=self._stalled_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done() or ending.done():
                sending.cancel()
                if ending.done():
                    ending.result()
                raise _ClientStalled
            sending.result()

    async def _until_ended(self, stream: Stream, environ: Environ, receive: Receive) -> None:
        """Wait until the client goes away, or what the stream stands on ends; raises what it is."""
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        look: asyncio.Future[None] | None = None
        looked = time.monotonic()
        try:
            while True:
                waited = {gone, look} if look else {gone}
                await asyncio.wait(waited, timeout=_GLANCES_EVERY, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise _ClientGone
                stream.require_recordable()
                if look is not None and look.done():
                    look.result()
                    look, looked = None, time.monotonic()
                elif look is None and time.monotonic() - looked >= _LOOKS_EVERY:
                    look = self._start(self._asking, partial(self._require_ground, environ, stream))
        finally:
            gone.cancel()

    async def _store(self, stream: Stream) -> None:
        """Record that a stream came to its end. Raises ``RecordUnavailable``, soon where that can't be done now."""
        stored = self._start(self._asking, stream.finish)
        while not stored.done():
            await asyncio.wait({stored}, timeout=_GLANCES_EVERY)
            if not stored.done():
                stream.require_recordable()
        stored.result()

    async def _tell(self, stream: Stream, error: StrongroomError, request_id: str, send: Send) -> None:
        """End a stream early: told in its own way where it has one, else without the end that a whole one has."""
        _, _, content = problem_document(error, request_id=request_id)
        log.info("stream_ended", code=error.code, request_id=request_id)
        words = await self._settle(lambda: stream.fail(error, json.loads(content)))
        if words:
            with suppress(_ClientStalled, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._send_piece(words, _never(), send)
                    await send({"type": "http.response.body", "body": b""})

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
        def _in_turn() -> T:
            with take_turn(self._turns):
                return step()

        started = threads.run(_in_turn)
        started.add_done_callback(_look_at)  # also where nobody waits for it any more
        return started


def _look_at(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


def _request_id(answer: WsgiResponse) -> str:
    return next((value.decode("latin-1") for name, value in answer.headers if name == b"x-request-id"), "")


def _never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _settle_once(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)


async def _readable(fd: int, ending: asyncio.Future[None]) -> None:
    """Wait until something can be read, the stream is to end, or it is time to look at the clock."""
    if fd < 0:
        return
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle_once, came)
    try:
        await asyncio.wait({came, ending}, timeout=_LOOKS_EVERY, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(fd)
