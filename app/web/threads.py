"""Threads that do the event loop's blocking work: one hand-over there, and one wake-up back.

The standard executor makes two futures and takes four locks for each step, and every request is one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Step = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """Threads for one event loop, begun when they are needed.

    Args:
        most: How many there are at most; further steps wait for one that is free.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._steps: SimpleQueue[_Step] = SimpleQueue()
        self._begun = 0
        self._under_way = 0
        """How many steps have no outcome yet, as the event loop knows it."""

    def run(self, step: Callable[[], T]) -> asyncio.Future[T]:
        """Have a thread do a step. To be called on the event loop; cancelled, the step goes on all the same."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        self._under_way += 1
        if self._under_way > self._begun < self._most:
            threading.Thread(target=self._work, name=f"{self._name}-{self._begun}", daemon=True).start()
            self._begun += 1
        self._steps.put((loop, outcome, step))
        return outcome

    def _work(self) -> None:
        while True:
            self._do(*self._steps.get())

    def _do(self, loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Any], step: Callable[[], Any]) -> None:
        result, error = None, None
        try:
            result = step()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(self._settle, outcome, result, error)
        del step, result, error  # an error's traceback would hold them, and be held by them

    def _settle(self, outcome: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        self._under_way -= 1
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)
