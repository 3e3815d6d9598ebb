"""What is measured, for ``/metrics``: times and counts, and never a name that somebody chose.

Services and doors say what they do in one line each; nothing here knows the web. Each process counts for itself; with
``PROMETHEUS_MULTIPROC_DIR`` set, as ``strongroom serve`` does, whichever process is asked answers for all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

MULTIPROC: Final = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_requests = Histogram(
    "strongroom_http_request_seconds", "Requests that were answered.", ["method", "route", "status"], buckets=_SECONDS
)
_HTTP_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_steps = Histogram("strongroom_call_step_seconds", "Steps of the call pipeline.", ["step"], buckets=_SECONDS)
_vault = Histogram("strongroom_vault_request_seconds", "Requests to Vault.", ["outcome"], buckets=_SECONDS)
_upstream = Counter("strongroom_upstream_outcomes", "How upstreams answered.", ["outcome"])
_redactions = Counter("strongroom_redactions", "Values that were taken out of upstreams' answers.")
_refusals = Counter("strongroom_problems", "Requests that ended in a problem.", ["code", "party"])
_events = Counter("strongroom_events", "Events of the record.", ["action", "outcome"])
_in_use = Gauge("strongroom_pool_in_use", "Connections in use.", ["pool"], multiprocess_mode="livesum")
_open = Gauge(
    "strongroom_pool_open", "Connections that are open, in use or not.", ["pool"], multiprocess_mode="livesum"
)
_in_flight = Gauge("strongroom_calls_in_flight", "Calls under way.", multiprocess_mode="livesum")


# To look a series up by its labels costs more than to count in it.
_step_of = cache(_steps.labels)
_request_of = cache(_requests.labels)
_vault_of = cache(_vault.labels)
_event_of = cache(_events.labels)
_upstream_of = cache(_upstream.labels)
_in_use_of = cache(_in_use.labels)
_open_of = cache(_open.labels)


class step:  # noqa: N801 - it reads as a verb where it is used
    """Measure a step of the call pipeline, however it ends: ``with step("read"): …``."""

    __slots__ = ("_began", "_series")

    def __init__(self, name: str) -> None:
        self._series = _step_of(name)

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        self._series.observe(time.perf_counter() - self._began)


def connection(pool: str) -> AbstractContextManager[None]:
    """Count a connection of this pool as in use: ``with connection("vault"): …``."""
    return _in_use_of(pool).track_inprogress()


def call_in_flight() -> AbstractContextManager[None]:
    """Count a call as under way: ``with call_in_flight(): …``."""
    return _in_flight.track_inprogress()


def vault_answered(outcome: str, seconds: float) -> None:
    """Count a request to Vault: ``ok``, ``missing``, ``refused``, ``failed`` or ``unanswered``."""
    _vault_of(outcome).observe(seconds)


def upstream_answered(outcome: str, *, redactions: int = 0) -> None:
    """Count how a call ended: the class of the status, ``denied`` for 401 and 403, or the code of what went wrong."""
    _upstream_of(outcome).inc()
    if redactions:
        _redactions.inc(redactions)


def event_recorded(action: str, outcome: str) -> None:
    """Count an event of the record."""
    _event_of(action, outcome).inc()


def request_answered(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request by its route, as the code writes it; methods that somebody made up count as one."""
    _request_of(method if method in _HTTP_METHODS else "other", route or "none", str(status)).observe(seconds)


def database_connections(*, in_use: int, idle: int) -> None:
    """Tell how many connections the database's pool has at this moment."""
    _in_use_of("database").set(in_use)
    _open_of("database").set(in_use + idle)


def problem_told(code: str, party: str) -> None:
    """Count a refusal or failure that a client was told of."""
    _refusals.labels(code, party).inc()


def exposition(extra: Iterable[Collector] = ()) -> bytes:
    """Write every metric as Prometheus reads it; ``extra`` are looked at now."""
    registry = CollectorRegistry()
    folder = os.environ.get(MULTIPROC)
    if folder:
        _forget_the_dead(Path(folder))
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    for collector in extra:
        registry.register(collector)
    return generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """Drop the gauges of processes that are gone; their counters stay."""
    for path in folder.glob("gauge_live*_*.db"):
        if not Path(f"/proc/{path.stem.rpartition('_')[2]}").exists():
            with suppress(OSError):
                path.unlink()


class Unsigned(Collector):
    """How many events no checkpoint covers yet."""

    def __init__(self, count: int) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the one metric."""
        yield GaugeMetricFamily("strongroom_record_unsigned_events", "Events without a checkpoint.", self._count)
