"""Whether the copies' memory stays flat: resident memory of all their processes, now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.processes import cost, tree
from tests.support.topology import COPIES, Topology

EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Life:
    """One life of one copy, from its warm-up on: memory in MiB at the begin and at the end."""

    copy: str
    seconds: float
    begin: float
    end: float

    @property
    def growth(self) -> float:
        """How much more memory it has at the end, as a factor."""
        return self.end / self.begin


@dataclass(slots=True)
class Memory:
    """Samples by copy and process: a copy that was started anew has another."""

    samples: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)

    def watch(self, topology: Topology, stop: threading.Event) -> None:
        """Take samples until told to stop."""
        while not stop.wait(EVERY):
            for copy in COPIES:
                process = topology.processes.get(copy)
                pids = tree(process.pid) if process is not None else []
                if process is not None and len(pids) > 1:  # else it is just starting, or ending
                    taken = (time.monotonic(), cost(pids).memory / 1024**2)
                    self.samples.setdefault((copy, process.pid), []).append(taken)

    def lives(self, *, warm_up: float, shortest: float) -> Sequence[Life]:
        """Return the lives that went on for long enough after their warm-up."""
        found = (_life(copy, samples, warm_up) for (copy, _), samples in self.samples.items())
        return [life for life in found if life is not None and life.seconds >= shortest]


def _life(copy: str, samples: Sequence[tuple[float, float]], warm_up: float) -> Life | None:
    warm = [(at, memory) for at, memory in samples if at >= samples[0][0] + warm_up]
    if len(warm) < 10:
        return None
    begin, end = (median(memory for _, memory in part) for part in (warm[:5], warm[-5:]))
    return Life(copy, warm[-1][0] - warm[0][0], begin, end)


def summary(lives: Sequence[Life]) -> Sequence[Mapping[str, object]]:
    """Lay the lives out as rows."""
    return [
        {
            "memory": life.copy,
            "seconds after warm-up": round(life.seconds),
            "MiB then": life.begin,
            "MiB at the end": life.end,
            "growth": f"{life.growth:.3f}",
        }
        for life in lives
    ]
