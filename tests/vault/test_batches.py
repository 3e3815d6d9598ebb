"""Requests that callers share: none begins before all of its callers asked, none is too big, nothing is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.errors import VaultUnavailable
from app.vault.batches import MOST_BYTES, MOST_PARTS, Batches

PAUSES = st.lists(st.sampled_from([0.0, 0.0005, 0.002]), min_size=1, max_size=6)


class Desk:
    """Answers in capitals, a request for each key at a time; the first one of a key is answered when it may be."""

    def __init__(self, *, held: bool = False) -> None:
        self.requests: list[tuple[str, list[str]]] = []
        self.arrived, self.go_on = threading.Semaphore(0), threading.Event()
        self.batches: Batches[str, str] = Batches(self.send)
        if not held:
            self.go_on.set()

    def send(self, key: str, items: Sequence[str]) -> Sequence[str]:
        self.requests.append((key, list(items)))
        self.arrived.release()
        assert self.go_on.wait(30)
        return [item.upper() for item in items]

    def fill(self, threads: ThreadPoolExecutor, items: Sequence[str]) -> list[Future[str]]:
        """Have one request under way, and all the others wait for the next, in this order."""
        first = threads.submit(self.batches.ask, "key", "first")
        assert self.arrived.acquire(timeout=30)
        asked = [first]
        for number, item in enumerate(items, 1):
            asked.append(threads.submit(self.batches.ask, "key", item))
            while len(self.batches._queues["key"]) < number:
                time.sleep(0.0005)
        return asked


@settings(max_examples=30, deadline=None)
@given(
    callers=st.lists(PAUSES, min_size=2, max_size=8),
    takes=st.sampled_from([0.0, 0.001, 0.003]),
    fails=st.integers(0, 3),
)
def test_every_request_begins_after_all_of_its_callers_asked_and_each_gets_their_own_part(
    callers: list[list[float]], takes: float, fails: int
) -> None:
    numbers, under_way = count(1), threading.Semaphore(1)
    latest = 0

    def send(_key: str, items: Sequence[str]) -> Sequence[tuple[int, str]]:
        nonlocal latest
        assert under_way.acquire(blocking=False)  # one at a time of each key
        try:
            mine = latest = next(numbers)
            time.sleep(takes)
            if fails and mine % (fails + 1) == 0:
                raise VaultUnavailable(str(mine), retry_after=5)
            return [(mine, item) for item in items]
        finally:
            under_way.release()

    batches: Batches[str, tuple[int, str]] = Batches(send)

    def caller(name: int, pauses: list[float]) -> None:
        for number, pause in enumerate(pauses):
            time.sleep(pause)
            before, item = latest, f"{name}-{number}"
            try:
                request, got = batches.ask("key", item)
                assert got == item
            except VaultUnavailable as error:
                request = int(error.detail)
            assert request > before

    with ThreadPoolExecutor(len(callers)) as threads:
        for done in [threads.submit(caller, name, pauses) for name, pauses in enumerate(callers)]:
            done.result(timeout=30)
    assert batches._queues == {}


def test_who_waits_at_the_same_moment_shares_one_request() -> None:
    desk = Desk(held=True)
    with ThreadPoolExecutor(8) as threads:
        asked = desk.fill(threads, ["a", "b", "c"])
        desk.go_on.set()
        assert [each.result(timeout=30) for each in asked] == ["FIRST", "A", "B", "C"]
    assert desk.requests == [("key", ["first"]), ("key", ["a", "b", "c"])]
    assert desk.batches._queues == {}


def test_a_request_holds_64_parts_at_most() -> None:
    desk, items = Desk(held=True), [f"item-{number}" for number in range(MOST_PARTS + 6)]
    with ThreadPoolExecutor(len(items) + 1) as threads:
        asked = desk.fill(threads, items)
        desk.go_on.set()
        assert [each.result(timeout=30) for each in asked[1:]] == [item.upper() for item in items]
    assert [len(sent) for _key, sent in desk.requests] == [1, 64, 6]


def test_a_request_holds_a_mebibyte_at_most_and_what_is_longer_goes_alone() -> None:
    third, long = "a" * (MOST_BYTES // 3), "b" * (MOST_BYTES + 1)
    desk = Desk(held=True)
    with ThreadPoolExecutor(8) as threads:
        asked = desk.fill(threads, [third, third, third, long, "c"])
        desk.go_on.set()
        assert [len(each.result(timeout=30)) for each in asked[1:]] == [len(third)] * 3 + [len(long), 1]
    sizes = [[len(item) for item in sent] for _key, sent in desk.requests[1:]]
    assert sizes == [[len(third)] * 2, [len(third)], [len(long)], [1]]


def test_another_key_waits_for_nobody() -> None:
    desk = Desk(held=True)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(desk.batches.ask, "one", "a")
        assert desk.arrived.acquire(timeout=30)
        other = threads.submit(desk.batches.ask, "other", "b")
        assert desk.arrived.acquire(timeout=30)  # while the first one is still under way
        desk.go_on.set()
        assert (one.result(timeout=30), other.result(timeout=30)) == ("A", "B")


def test_an_error_is_for_all_who_shared_the_request_and_for_nobody_after_them() -> None:
    held, broken = threading.Event(), threading.Event()

    def send(_key: str, items: Sequence[str]) -> Sequence[str]:
        assert held.wait(30)
        if "a" in items and not broken.is_set():
            raise VaultUnavailable("away", retry_after=5)
        return items

    batches: Batches[str, str] = Batches(send)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batches.ask, "key", "first")
        while "key" not in batches._queues:
            time.sleep(0.0005)
        waiting = [threads.submit(batches.ask, "key", item) for item in ("a", "b")]
        while len(batches._queues["key"]) < 2:
            time.sleep(0.0005)
        held.set()
        assert first.result(timeout=30) == "first"
        errors = [each.exception(timeout=30) for each in waiting]
    assert [type(error) for error in errors] == [VaultUnavailable] * 2
    assert errors[0] is not errors[1]
    broken.set()
    assert batches.ask("key", "a") == "a"


def test_who_waited_for_a_thread_that_was_broken_off_asks_anew() -> None:
    class BrokenOff(BaseException):
        pass

    held, calls = threading.Event(), count()

    def send(_key: str, items: Sequence[str]) -> Sequence[str]:
        assert held.wait(30)
        if next(calls) == 1:
            raise BrokenOff
        return items

    batches: Batches[str, str] = Batches(send)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batches.ask, "key", "first")
        while "key" not in batches._queues:
            time.sleep(0.0005)
        waiting = []
        for number, item in enumerate(("a", "b"), 1):
            waiting.append(threads.submit(batches.ask, "key", item))
            while len(batches._queues["key"]) < number:
                time.sleep(0.0005)
        held.set()
        assert first.result(timeout=30) == "first"
        assert isinstance(waiting[0].exception(timeout=30), BrokenOff)
        assert waiting[1].result(timeout=30) == "b"
    assert batches._queues == {}


def test_a_send_that_forgets_an_item_is_an_error() -> None:
    batches: Batches[str, str] = Batches(lambda _key, _items: [])
    with pytest.raises(ValueError, match="shorter"):
        batches.ask("key", "a")
