"""Reads that callers share: never one that had started before they asked, and nothing is kept of it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.errors import StrongroomError, VaultUnavailable
from app.vault.shared import SharedReads

PAUSES = st.lists(st.sampled_from([0.0, 0.0005, 0.002]), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(
    callers=st.lists(PAUSES, min_size=2, max_size=8),
    takes=st.sampled_from([0.0, 0.001, 0.003]),
    fails=st.integers(0, 3),
)
def test_nobody_gets_a_read_that_had_started_before_they_asked(
    callers: list[list[float]], takes: float, fails: int
) -> None:
    started, under_way = count(1), threading.Semaphore(1)
    latest = 0

    def read(_what: str) -> int:
        nonlocal latest
        assert under_way.acquire(blocking=False)  # never two of the same at once
        try:
            mine = latest = next(started)
            time.sleep(takes)
            if fails and mine % (fails + 1) == 0:
                raise VaultUnavailable(str(mine), retry_after=5)
            return mine
        finally:
            under_way.release()

    shared = SharedReads(read)

    def caller(pauses: list[float]) -> None:
        for pause in pauses:
            time.sleep(pause)
            before = latest
            try:
                got = shared.read("a")
            except VaultUnavailable as error:
                got = int(error.detail)
            assert got > before

    with ThreadPoolExecutor(len(callers)) as threads:
        for done in [threads.submit(caller, pauses) for pauses in callers]:
            done.result(timeout=30)
    assert shared._batches._queues == {}


@dataclass
class Gate:
    """A read that waits until a test lets it go on, and counts."""

    gives: Callable[[int], object]
    shared: SharedReads[str, object] = field(init=False)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    reads: int = 0

    def __post_init__(self) -> None:
        self.shared = SharedReads(self.read)

    def read(self, what: str) -> object:
        if what != "a":
            return "at once"
        self.reads += 1
        number = self.reads
        self.begun.release()
        assert self.free.acquire(timeout=20)
        return self.gives(number)


def ask_together(gate: Gate, threads: ThreadPoolExecutor, waiters: int) -> list[Future[object]]:
    """Begin one read, and let so many others ask while it is under way."""
    asked = [threads.submit(gate.shared.read, "a")]
    assert gate.begun.acquire(timeout=20)
    asked += [threads.submit(gate.shared.read, "a") for _ in range(waiters)]
    while len(gate.shared._batches._queues["a"]) < waiters:
        time.sleep(0.0005)
    return asked


@pytest.fixture
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(16)


def test_all_who_wait_share_the_one_read_that_starts_next(threads: ThreadPoolExecutor) -> None:
    gate = Gate(lambda number: number)
    asked = ask_together(gate, threads, 8)
    gate.free.release(2)
    assert [each.result(20) for each in asked] == [1] + [2] * 8
    assert gate.reads == 2


def test_another_secret_waits_for_nothing(threads: ThreadPoolExecutor) -> None:
    gate = Gate(lambda number: number)
    (asked,) = ask_together(gate, threads, 0)
    assert gate.shared.read("b") == "at once"
    gate.free.release()
    assert asked.result(20) == 1


def test_nothing_is_kept_of_a_value_when_all_have_it(threads: ThreadPoolExecutor) -> None:
    class Value:
        pass

    gate = Gate(lambda _number: Value())
    asked = ask_together(gate, threads, 4)
    gate.free.release(2)
    values = [weakref.ref(each.result(20)) for each in asked]
    assert gate.shared._batches._queues == {}
    asked.clear()
    threads.shutdown()
    gc.collect()
    assert [value() for value in values] == [None] * 5


def test_an_error_is_everybodys_who_waited_and_nobody_elses(threads: ThreadPoolExecutor) -> None:
    def gives(number: int) -> object:
        if number == 2:
            raise VaultUnavailable("Vault is sealed.", retry_after=5)
        return number

    gate = Gate(gives)
    asked = ask_together(gate, threads, 4)
    gate.free.release(3)
    assert asked[0].result(20) == 1
    errors = [each.exception(20) for each in asked[1:]]
    assert [
        (type(error), error.detail, error.retry_after) for error in errors if isinstance(error, StrongroomError)
    ] == [(VaultUnavailable, "Vault is sealed.", 5)] * 4
    assert len({id(error) for error in errors}) == 4
    assert gate.shared.read("a") == 3


@pytest.mark.parametrize("which", [1, 2])
def test_where_a_reader_dies_the_others_read_all_the_same(threads: ThreadPoolExecutor, which: int) -> None:
    def gives(number: int) -> object:
        if number == which:
            raise SystemExit
        return number

    gate = Gate(gives)
    asked = ask_together(gate, threads, 4)
    gate.free.release(10)
    gone = [each for each in asked if isinstance(each.exception(20), SystemExit)]
    assert len(gone) == 1
    assert all(isinstance(each.result(20), int) for each in asked if each not in gone)
    assert gate.shared._batches._queues == {}
