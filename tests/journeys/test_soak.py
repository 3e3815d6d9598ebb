"""The soak in its two-minute form: everything breaks once, and everything holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.faults import FAULTS
from soak.main import Scale, soak
from soak.world import world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NONE = (
    "acknowledged writes lost",
    "wrong answers",
    "values leaked",
    "calls that arrived twice",
    "calls answered without intent and outcome",
    "refusals that no fault explains",
)


def test_two_minutes_of_faults_lose_nothing_and_show_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as running:
        report = soak(running, Scale.of(120))
    print(report.text())  # noqa: T201
    assert report.misses == []
    assert {name: report.counts[name] for name in NONE} == dict.fromkeys(NONE, 0)
    assert report.counts["writes acknowledged"] > 100
    assert report.counts["calls answered"] > 100
    assert [fell.happened.name for fell in report.fallen][: len(FAULTS)] == [fault.name for fault in FAULTS]
    assert {ended.kind for ended in report.ended} >= {"secret deleted", "token revoked", "member removed"}
    assert sum(ended.started_after for ended in report.ended) > 100
    assert report.lives
