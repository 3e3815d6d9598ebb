"""What `make bench` computes from what it measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bench.goals import goals
from bench.load import Run
from bench.report import chart, middle, table

THROUGHPUT = {
    "upstream": 60_000.0, "vault": 2_000.0, "ours-kv": 1_000.0, "ours-kv-hot": 1_600.0, "ours-transit": 700.0,
    "naive-gthread": 400.0, "naive-sync": 300.0, "mitmproxy": 250.0,
}  # fmt: skip


def test_goals_are_met_and_missed_by_the_figures_alone() -> None:
    reached = {
        goal.name: goal.as_json() for goal in goals(THROUGHPUT, p50=10, p99=31, growth=1.1, redaction=1.51, memory=1.05)
    }
    assert len(reached) == 9
    assert reached["times the naive service"] == {"measured": 2.5, "goal": ">= 2.5", "met": True}
    assert reached["times the naive service, one hot secret"]["measured"] == 4.0
    assert reached["times mitmproxy"]["met"] is True
    assert reached["share of the just-in-time limit"] == {"measured": 0.517, "goal": ">= 0.5", "met": True}
    assert reached["transit over KV"]["met"] is True
    assert reached["cost with 100,000 secrets and 1,000 workspaces"]["met"] is True
    assert reached["p99 over p50"] == {"measured": 3.1, "goal": "<= 3", "met": False}
    assert reached["redaction of 10 MiB without a value"]["met"] is False


def test_the_better_naive_service_counts() -> None:
    worse = goals(THROUGHPUT | {"naive-sync": 500.0}, p50=1, p99=1, growth=1, redaction=1, memory=1)
    assert worse[0].measured == pytest.approx(2.0)


def test_medians_stand_for_several_runs() -> None:
    runs = [Run(100, 1, 5, 10), Run(300, 3, 9, 30), Run(200, 2, 7, 20)]
    assert middle(runs) == Run(200, 2, 7, 60)


def test_the_chart_is_an_image_that_tells_every_figure() -> None:
    drawn = chart({"ours <kv>": 1234.0, "naive": 617.0}, "Calls & more")
    texts = [each.text for each in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["Calls & more", "ours <kv>", "1,234", "naive", "617"]


def test_a_table_lines_up() -> None:
    lines = table([{"name": "a", "calls/s": 1234.5}, {"name": "longer", "calls/s": 3.14159}]).splitlines()
    assert lines == ["name    calls/s", "a         1,234", "longer     3.14"]
