"""The clock that everybody is handed."""

from __future__ import annotations

from datetime import UTC, timedelta

from app.kernel.clock import system_clock


def test_it_never_goes_back_between_two_looks_and_knows_its_zone() -> None:
    first, second = system_clock(), system_clock()
    assert first <= second
    assert first.tzinfo is UTC
    assert first.utcoffset() == timedelta(0)
