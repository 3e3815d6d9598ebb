"""Whoever controls an echo measures how long it takes on a stream: a value's echo takes no longer, and no shorter."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from statistics import median

import pytest

from tests.attacks.conftest import Stage
from tests.support.streams import Reader, send_chunk
from tests.support.upstream import Handler

PAIRS = 2000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("media_type", ["text/event-stream", "application/x-ndjson"])
def test_the_delay_of_an_echo_does_not_tell_whether_it_was_a_value(stage: Stage, media_type: str) -> None:
    """Pairs in random order, one event after the other: which of the two is slower is a matter of chance."""
    near = stage.token[:-1] + ("a" if stage.token[-1] != "a" else "b")  # agrees with the value but for its last byte
    draw = random.Random(7)
    order = [pair for _ in range(PAIRS) for pair in draw.sample([True, False], 2)]
    turn, sent = threading.Semaphore(0), [0.0]

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": media_type, "Transfer-Encoding": "chunked"})
        for number, matching in enumerate(order):
            turn.acquire(timeout=60)
            sent[0] = time.perf_counter()
            send_chunk(handler, b"data: %b %d.\n\n" % ((stage.token if matching else near).encode(), number))
        handler.wfile.write(b"0\r\n\r\n")

    stage.upstream.scripts["/delays"] = answer
    call = {
        "url": stage.url("/delays"),
        "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}],
        "answer": "stream",
        "timeout_seconds": 60,
    }
    reader = Reader(stage.service, f"/workspaces/{stage.workspace}/calls", call, Strongroom_Act_As="ed")
    took: dict[bool, list[float]] = {True: [], False: []}
    with closing(reader.socket):
        for number, matching in enumerate(order):
            turn.release()
            reader.until(b" %d.\n" % number)
            took[matching].append(time.perf_counter() - sent[0])
            assert stage.token.encode() not in reader.came
            reader.came = reader.came[-64:]
    slower = sum(hit > miss for hit, miss in zip(took[True], took[False], strict=True)) / PAIRS
    # By chance alone it is further from a half than this once in a hundred thousand runs (binomial, 2,000 pairs).
    assert abs(slower - 0.5) < 0.05, (slower, median(took[True]), median(took[False]))
