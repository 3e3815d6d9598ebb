"""What a benchmark leaves: a table for people, ``results.json`` for machines, and a chart for the docs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Final

from bench.goals import Goal
from bench.load import Run

_BEGAN: Final = time.monotonic()
_WIDTH: Final = 720
_ROW: Final = 30
_LEFT: Final = 230


def tell(text: str) -> None:
    """Print with the seconds since the beginning, so that whoever waits sees it now."""
    after = f"[{time.monotonic() - _BEGAN:.0f} s]"
    print(after, text, sep="\n" if "\n" in text else " ", flush=True)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Lay rows out in columns; the keys of the first are the head."""
    if not rows:
        return ""
    lines = [[str(key) for key in rows[0]], *([_shown(row[key]) for key in rows[0]] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_laid_out(line, widths) for line in lines)


def _laid_out(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([line[0].ljust(len(first)), *others])


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return "-" if value is None else str(value)


def goal_table(goals: Sequence[Goal]) -> str:
    """Lay the goals out."""
    return table(
        [
            {
                "goal": goal.name,
                "measured": goal.measured,
                "wanted": f"{goal.compared} {goal.bound:g}",
                "": "met" if goal.met else "MISSED",
            }
            for goal in goals
        ]
    )


def middle(runs: Sequence[Run]) -> Run:
    """Return the medians of several runs."""
    return Run(
        throughput=median(run.throughput for run in runs),
        p50=median(run.p50 for run in runs),
        p99=median(run.p99 for run in runs),
        requests=sum(run.requests for run in runs),
    )


def chart(throughput: Mapping[str, float], title: str) -> str:
    """Draw calls a second as bars: an SVG that follows the reader's light or dark."""
    most = max(throughput.values())
    height = _ROW * (len(throughput) + 1) + 16
    bars = [
        f'<text x="{_LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{(_WIDTH - _LEFT - 90) * value / most:.1f}" height="20" rx="2" '
        f'class="{"ours" if name.startswith("ours") else "other"}"/>'
        f'<text x="{_LEFT + (_WIDTH - _LEFT - 90) * value / most + 8:.1f}" y="{y + 15}">{value:,.0f}</text>'
        for y, (name, value) in zip(range(_ROW + 8, height, _ROW), throughput.items(), strict=False)
    ]
    style = (
        "text{font:14px system-ui,sans-serif;fill:#1c2430}.ours{fill:#2563ad}.other{fill:#8a94a3}"
        "@media(prefers-color-scheme:dark){text{fill:#e6e9ee}.ours{fill:#6ca8ee}.other{fill:#75808f}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{style}</style>'
        f'<text x="0" y="20">{escape(title)}</text>{"".join(bars)}</svg>\n'
    )
