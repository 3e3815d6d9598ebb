"""What a soak leaves: its table, and whether everything held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.report import table
from soak.journal import Happened, Pace
from soak.memory import Life, summary
from soak.revoke import Ended


@dataclass(frozen=True, slots=True)
class Fell:
    """A fault that happened, how many requests it cost, and how long after its end everything was as before."""

    happened: Happened
    refused: int
    recovery: float | None


@dataclass(slots=True)
class Report:
    """Everything that was found; ``counts`` are figures, ``misses`` what didn't hold, a sentence each."""

    fallen: Sequence[Fell]
    ended: Sequence[Ended]
    lives: Sequence[Life]
    growth_allowed: float
    counts: Mapping[str, int]
    misses: list[str] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        for fell in self.fallen:
            within = self.pace.back_within
            if fell.recovery is None or fell.recovery > within:
                self.misses.append(f"{fell.happened.name}: not back to normal within {within:.0f} s")
        for ended in self.ended:
            if ended.used_after:
                self.misses.append(f"{ended.kind}: {ended.used_after} calls that started later used the secret")
            if ended.wrongly_refused:
                self.misses.append(f"{ended.kind}: refused as {', '.join(sorted(ended.wrongly_refused))}")
            if not ended.before or not ended.started_after:
                self.misses.append(f"{ended.kind}: nothing was measured")
        for life in self.lives:
            if life.growth > self.growth_allowed:
                self.misses.append(f"memory of {life.copy} grew to {life.growth:.2f} of what it was")

    def text(self) -> str:
        """Lay everything out."""
        counted = [{"": name, "count": number} for name, number in self.counts.items()]
        parts = [table(_faults(self.fallen)), table(_ends(self.ended)), table(summary(self.lives)), table(counted)]
        verdict = ["Everything held."] if not self.misses else [f"MISSED  {miss}" for miss in self.misses]
        return "\n\n".join([*parts, "\n".join(verdict)])


def _faults(fallen: Sequence[Fell]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "fault": fell.happened.name,
            "broken s": fell.happened.mending - fell.happened.began,
            "mended in s": fell.happened.ended - fell.happened.mending,
            "requests refused": fell.refused,
            "back to normal after s": fell.recovery,
        }
        for fell in fallen
    ]


def _ends(ended: Sequence[Ended]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "after the answer to": each.kind,
            "repeats": each.repeats,
            "calls before": each.before,
            "calls started after": each.started_after,
            "of those used the secret": each.used_after,
            "latest use ms": f"{each.latest_use * 1000:.0f}" if each.used_after else "none",
            "in flight ended ms": f"{each.in_flight * 1000:.0f}",
        }
        for each in ended
    ]
