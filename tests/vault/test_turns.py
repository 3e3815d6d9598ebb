"""Threads that wait for one another at a door give their turn at computing to others meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.db.lease import Lease
from app.kernel.turns import Turns, take_turn, yield_turn
from app.vault.shared import SharedReads
from app.vault.tokens import VaultTokens

TURNS, CALLERS = 2, 8


def _ask_vault() -> str:
    with yield_turn():
        time.sleep(0.01)
    return "answer"


def _log_in() -> Callable[[], object]:
    key = ec.generate_private_key(ec.SECP256R1())
    tokens = VaultTokens(lambda _role, _jwt: (_ask_vault(), 300.0), lambda: key)
    return lambda: tokens.get("acme", "runtime")


def _share_reads() -> Callable[[], object]:
    reads: SharedReads[str, str] = SharedReads(lambda _what: _ask_vault())
    return lambda: reads.read("what")


def _begin_lease() -> Callable[[], object]:
    lease = Lease(lambda _process, _write: (_ask_vault(), None)[1], "sqlite")
    return lambda: lease.process


@pytest.mark.parametrize("kind", [_log_in, _share_reads, _begin_lease])
def test_more_callers_than_turns_at_once_all_get_an_answer(kind: Callable[[], Callable[[], object]]) -> None:
    ask, turns, answers = kind(), Turns(TURNS), list[object]()

    def call() -> None:
        with take_turn(turns):
            answers.append(ask())

    threads = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(answers) == CALLERS
