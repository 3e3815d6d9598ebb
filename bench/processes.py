"""Processes that a benchmark starts: where they listen, what they cost, and their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children have used: CPU in seconds, resident memory in bytes."""

    cpu: float
    memory: int


def free_port() -> int:
    """Return a port on loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run a program for as long as the block runs; gives its process id."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=dict(environ), stdout=output, stderr=output, start_new_session=True)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself; see {log}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_answer(url: str, *, log: Path, seconds: float = 60, status: int | None = None, every: float = 0.1) -> None:
    """Wait until something answers at this URL: with this status, or whatever it says where none is asked for.

    Raises:
        RuntimeError: it doesn't, within these seconds; with the end of the log.
    """
    end = time.monotonic() + seconds
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                if session.get(url, timeout=5).status_code == status or status is None:
                    return
            time.sleep(every)
    raise RuntimeError(f"{url} doesn't answer: {log.read_text(errors='replace')[-2000:]}")


def tree(pid: int, *, without: str = "") -> list[int]:
    """List a process and everything below it; ``without`` leaves out programs of that name and what is below them."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    if without and name == without:
        return []
    return [pid, *(one for child in children for one in tree(child, without=without))]


def named(pid: int, name: str) -> list[int]:
    """List the processes below this one whose program has this name."""
    return [one for one in tree(pid) if Path(f"/proc/{one}/comm").read_text().strip() == name]


def cost(pids: Sequence[int]) -> Cost:
    """Add up what processes have used until now. Source: proc(5), /proc/pid/stat."""
    cpu, memory = 0.0, 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS
        memory += int(fields[21]) * _PAGE
    return Cost(cpu, memory)


def resident(pids: Sequence[int]) -> int:
    """Add up the bytes that are resident; a page that several of them share counts once. Source: proc(5), Pss."""
    found = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return found
