"""``make bench``: one run, everything on loopback, interleaved rounds, medians; see docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.candidates import Compared, Scale, beneath, beside, ours, press_in_turn, rows
from bench.checkout import ROOT, Checkout, CheckoutError, check_out, compile_packages
from bench.goals import Figures, goals, goals_against, goals_of_streams
from bench.lifetime import growth, memory, sizes, starts
from bench.peers import Programs, Surroundings, all_peers, upstream
from bench.processes import resident
from bench.report import chart, goal_table, table, tell
from bench.service import STRONGROOM, Filled, Strongroom, fill, reading_token, strongrooms
from bench.streams import streams
from bench.types import candidates_by_type, ratios, time_renewals

HERE: Final = Path(__file__).parent
SIZES: Final = {"1k": 1024, "64k": 64 * 1024, "1m": 1024**2, "10m": 10 * 1024**2 - 1024}
HUNDRED: Final = 100

FULL: Final = Scale(
    rounds=4,
    seconds=2,
    connections=(1, 16, 64),
    workspaces=1000,
    each=100,
    calls=(10_000, 50_000),
    lives=3,
    streams=10,
    sizes=tuple(SIZES),
)
QUICK: Final = Scale(
    rounds=2,
    seconds=1,
    connections=(1, 16),
    workspaces=50,
    each=10,
    calls=(1_000, 2_000),
    lives=1,
    streams=2,
    sizes=("1k", "10m"),
    all_peers=False,
)


@dataclass(frozen=True, slots=True)
class Side:
    """One commit of the service under measurement: a workspace for each engine."""

    service: Strongroom
    kv: Filled
    transit: Filled


def main() -> None:
    """Measure, print, and write the results."""
    wanted = _arguments()
    try:
        against = check_out(wanted.against, wanted.checkouts) if wanted.against else None
    except CheckoutError as error:
        sys.exit(f"AGAINST={wanted.against}: {error}")
    program = wanted.program.absolute()
    compile_packages(program, ROOT)
    scale, began = QUICK if wanted.quick else FULL, time.monotonic()
    programs = Programs(wanted.peers.absolute(), wanted.litellm.absolute())
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        found = measure(scale, Path(folder), programs, program, against)
    found["machine"] |= {"seconds": round(time.monotonic() - began), "quick": wanted.quick}
    wanted.output.mkdir(parents=True, exist_ok=True)
    (wanted.output / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    picture = chart(found["throughput_at_16"], "Calls a second, 16 connections")
    (wanted.output / "chart.svg").write_text(picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="three minutes instead of fifteen; no figures for the docs"
    )
    parser.add_argument("--against", metavar="COMMIT", help="measure the service at this commit too, in the same run")
    parser.add_argument("--program", type=Path, default=STRONGROOM, help="the service that is measured")
    parser.add_argument("--peers", type=Path, default=Path(".venv-bench/bin"), help="where the peers' programs are")
    parser.add_argument("--litellm", type=Path, default=Path(".venv-litellm/bin"), help="where LiteLLM's proxy is")
    parser.add_argument("--checkouts", type=Path, default=Path(".venv-against"), help="where earlier commits go")
    parser.add_argument("--output", type=Path, default=HERE, help="where results.json and chart.svg go")
    return parser.parse_args()


def measure(scale: Scale, folder: Path, programs: Programs, program: Path, against: Checkout | None) -> dict[str, Any]:
    """Start everything, measure everything, and return what ``results.json`` holds."""
    bodies = {f"{name}.json": _json_body(size) for name, size in SIZES.items()}
    served = {"ours": program} | ({"against": against.program} if against else {})
    with upstream(folder, bodies) as port:
        urls = {size: f"http://127.0.0.1:{port}/{size}.json" for size in SIZES}
        with strongrooms(folder, served) as services:
            with ThreadPoolExecutor() as pool:
                filled = pool.map(lambda service: _fill(service, urls), services.values())
                sides = dict(zip(services, filled, strict=True))
            compared = _compare(sides, scale, folder, programs, port)
            shared_once = {name: resident(service.pids) / 1024**2 for name, service in services.items()}
            mine = sides["ours"]
            types = ratios(compared, time_renewals(mine.service, mine.kv))
            tell("types, beside a value in KV: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in types.items()))
            in_life = {
                "memory": memory(mine.service, mine.kv, scale, folder),
                "sizes": sizes(mine.service, mine.kv, scale, folder),
                "streams": streams(mine.service, mine.kv, scale, folder),
                "types": types,
            }
        in_life |= {"growth": growth(urls, scale, folder)}
    start = starts(served, scale, folder)
    figures = {name: _figures(name, compared, shared_once[name], start[name]) for name in sides}
    return _results(compared, in_life, figures, against)


def _fill(service: Strongroom, urls: Mapping[str, str]) -> Side:
    kv = fill(service, "bench", engine="kv", secrets_wanted=HUNDRED, urls=urls)
    transit = fill(service, "bench-transit", engine="transit", secrets_wanted=HUNDRED, urls={"1k": urls["1k"]})
    tell("filled: 100 secrets and blocks with KV, and with transit")
    return Side(service, kv, transit)


def _compare(sides: Mapping[str, Side], scale: Scale, folder: Path, programs: Programs, port: int) -> Compared:
    mine = sides["ours"]
    path = f"strongroom/data/{mine.kv.name}/restricted"
    with reading_token(mine.service, path) as token:
        around = Surroundings(programs, folder, port, mine.service.vault_address, token, path, mine.kv.values["S0"])
        with all_peers(around, slow=scale.all_peers) as peers:
            candidates = beneath(mine.service, mine.kv, port)
            for name, side in sides.items():
                candidates |= ours(name, side.service, side.kv, side.transit)
            candidates |= candidates_by_type(mine.service, mine.kv, f"http://127.0.0.1:{port}/1k.json")
            candidates |= beside(peers, list(mine.kv.values))
            compared = press_in_turn(candidates, scale, folder)
    tell(table(rows(compared)))
    return compared


def _figures(name: str, compared: Compared, memory_mib: float, start: float) -> Figures:
    kv, transit = compared[f"{name}-kv"], compared[f"{name}-transit"]
    return Figures(
        kv=kv[16].middle.throughput,
        hot=compared[f"{name}-kv-hot"][16].middle.throughput,
        transit=transit[16].middle.throughput,
        cpu=kv[16].cpu_of_1000,
        vault_cpu_kv=kv[16].vault_cpu_of_1000,
        vault_cpu_transit=transit[16].vault_cpu_of_1000,
        memory=memory_mib,
        start=start,
        added=kv[1].middle.p50 - compared["upstream"][1].middle.p50 - compared["vault"][1].middle.p50,
    )


def _results(
    compared: Compared, in_life: dict[str, Any], figures: Mapping[str, Figures], against: Checkout | None
) -> dict[str, Any]:
    at_16 = {name: one[16].middle.throughput for name, one in compared.items()}
    mine = compared["ours-kv"][16].middle
    reached = goals(
        at_16,
        p50=mine.p50,
        p99=mine.p99,
        growth=in_life["growth"]["ratio"],
        redaction=in_life["sizes"][-1]["ratio"],
        memory=in_life["memory"]["ratio"],
    )
    reached += goals_of_streams(in_life["streams"])
    if against:
        reached += goals_against(figures["ours"], figures["against"])
    tell(goal_table(reached))
    return {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "against": against.commit if against else None,
        "candidates": rows(compared),
        "throughput_at_16": {name: round(value, 1) for name, value in at_16.items()},
        "just_in_time_limit_at_16": round(1 / (1 / at_16["upstream"] + 1 / at_16["vault"]), 1),
        "figures": {
            name: {key: round(value, 3) for key, value in asdict(each).items()} for name, each in figures.items()
        },
        **in_life,
        "goals": {goal.name: goal.as_json() for goal in reached},
    }


def _json_body(size: int) -> bytes:
    """Return a JSON document of about this size, as answers are: records of names, numbers and words."""
    records: list[str] = []
    length = 2
    while length < size - 80:
        record = f'{{"id": {len(records)}, "name": "item {len(records):06d}", "tags": ["alpha", "beta"], "ok": true}}'
        records.append(record)
        length += len(record) + 2
    return ("[" + ", ".join(records) + "]").encode().ljust(size)


if __name__ == "__main__":
    main()
