"""Turns at computing: no more threads than turns, and none that waits keeps one."""

from __future__ import annotations

import threading

import pytest

from app.kernel.turns import Turns, hold_lock, take_turn, yield_turn


def free(turns: Turns) -> bool:
    return turns.free > 0


def test_a_turn_is_taken_while_computing_and_given_back() -> None:
    turns = Turns(1)
    with take_turn(turns):
        assert not free(turns)
    assert free(turns)


def test_a_turn_is_lent_out_while_waiting_and_taken_again() -> None:
    turns = Turns(1)
    with take_turn(turns):
        with yield_turn():
            assert free(turns)
        assert not free(turns)
    assert free(turns)


def break_off(turns: Turns) -> None:
    with take_turn(turns), yield_turn():
        raise OSError("away")


def test_an_error_keeps_no_turn() -> None:
    turns = Turns(1)
    with pytest.raises(OSError, match="away"):
        break_off(turns)
    assert turns.free == 1


def test_who_has_no_turn_waits_for_none() -> None:
    turns = Turns(1)
    with yield_turn():
        assert free(turns)
    with take_turn(turns):
        pass
    with yield_turn():  # the turn is over: it isn't given back a second time
        assert turns.free == 1


def test_another_thread_s_turn_is_its_own() -> None:
    turns = Turns(2)
    seen: list[int] = []

    def look() -> None:
        with yield_turn():
            seen.append(turns.free)

    with take_turn(turns):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [1]


def test_a_lock_is_waited_for_without_a_turn_and_held_with_one() -> None:
    turns, lock = Turns(1), threading.Lock()
    lock.acquire()
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        with take_turn(turns):
            began.set()
            with hold_lock(lock):
                over.set()

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    with take_turn(turns):  # comes back although another began to wait with it
        assert not over.is_set()
        lock.release()
    thread.join()
    assert over.is_set()
    assert not lock.locked()
    assert free(turns)
