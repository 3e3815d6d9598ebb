"""What happened when: every request's end, and every fault's. Judged afterwards, by these times alone."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

BACK_WITHIN: Final = 10.0
"""Seconds after a fault's end within which everything must be as before."""
STRAIGHT: Final = 1.0
"""For so many seconds every kind of request must succeed before that counts as normal."""
_TIMES: Final = 2
"""How many times the longest wait of the quiet phase that is, where it's longer."""
_STEP: Final = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request went; ``code`` is empty where it did what it should."""

    kind: str
    began: float
    ended: float
    code: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things go here while nothing is broken, by which everything is judged that takes time.

    ``straight`` and ``back_within`` are seconds, as ``STRAIGHT`` and ``BACK_WITHIN`` on a machine that has time.
    """

    straight: float = STRAIGHT

    @property
    def back_within(self) -> float:
        """Within how many seconds of a fault's end everything must be as before."""
        return BACK_WITHIN * self.straight / STRAIGHT

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Pace:
        """Take the pace from the quiet phase: from the longest wait between two requests of a kind that succeeded."""
        ends: dict[str, list[float]] = {}
        for each in outcomes:
            if not each.code:
                ends.setdefault(each.kind, []).append(each.ended)
        waits = [b - a for moments in ends.values() for a, b in itertools.pairwise(sorted(moments))]
        return cls(max([STRAIGHT, *(_TIMES * wait for wait in waits)]))


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that happened: with which codes requests may be refused because of it, when it began, and its mending.

    ``grace`` is how many seconds after its end it still explains a refusal.
    """

    name: str
    codes: frozenset[str]
    began: float
    mending: float
    ended: float
    grace: float = BACK_WITHIN

    def excuses(self, outcome: Outcome) -> bool:
        """Whether this fault explains that the request was refused."""
        overlaps = outcome.began <= self.ended + self.grace and outcome.ended >= self.began
        return overlaps and outcome.code in self.codes


@dataclass(slots=True)
class Journal:
    """All outcomes. Safe to share among threads."""

    outcomes: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: Outcome) -> None:
        """Write an outcome down."""
        with self._lock:
            self.outcomes.append(outcome)

    def between(self, began: float, ended: float) -> Sequence[Outcome]:
        """Return what ended in this time."""
        with self._lock:
            return [each for each in self.outcomes if began < each.ended <= ended]


def unexcused(outcomes: Iterable[Outcome], faults: Sequence[Happened]) -> Mapping[str, int]:
    """Count the refusals that no fault explains, by kind and code."""
    refused = (each for each in outcomes if each.code and not any(fault.excuses(each) for fault in faults))
    return Counter(f"{each.kind}: {each.code}" for each in refused)


def recovery(outcomes: Sequence[Outcome], ended: float, now: float, straight: float = STRAIGHT) -> float | None:
    """Return the seconds from a fault's end until every kind of request succeeds for ``straight`` seconds on end.

    None where that didn't come about until ``now``. A request that began before counts when it ends, and what is
    refused later, until ``now``, still belongs to the fault.
    """
    kinds = {each.kind for each in outcomes}
    start = max([ended, *(each.ended for each in outcomes if each.code and each.ended <= now)])
    while start + straight <= now:
        if {each.kind for each in outcomes if start < each.ended <= start + straight} == kinds:
            return start - ended
        start += _STEP
    return None
