"""What is measured in a service's life beside calls a second: memory, the size of answers, many secrets, its start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.candidates import Scale
from bench.load import Run, press
from bench.processes import cost, resident
from bench.report import middle, table, tell
from bench.service import STRONGROOM, Filled, Strongroom, enlarge, fill, strongrooms, time_start


def memory(service: Strongroom, kv: Filled, scale: Scale, folder: Path) -> dict[str, Any]:
    """Tell how memory grows with the number of calls, in a service of its own life: the rounds were its warm-up."""
    asked, done, taken = kv.runs(service, [name.lower() for name in kv.values]), 0, []
    for target in scale.calls:
        while done < target:
            done += press(asked, connections=16, seconds=5 if target - done > 5000 else 2, folder=folder).requests
        taken.append({"calls": done, "MiB": round(cost(service.pids).memory / 1024**2, 1)})
    tell(table(taken))
    return {
        "taken": taken,
        "ratio": taken[1]["MiB"] / taken[0]["MiB"],
        "shared pages once, MiB": round(resident(service.pids) / 1024**2, 1),
    }


def sizes(service: Strongroom, kv: Filled, scale: Scale, folder: Path) -> list[dict[str, Any]]:
    """Compare calls that carry a secret with the same calls without one, by the size of the answer."""
    found_rows = []
    for size in scale.sizes:
        medians: dict[str, list[float]] = {"plain": [], "redacted": []}
        for _ in range(scale.lives):
            for kind, found in medians.items():
                seconds = 5 if size == "10m" else 1
                run = press(kv.runs(service, [f"{kind}-{size}"]), connections=1, seconds=seconds, folder=folder)
                found.append(run.p50)
        plain, redacted = median(medians["plain"]), median(medians["redacted"])
        found_rows.append({"answer": size, "without ms": plain, "redacted ms": redacted, "ratio": redacted / plain})
    tell(table(found_rows))
    return found_rows


def growth(urls: Mapping[str, str], scale: Scale, folder: Path) -> dict[str, Any]:
    """Compare a service with ten secrets and one with very many."""
    with strongrooms(folder, {"large": STRONGROOM, "small": STRONGROOM}) as services:
        large, small = services["large"], services["small"]
        few = fill(small, "bench", engine="kv", secrets_wanted=10, urls={"1k": urls["1k"]})
        many = fill(large, "bench", engine="kv", secrets_wanted=scale.each, urls={"1k": urls["1k"]})
        enlarge(large, many, workspaces=scale.workspaces, each=scale.each)
        tell(f"filled: {scale.workspaces * scale.each:,} secrets in {scale.workspaces:,} workspaces")
        asked = {
            "small": few.runs(small, [f"s{n}" for n in range(10)]),
            "large": many.runs(large, [f"s{n}" for n in range(10)]),
        }
        runs: dict[str, list[Run]] = {"small": [], "large": []}
        for one in asked.values():
            press(one, connections=4, seconds=1, folder=folder)
        for _ in range(scale.rounds):
            for name, one in asked.items():
                runs[name].append(press(one, connections=16, seconds=scale.seconds, folder=folder))
    speeds = {name: middle(each).throughput for name, each in runs.items()}
    tell(table([{"service": name, "calls/s": speed} for name, speed in speeds.items()]))
    return {"calls/s": speeds, "ratio": speeds["small"] / speeds["large"], "secrets": scale.workspaces * scale.each}


def starts(programs: Mapping[str, Path], scale: Scale, folder: Path) -> dict[str, float]:
    """Return the seconds from ``strongroom serve`` to ready, taken in turn, on folders whose services have ended."""
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(scale.lives):
        for name, program in programs.items():
            taken[name].append(time_start(folder / name, program))
    found = {name: median(each) for name, each in taken.items()}
    tell(table([{"service": name, "ready after s": seconds} for name, seconds in found.items()]))
    return found
