"""An upstream breaks off after it had the request, so that it would come once more."""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Stage
from tests.support.service import problem
from tests.support.upstream import Script

BREAKS: dict[str, Script] = {
    "reset": lambda h: h.reset(),
    "closed": lambda h: h.answer_raw(b""),
    "cut": lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
    "garbage": lambda h: h.answer_raw(b"\x16\x03\x01 no http\r\n\r\n"),
    "unavailable": lambda h: h.answer(b"", 503, {"Retry-After": "0"}),
    "timed out": lambda h: h.answer(b"", 408, {"Connection": "close"}),
    "misdirected": lambda h: h.answer(b"", 421),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_a_request_that_may_have_done_something_goes_out_once(stage: Stage, how: str, method: str) -> None:
    stage.call("/warm-up")  # so that the connection that breaks is one that was kept
    stage.upstream.scripts["/break"] = BREAKS[how]
    answer = stage.call("/break", method=method)
    if how in ("unavailable", "timed out", "misdirected"):
        assert answer.json()["status"] in (503, 408, 421)
    else:
        assert problem(answer) == (502, "upstream_protocol")
    # RFC 9110, section 9.2.2: a safe one whose kept connection ended before a byte came goes once more.
    again = ["/break"] if method == "GET" and how in ("reset", "closed") else []
    assert [seen.path for seen in stage.upstream.seen] == ["/warm-up", "/break", *again]


def test_nor_does_one_that_timed_out(stage: Stage) -> None:
    stage.upstream.scripts["/stall"] = lambda h: h.stall()
    assert problem(stage.call("/stall", timeout_seconds=0.5)) == (504, "upstream_timeout")
    stage.upstream.wait()
    assert len(stage.upstream.seen) == 1
    stage.upstream.released.set()
