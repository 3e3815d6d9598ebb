"""Whether whoever sent a request is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

Receive = Callable[[], Awaitable[dict[str, Any]]]
_PRESENCE: Final = "strongroom.presence"


class ClientPresence:
    """Whether a client is still there; made on the event loop's thread once its request has come whole.

    It is watched from the first time that somebody asks: most requests are answered before anybody does.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._watching: asyncio.Task[None] | None = None
        self._is_asked = False
        self._is_over = False

    def __call__(self) -> bool:
        """Tell whether the client is there, as far as is known; for any thread."""
        if not self._is_asked:
            self._is_asked = True
            with suppress(RuntimeError):  # the loop is closed, and nobody is there any more
                self._loop.call_soon_threadsafe(self._begin)
        return self._watching is None or not self._watching.done()

    def watch(self) -> asyncio.Task[None]:
        """Return what ends once the client is gone; for the event loop's thread."""
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._wait_until_gone())
        return self._watching

    def close(self) -> None:
        """Watch no more."""
        self._is_over = True
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        if not self._is_over:
            self.watch()

    async def _wait_until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def hold_presence(environ: dict[str, Any], presence: ClientPresence) -> None:
    """Keep with a request whether its client is there."""
    environ[_PRESENCE] = presence


def presence_of(environ: dict[str, Any]) -> Callable[[], bool]:
    """Return what tells whether a request's client is there; where nobody can tell, it always is."""
    found: Callable[[], bool] = environ.get(_PRESENCE, _always)
    return found


def _always() -> bool:
    return True
