"""What the service sets itself: each goal is computed from what was measured, and a missed one stands as missed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and what it is held against."""

    name: str
    measured: float
    compared: str
    bound: float

    @property
    def met(self) -> bool:
        """Whether the figure is within the bound."""
        return _COMPARED[self.compared](self.measured, self.bound)

    def as_json(self) -> dict[str, object]:
        """Return what stands in ``results.json``."""
        return {"measured": round(self.measured, 3), "goal": f"{self.compared} {self.bound:g}", "met": self.met}


def goals(
    throughput: Mapping[str, float], *, p50: float, p99: float, growth: float, redaction: float, memory: float
) -> list[Goal]:
    """Compute the nine goals; ``throughput`` is in calls a second at 16 connections, by candidate."""
    naive = max(throughput["naive-gthread"], throughput["naive-sync"])
    limit = 1 / (1 / throughput["upstream"] + 1 / throughput["vault"])
    ours = throughput["ours-kv"]
    return [
        Goal("times the naive service", ours / naive, ">=", 2.5),
        Goal("times the naive service, one hot secret", throughput["ours-kv-hot"] / naive, ">=", 4),
        Goal("times mitmproxy", ours / throughput["mitmproxy"], ">=", 4),
        Goal("share of the just-in-time limit", ours / limit, ">=", 0.5),
        Goal("p99 over p50", p99 / p50, "<=", 3),
        Goal("cost with 100,000 secrets and 1,000 workspaces", growth, "<=", 1.1),
        Goal("redaction of 10 MiB without a value", redaction, "<=", 1.5),
        Goal("memory after 100,000 calls over that after 10,000", memory, "<=", 1.1),
        Goal("transit over KV", throughput["ours-transit"] / ours, ">=", 0.7),
    ]
