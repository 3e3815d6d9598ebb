"""Turns by a file's lock: waited for in the kernel's line, for so long; one that comes too late is given back."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from app.db.file_turns import FileTurns


def is_free(path: Path) -> bool:
    with path.open("ab") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def await_that(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_turn_is_held_until_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    turns = FileTurns(path, 20)
    for _ in range(3):
        turns.take()
        assert not is_free(path)
        turns.give()
        assert is_free(path)
    turns.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_turn_that_another_has_is_taken_when_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    mine, theirs = FileTurns(path, 20), FileTurns(path, 20)
    for _ in range(3):  # the thread that stands in line is used again
        theirs.take()
        taken, go_on = Event(), Event()

        def work(taken: Event = taken, go_on: Event = go_on) -> None:
            mine.take()
            taken.set()
            go_on.wait(20)
            mine.give()

        worker = Thread(target=work)
        worker.start()
        assert not taken.wait(0.1)
        theirs.give()
        assert taken.wait(20)
        assert not is_free(path)
        go_on.set()
        worker.join(20)
        assert is_free(path)
    mine.close()
    theirs.close()


def test_a_turn_that_comes_when_nobody_waits_any_more_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    impatient = FileTurns(path, 0.05)
    with path.open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        for _ in range(2):  # the second time the thread stands in line already
            impatient.take()
            impatient.give()
    await_that(lambda: is_free(path))
    impatient.take()
    assert not is_free(path)
    impatient.give()
    assert is_free(path)
    impatient.close()


def test_it_goes_on_without_a_turn_where_the_file_is_closed_or_cant_be_opened(tmp_path: Path) -> None:
    closed = FileTurns(tmp_path / "turn", 20)
    closed.take()
    closed.give()
    closed.close()
    nowhere = FileTurns(tmp_path, 20)
    for turns in (closed, nowhere, FileTurns(None, 20)):
        turns.take()
        turns.give()
        turns.close()
    assert os.listdir(tmp_path) == ["turn"]
