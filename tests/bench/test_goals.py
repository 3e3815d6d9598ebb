"""What `make bench` computes from what it measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.candidates import Candidate, Measured, numbers_for
from bench.checkout import CheckoutError, check_out
from bench.goals import Figures, goals, goals_against, goals_of_streams
from bench.load import Asked, Run
from bench.main import FULL, QUICK
from bench.report import chart, middle, table
from bench.types import ratios

THROUGHPUT = {
    "upstream": 60_000.0, "vault": 2_000.0, "ours-kv": 1_000.0, "ours-kv-hot": 1_600.0, "ours-transit": 700.0,
    "naive-gthread": 400.0, "naive-sync": 300.0, "mitmproxy": 250.0,
}  # fmt: skip


def test_goals_are_met_and_missed_by_the_figures_alone() -> None:
    reached = {
        goal.name: goal.as_json() for goal in goals(THROUGHPUT, p50=10, p99=31, growth=1.1, redaction=1.51, memory=1.05)
    }
    assert len(reached) == 8
    assert reached["times the naive service"] == {"measured": 2.5, "goal": ">= 2", "met": True}
    assert reached["times mitmproxy"] == {"measured": 4.0, "goal": ">= 1.6", "met": True}
    assert reached["share of the just-in-time limit"] == {"measured": 0.517, "goal": ">= 0.27", "met": True}
    assert reached["transit over KV"]["met"] is True
    assert reached["cost with 100,000 secrets and 1,000 workspaces"]["met"] is True
    assert reached["p99 over p50"] == {"measured": 3.1, "goal": "<= 3", "met": False}
    assert reached["redaction of 10 MiB without a value"]["met"] is False


def test_streams_are_held_against_a_direct_connection_and_short_calls_alone() -> None:
    pace = {
        "direct": {"first byte ms": 2.0, "late ms, most": 3.0},
        "ours": {"first byte ms": 30.0, "late ms, most": 251},
    }
    found = {"pace": pace, "beside": {"p99": 1.2, "rate": 0.79}, "ends_after_ms": 700.0}
    reached = {goal.name: goal.met for goal in goals_of_streams(found)}
    assert list(reached.values()) == [True, False, True, False, True]


def test_an_earlier_commit_is_compared_figure_by_figure() -> None:
    ratios = {
        "kv": 1.5, "hot": 1.49, "transit": 2.2, "cpu": 0.6, "vault_cpu_kv": 0.86, "vault_cpu_transit": 0.4,
        "memory": 0.61, "start": 0.7, "added": 0.76,
    }  # fmt: skip
    before = Figures(*[2.0] * len(ratios))
    reached = goals_against(Figures(**{name: 2 * ratio for name, ratio in ratios.items()}), before)
    assert [goal.measured for goal in reached] == pytest.approx(list(ratios.values()))
    assert [goal.met for goal in reached] == [True, False, True, True, False, True, False, True, False]


def test_all_is_pressed_at_16_connections_and_at_other_numbers_only_what_a_figure_is_taken_of() -> None:
    asked = Asked("http://127.0.0.1", ["/"])
    plain, narrow = Candidate(lambda: asked), Candidate(lambda: asked, also=[1, 64])
    assert (numbers_for(plain, FULL), numbers_for(narrow, FULL)) == ([16], [1, 16, 64])
    assert (numbers_for(plain, QUICK), numbers_for(narrow, QUICK)) == ([16], [1, 16])


def test_the_better_naive_service_counts() -> None:
    worse = goals(THROUGHPUT | {"naive-sync": 500.0}, p50=1, p99=1, growth=1, redaction=1, memory=1)
    assert worse[0].measured == pytest.approx(2.0)


def test_an_unknown_commit_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="unknown commit"):
        check_out("no-such-commit", tmp_path)
    assert not list(tmp_path.iterdir())


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


def test_a_type_is_told_as_a_ratio_to_a_value_in_kv() -> None:
    def measured(throughput: float) -> dict[int, Measured]:
        return {number: Measured([Run(throughput, 5.0, 9.0, 100)]) for number in (1, 16)}

    compared = {f"ours-{name}": measured(500.0) for name in ("jwt-es256", "jwt-rs256", "aws4", "oauth2")}
    found = ratios({**compared, "ours-kv-hot": measured(1_000.0), "ours-hmac": measured(750.0)}, 20.0)
    assert found == {"hmac": 0.75, "jwt-es256": 0.5, "jwt-rs256": 0.5, "aws4": 0.5, "oauth2": 0.5, "renewal": 4.0}
