"""Sending streams on from the event loop: a few threads for all of them, and none for one that waits.

Source: ASGI's HTTP specification; what a gone client's ``send`` does is the server's choice, so that only ``receive``
tells.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog

from app.kernel.errors import RecordUnavailable, StrongroomError
from app.kernel.turns import computing
from app.web.errors import problem_document
from app.web.streams import Stream, stream_headers
from app.web.wsgi import Answer, Environ

T = TypeVar("T")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_THREADS: Final = 4
_LOOKS_EVERY: Final = 0.5
_STALLED_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


class _ClientGone(Exception):
    """Nobody reads the stream any more."""


class Relay:
    """Sends streams on, and ends each when what it stands on ends.

    Args:
        turns: The turns at computing that all threads share.
        require_ground: Raises where the request that began a stream would not be let in any more, or where what the
            stream stands on was changed; called in a thread.
    """

    def __init__(self, turns: threading.Semaphore, require_ground: Callable[[Environ, Stream], None]) -> None:
        self._turns = turns
        self._require_ground = require_ground
        self._pool = ThreadPoolExecutor(_THREADS, "stream")

    async def send_on(self, stream: Stream, answer: Answer, environ: Environ, receive: Receive, send: Send) -> None:
        """Send a stream's head, and its body as it comes, until it ends one way or another."""
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        try:
            head = {"status": answer.status, "headers": stream_headers(answer.headers)}
            await send({"type": "http.response.start", **head})
            await _send_piece(send, b"", gone)  # so that the head doesn't wait for the first byte
            await self._send_body(stream, environ, gone, send)
        except _ClientGone:
            await self._settle(stream.abandon)
        except StrongroomError as error:
            await self._tell(stream, error, environ, send)
        except BaseException:
            await self._settle(stream.abandon)
            raise
        finally:
            gone.cancel()

    async def _send_body(self, stream: Stream, environ: Environ, gone: asyncio.Future[None], send: Send) -> None:
        looked = time.monotonic()
        while True:
            piece = await self._run(stream.take)
            if stream.over:
                await self._run(stream.finish)
                if piece:
                    await _send_piece(send, piece, gone)
                await send({"type": "http.response.body", "body": b""})
                return
            if gone.done():
                raise _ClientGone
            if piece:
                await _send_piece(send, piece, gone)
                await self._run(stream.wait_on)
            elif not stream.more:
                await _readable(stream.fileno(), gone)
            if time.monotonic() - looked >= _LOOKS_EVERY:
                await self._run(lambda: self._require_ground(environ, stream))
                looked = time.monotonic()

    async def _tell(self, stream: Stream, error: StrongroomError, environ: Environ, send: Send) -> None:
        """End a stream early: told in its own way where it has one, else without the end that a whole one has."""
        request_id = str(environ.get("strongroom.request_id", ""))
        _, _, content = problem_document(error, request_id=request_id)
        words = await self._settle(lambda: stream.fail(error, json.loads(content)))
        log.info("stream_ended", code=error.code, request_id=request_id)
        if words:
            await _send_piece(send, words, asyncio.get_running_loop().create_future())
            await send({"type": "http.response.body", "body": b""})

    async def _settle(self, settle: Callable[[], T]) -> T | None:
        """Record how a stream ended; where that can't be stored now, it is later, and nothing more is sent."""
        try:
            return await self._run(settle)
        except RecordUnavailable:
            return None

    async def _run(self, step: Callable[[], T]) -> T:
        def _in_turn() -> T:
            with computing(self._turns):
                return step()

        return await asyncio.get_running_loop().run_in_executor(self._pool, _in_turn)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_piece(send: Send, piece: bytes, gone: asyncio.Future[None]) -> None:
    sending = asyncio.ensure_future(send({"type": "http.response.body", "body": piece, "more_body": True}))
    await asyncio.wait({sending, gone}, timeout=_STALLED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if not sending.done() or gone.done():
        sending.cancel()
        raise _ClientGone
    sending.result()


def _settle_once(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)


async def _readable(fd: int, gone: asyncio.Future[None]) -> None:
    """Wait until something can be read, the client is gone, or it is time to look around."""
    if fd < 0:
        return
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle_once, came)
    try:
        await asyncio.wait({came, gone}, timeout=_LOOKS_EVERY, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(fd)
