"""Strangers and one workspace's slow upstreams, all at once, are not felt by anybody else."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.service import Service, problem, running
from tests.support.upstream import Handler, Upstream

SAMPLES = 1000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and what it starts, have as many sockets as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def strangers(service: Service, workspace: str, upstream: str) -> Iterator[None]:
    command = [
        sys.executable,
        "-m",
        "tests.support.strangers",
        str(service.port),
        service.platform,
        workspace,
        upstream,
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield
    finally:
        process.kill()
        process.communicate()


def percentile(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


def measure(service: Service, url: str, samples: int) -> tuple[list[float], list[float]]:
    """Ask one after the other whether the service lives, and for a call; return how long each took."""
    alive, calls = [], []
    headers = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ada"}
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(samples):
            began = time.perf_counter()
            assert session.get(f"{service.url}/healthz", timeout=60).status_code == 200
            between = time.perf_counter()
            path = f"{service.url}/api/v1/workspaces/quiet/calls"
            answer = session.post(path, json={"url": url}, headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
            alive.append(between - began)
            calls.append(time.perf_counter() - between)
    return alive, calls


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("many_files")
def test_strangers_and_a_noisy_neighbour_are_not_felt(tmp_path: Path, upstream: Upstream) -> None:
    """Within three times the usual, which is measured before and after in the same run."""
    over = threading.Event()

    def never(handler: Handler) -> None:
        over.wait(600)
        handler.answer(b"{}")

    upstream.scripts["/never"] = never
    base = f"http://127.0.0.1:{upstream.port}"
    with running(tmp_path) as service:
        for name in ("noisy", "quiet"):
            assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
        measure(service, f"{base}/fast", 50)
        before = measure(service, f"{base}/fast", SAMPLES // 2)
        with strangers(service, "noisy", f"{base}/never"):
            refused = service.ask("POST", "/workspaces/noisy/calls", {"url": f"{base}/fast"})
            assert problem(refused) == (429, "too_many_calls")
            under = measure(service, f"{base}/fast", SAMPLES)
        over.set()
        after = measure(service, f"{base}/fast", SAMPLES // 2)
    for each, usual in zip(under, ([*a, *b] for a, b in zip(before, after, strict=True)), strict=True):
        assert percentile(each) <= 3 * percentile(usual), (percentile(each), percentile(usual))
