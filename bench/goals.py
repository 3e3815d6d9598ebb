"""What the service sets itself: each goal is computed from what was measured, and a missed one stands as missed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared between two commits of the service; calls and CPU are of 16 connections.

    Args:
        kv, hot, transit: calls a second: 100 secrets with KV, one of them, 100 secrets with transit.
        cpu: CPU seconds of the service's processes for 1,000 calls with KV.
        vault_cpu_kv, vault_cpu_transit: CPU seconds of its Vault for 1,000 calls.
        memory: MiB resident in all of the service's processes; a page that several share counts once.
        start: seconds from ``strongroom serve`` to ready on an existing folder.
        added: milliseconds that a call takes at one connection beyond a read of Vault and the upstream.
    """

    kv: float
    hot: float
    transit: float
    cpu: float
    vault_cpu_kv: float
    vault_cpu_transit: float
    memory: float
    start: float
    added: float


def goals(
    throughput: Mapping[str, float], *, p50: float, p99: float, growth: float, redaction: float, memory: float
) -> list[Goal]:
    """Compute the goals that need no other commit; ``throughput``: calls a second at 16 connections, by candidate."""
    naive = max(throughput["naive-gthread"], throughput["naive-sync"])
    limit = 1 / (1 / throughput["upstream"] + 1 / throughput["vault"])
    ours = throughput["ours-kv"]
    return [
        Goal("times the naive service", ours / naive, ">=", 2),
        Goal("times mitmproxy", ours / throughput["mitmproxy"], ">=", 1.6),
        Goal("share of the just-in-time limit", ours / limit, ">=", 0.27),
        Goal("p99 over p50", p99 / p50, "<=", 3),
        Goal("cost with 100,000 secrets and 1,000 workspaces", growth, "<=", 1.1),
        Goal("redaction of 10 MiB without a value", redaction, "<=", 1.5),
        Goal("memory after 50,000 calls over that after 10,000", memory, "<=", 1.1),
        Goal("transit over KV", throughput["ours-transit"] / ours, ">=", 0.7),
    ]


def goals_of_streams(found: Mapping[str, Any]) -> list[Goal]:
    """Compute the goals of answers that stream, beside a direct connection and beside short calls alone."""
    direct, ours = found["pace"]["direct"], found["pace"]["ours"]
    return [
        Goal(
            "a stream's first byte after a direct one's, ms", ours["first byte ms"] - direct["first byte ms"], "<=", 150
        ),
        Goal("the latest event of 40 a second, ms", ours["late ms, most"], "<=", 250),
        Goal("p99 of short calls beside 100 streams", found["beside"]["p99"], "<=", 1.3),
        Goal("rate of short calls beside 100 streams", found["beside"]["rate"], ">=", 0.8),
        Goal("ms until a stream ends whose block was deleted", found["ends_after_ms"], "<=", 2000),
    ]


def goals_against(ours: Figures, before: Figures) -> list[Goal]:
    """Compute the goals that compare the service with itself at an earlier commit, measured in the same run."""
    return [
        Goal("calls a second, KV, 100 secrets", ours.kv / before.kv, ">=", 1.5),
        Goal("calls a second, one hot secret", ours.hot / before.hot, ">=", 1.5),
        Goal("calls a second, transit, 100 secrets", ours.transit / before.transit, ">=", 2.2),
        Goal("CPU of the service for 1,000 calls", ours.cpu / before.cpu, "<=", 0.6),
        Goal("Vault's CPU for a call, KV", ours.vault_cpu_kv / before.vault_cpu_kv, "<=", 0.85),
        Goal("Vault's CPU for a call, transit", ours.vault_cpu_transit / before.vault_cpu_transit, "<=", 0.4),
        Goal("resident memory with two workers", ours.memory / before.memory, "<=", 0.6),
        Goal("time from serve to ready", ours.start / before.start, "<=", 0.7),
        Goal("added at one connection", ours.added / before.added, "<=", 0.75),
    ]
