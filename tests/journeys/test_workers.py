"""Where there are as many workers as cores, each stays on one; with fewer, the machine decides."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest
import requests

from app.cli.processes import CARETAKER
from app.cli.server import limit_connections
from tests.support.service import Service, children_of, running, workers_of


def cores_of(service: Service) -> list[list[int]]:
    """For each worker the cores that any of its threads may run on; sorted."""
    return sorted(sorted(_cores_of_threads(pid)) for pid in workers_of(service))


def _cores_of_threads(pid: int) -> set[int]:
    return {core for thread in Path(f"/proc/{pid}/task").iterdir() for core in os.sched_getaffinity(int(thread.name))}


def await_cores(service: Service, wanted: list[list[int]], *, gone: int | None = None) -> None:
    """Wait until the workers have these cores, as each has soon after its start, and ``gone`` is none of them."""
    end = time.monotonic() + 60
    while True:
        try:
            found, pids = cores_of(service), workers_of(service)
        except (FileNotFoundError, ProcessLookupError):  # one of them, or a thread, went while it was looked at
            found, pids = [], []
        if found == wanted and gone not in pids:
            return
        assert time.monotonic() < end, found
        time.sleep(0.1)


@pytest.mark.slow
def test_as_many_workers_as_cores_have_one_each_also_after_one_was_killed(tmp_path: Path) -> None:
    mine = os.sched_getaffinity(0)
    two = set(sorted(mine)[:2])
    os.sched_setaffinity(0, two)  # what is started from here has these two, whatever the machine has
    try:
        with running(tmp_path, STRONGROOM_WORKERS="2") as service:
            apart = sorted([core] for core in two) if len(two) == 2 else [sorted(two)] * 2
            await_cores(service, apart)
            killed = workers_of(service)[0]
            os.kill(killed, signal.SIGKILL)
            await_cores(service, apart, gone=killed)
            assert requests.get(f"{service.url}/healthz", timeout=10).ok
    finally:
        os.sched_setaffinity(0, mine)


@pytest.mark.slow
def test_fewer_workers_than_cores_run_where_there_is_room(tmp_path: Path) -> None:
    mine = os.sched_getaffinity(0)
    with running(tmp_path, STRONGROOM_WORKERS="1") as service:
        await_cores(service, [sorted(mine)])


@pytest.mark.slow
def test_a_worker_has_as_many_files_as_the_system_allows_whatever_it_was_started_with(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > 512, "this machine's own limit leaves nothing to raise"
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with running(tmp_path, STRONGROOM_WORKERS="1") as service:
            (worker,) = workers_of(service)
            (line,) = re.findall(r"Max open files +(\d+)", Path(f"/proc/{worker}/limits").read_text())
            assert int(line) == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_never_take_the_files_that_the_database_vault_and_upstreams_need() -> None:
    assert [limit_connections(files) for files in (600, 1024, 16_384, 65_536)] == [300, 512, 8192, 8192]


@pytest.mark.slow
def test_an_interrupt_that_reaches_everybody_is_the_parents_business(tmp_path: Path) -> None:
    with running(tmp_path, STRONGROOM_WORKERS="1") as service:
        worker = workers_of(service)
        os.kill(worker[0], signal.SIGINT)
        for _ in range(20):
            assert requests.get(f"{service.url}/readyz", timeout=10).ok
        assert workers_of(service) == worker
    assert service.process.returncode == 0


@pytest.mark.slow
def test_a_service_whose_caretaker_is_gone_stops_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path, STRONGROOM_WORKERS="1") as service:
        (caretaker,) = [pid for pid in children_of(service.process.pid) if name_of(pid) == CARETAKER]
        os.kill(caretaker, signal.SIGKILL)
        assert service.process.wait(60) == 1
        assert "caretaker_ended" in (tmp_path / "service.log").read_text()


@pytest.mark.slow
def test_workers_that_lose_their_parent_are_outlived_by_the_caretaker_which_stops_vault(tmp_path: Path) -> None:
    with running(tmp_path, STRONGROOM_WORKERS="1") as service:
        below = children_of(service.process.pid)
        service.process.kill()
        service.process.wait(10)
        end = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() and name_of(pid) for pid in below):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "panic" not in (tmp_path / "service.log").read_text()


def name_of(pid: int) -> str:
    """Return a process's name; nothing for one that has ended and wasn't waited for."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return "" if ") Z " in status else Path(f"/proc/{pid}/comm").read_text().strip()
