"""The event loop's threads: outcomes come back, errors too, and there are no more of them than may be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from app.web.threads import Threads

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T]) -> T:
    # In a thread of its own: the browser tests leave a running loop in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, story).result()


def test_outcomes_and_errors_come_back_in_the_place_of_their_step() -> None:
    def fail() -> None:
        raise LookupError("not there")

    async def story() -> tuple[list[object], int]:
        threads = Threads(2, "step")
        outcomes = await asyncio.gather(
            *(threads.run(lambda number=number: number) for number in range(20)),  # type: ignore[misc]
            threads.run(fail),
            return_exceptions=True,
        )
        return outcomes, await threads.run(threading.get_ident)

    (*numbers, error), ident = run(story())
    assert numbers == list(range(20))
    assert isinstance(error, LookupError)
    assert ident != threading.get_ident()


def test_there_are_no_more_threads_than_may_be_and_the_others_wait() -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def step() -> str:
        inside.release()
        go_on.wait()
        return threading.current_thread().name

    async def story() -> list[str]:
        threads = Threads(3, "step")
        steps = [threads.run(step) for _ in range(7)]
        for _ in range(3):
            await asyncio.to_thread(inside.acquire)
        assert not inside.acquire(blocking=False), "a fourth is under way"
        go_on.set()
        return await asyncio.gather(*steps)

    assert set(run(story())) <= {"step-0", "step-1", "step-2"}


def test_a_step_that_nobody_waits_for_any_more_keeps_its_thread_no_longer_than_it_takes() -> None:
    go_on = threading.Event()

    async def story() -> str:
        threads = Threads(1, "step")
        given_up = threads.run(go_on.wait)
        given_up.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return await threads.run(lambda: "next")

    assert run(story()) == "next"
