"""``make bench``: one run, everything on loopback, interleaved rounds, medians; see docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.goals import goals
from bench.load import Asked, Run, press
from bench.peers import Peer, Surroundings, all_peers, upstream
from bench.processes import cost, tree
from bench.report import chart, goal_table, middle, table
from bench.service import Filled, Strongroom, enlarge, fill, reading_token, strongroom

HERE: Final = Path(__file__).parent
CONNECTIONS: Final = (1, 16, 64)
SIZES: Final = {"1k": 1024, "64k": 64 * 1024, "1m": 1024**2, "10m": 10 * 1024**2 - 1024}
HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how much."""

    rounds: int
    seconds: float
    workspaces: int
    each: int
    calls: tuple[int, int]


FULL: Final = Scale(rounds=5, seconds=2, workspaces=1000, each=100, calls=(10_000, 100_000))
QUICK: Final = Scale(rounds=2, seconds=1, workspaces=100, each=10, calls=(1_000, 4_000))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to press: what to ask, and which processes pay for it."""

    asked: Callable[[], Asked]
    pids: Callable[[], Sequence[int]]


@dataclass(slots=True)
class Measured:
    """All runs of one candidate at one number of connections, with CPU seconds and the greatest memory."""

    runs: list[Run] = field(default_factory=list)
    cpu: float = 0.0
    memory: int = 0


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="three minutes instead of fifteen; no figures for the docs"
    )
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench/bin"), help="where the peers' programs are")
    parser.add_argument("--output", type=Path, default=HERE, help="where results.json and chart.svg go")
    wanted = parser.parse_args()
    scale, began = QUICK if wanted.quick else FULL, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        found = measure(scale, Path(folder), wanted.peers.absolute())
    found["machine"] |= {"seconds": round(time.monotonic() - began), "quick": wanted.quick}
    wanted.output.mkdir(parents=True, exist_ok=True)
    (wanted.output / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    picture = chart(found["throughput_at_16"], "Calls a second, 16 connections")
    (wanted.output / "chart.svg").write_text(picture)


def measure(scale: Scale, folder: Path, programs: Path) -> dict[str, Any]:
    """Start everything, measure everything, and return what ``results.json`` holds."""
    bodies = {f"{name}.json": _json_body(size) for name, size in SIZES.items()}
    with upstream(folder, bodies) as port, strongroom(folder / "service") as service:
        urls = {size: f"http://127.0.0.1:{port}/{size}.json" for size in SIZES}
        kv = fill(service, "bench", engine="kv", secrets_wanted=HUNDRED, urls=urls)
        transit = fill(service, "bench-transit", engine="transit", secrets_wanted=HUNDRED, urls=urls)
        tell("filled: 100 secrets and blocks with KV, and with transit")
        path = f"strongroom/data/{kv.name}/restricted"
        with reading_token(service, path) as token:
            around = Surroundings(programs, folder, port, service.vault_address, token, path, kv.values["S0"])
            with all_peers(around) as peers:
                candidates = _candidates(service, kv, transit, peers, port)
                compared = _rounds(candidates, scale, folder)
        table_rows = _rows(compared)
        tell(table(table_rows))
        at_16 = {name: middle(one[16].runs).throughput for name, one in compared.items()}
        memory = _memory(service, kv, scale, folder)
        sizes = _sizes(service, kv, scale, folder)
        tell(table(sizes))
        with strongroom(folder / "large") as large, strongroom(folder / "small") as small:
            growth = _growth(small, large, urls, scale, folder)
    ours = middle(compared["ours-kv"][16].runs)
    reached = goals(
        at_16, p50=ours.p50, p99=ours.p99, growth=growth["ratio"], redaction=sizes[-1]["ratio"], memory=memory["ratio"]
    )
    tell(goal_table(reached))
    one = {name: middle(each[1].runs) for name, each in compared.items()}
    return {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "candidates": table_rows,
        "throughput_at_16": {name: round(value, 1) for name, value in at_16.items()},
        "just_in_time_limit_at_16": round(1 / (1 / at_16["upstream"] + 1 / at_16["vault"]), 1),
        "added_ms_at_1": round(one["ours-kv"].p50 - one["upstream"].p50 - one["vault"].p50, 3),
        "growth": growth,
        "sizes": sizes,
        "memory": memory,
        "goals": {goal.name: goal.as_json() for goal in reached},
    }


def tell(text: str) -> None:
    """Print, so that whoever waits sees it now."""
    print(text, flush=True)


def _json_body(size: int) -> bytes:
    """Return a JSON document of about this size, as answers are: records of names, numbers and words."""
    records: list[str] = []
    length = 2
    while length < size - 80:
        record = f'{{"id": {len(records)}, "name": "item {len(records):06d}", "tags": ["alpha", "beta"], "ok": true}}'
        records.append(record)
        length += len(record) + 2
    return ("[" + ", ".join(records) + "]").encode().ljust(size)


def _candidates(
    service: Strongroom, kv: Filled, transit: Filled, peers: Mapping[str, Peer], port: int
) -> Mapping[str, Candidate]:
    blocks = [name.lower() for name in kv.values]
    upstream_asked = Asked(f"http://127.0.0.1:{port}", ["/1k.json"], headers={"Authorization": "Bearer x"})
    vault_paths = [f"/v1/strongroom/data/{kv.name}/restricted/{name}" for name in kv.values]

    def vault_asked() -> Asked:
        return Asked(service.vault_address, vault_paths, headers={"X-Vault-Token": service.vault_token(kv.name)})

    def ours(asked: Asked) -> Candidate:
        return Candidate(lambda: asked, lambda: service.pids)

    def peer(name: str, paths: Sequence[str], method: str = "GET") -> Candidate:
        return Candidate(lambda: Asked(peers[name].base, paths, method=method), lambda: tree(peers[name].pid))

    calls = [f"/call/{name}" for name in kv.values]
    return {
        "upstream": Candidate(lambda: upstream_asked, list),
        "vault": Candidate(vault_asked, lambda: service.vault_pids),
        "ours-kv": ours(kv.runs(service, blocks)),
        "ours-kv-hot": ours(kv.runs(service, blocks[:1])),
        "ours-transit": ours(transit.runs(service, blocks)),
        "ours-transit-hot": ours(transit.runs(service, blocks[:1])),
        "naive-gthread": peer("naive-gthread", calls, "POST"),
        "naive-sync": peer("naive-sync", calls, "POST"),
        "mitmproxy": peer("mitmproxy", calls),
        "envoy": peer("envoy", ["/1k.json"]),
    }


def _rounds(candidates: Mapping[str, Candidate], scale: Scale, folder: Path) -> Mapping[str, Mapping[int, Measured]]:
    found = {name: {number: Measured() for number in CONNECTIONS} for name in candidates}
    for candidate in candidates.values():
        press(candidate.asked(), connections=4, seconds=1, folder=folder)  # warm
    for number in range(scale.rounds):
        for connections in CONNECTIONS:
            for name, candidate in candidates.items():
                before = cost(candidate.pids())
                run = press(candidate.asked(), connections=connections, seconds=scale.seconds, folder=folder)
                after = cost(candidate.pids())
                measured = found[name][connections]
                measured.runs.append(run)
                measured.cpu += after.cpu - before.cpu
                measured.memory = max(measured.memory, after.memory)
        tell(f"round {number + 1} of {scale.rounds} is done")
    return found


def _rows(compared: Mapping[str, Mapping[int, Measured]]) -> list[dict[str, Any]]:
    rows = []
    for name, each in compared.items():
        for connections, measured in each.items():
            run = middle(measured.runs)
            rows.append(
                {
                    "candidate": name,
                    "connections": connections,
                    "calls/s": round(run.throughput, 1),
                    "p50 ms": round(run.p50, 2),
                    "p99 ms": round(run.p99, 2),
                    "CPU s/1000": round(measured.cpu * 1000 / run.requests, 3),
                    "memory MiB": round(measured.memory / 1024**2, 1),
                }
            )
    return rows


def _memory(service: Strongroom, kv: Filled, scale: Scale, folder: Path) -> dict[str, Any]:
    """Tell how memory grows with the number of calls, in a service of its own life: the rounds were its warm-up."""
    asked, done, taken = kv.runs(service, [name.lower() for name in kv.values]), 0, []
    for target in scale.calls:
        while done < target:
            done += press(asked, connections=16, seconds=5 if target - done > 5000 else 2, folder=folder).requests
        taken.append({"calls": done, "MiB": round(cost(service.pids).memory / 1024**2, 1)})
    tell(table(taken))
    return {"taken": taken, "ratio": taken[1]["MiB"] / taken[0]["MiB"]}


def _sizes(service: Strongroom, kv: Filled, scale: Scale, folder: Path) -> list[dict[str, Any]]:
    """Compare calls that carry a secret with the same calls without one, by the size of the answer."""
    rows = []
    for size in SIZES:
        medians: dict[str, list[float]] = {"plain": [], "redacted": []}
        for _ in range(scale.rounds):
            for kind, found in medians.items():
                seconds = 5 if size == "10m" else 1
                run = press(kv.runs(service, [f"{kind}-{size}"]), connections=1, seconds=seconds, folder=folder)
                found.append(run.p50)
        plain, redacted = median(medians["plain"]), median(medians["redacted"])
        rows.append({"answer": size, "without ms": plain, "redacted ms": redacted, "ratio": redacted / plain})
    return rows


def _growth(
    small: Strongroom, large: Strongroom, urls: Mapping[str, str], scale: Scale, folder: Path
) -> dict[str, Any]:
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


if __name__ == "__main__":
    main()
