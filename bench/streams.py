"""Answers that stream: how late each event is beside a direct connection, and what open streams cost short calls."""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from bench.candidates import Scale
from bench.load import Run, press
from bench.processes import await_answer, free_port, running
from bench.report import middle, table, tell
from bench.service import Filled, Strongroom, fill

EVENTS: Final = 80
PER_SECOND: Final = 40
OPEN: Final = 100
"""Streams that are open beside short calls, half of them of each of two workspaces; each has an event a second."""
FIRST_BYTES: Final = 20
"""How often a round measures a first byte: one of a few may come when another process has the core."""
_WARM_UPS: Final = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How one stream of events came, in milliseconds: its first byte after the request, and each event's lateness."""

    first: float
    late: list[float]


def streams(service: Strongroom, kv: Filled, scale: Scale, folder: Path) -> dict[str, Any]:
    """Measure a service's streams; ``kv`` are its short calls."""
    with _events(folder) as port:
        url = f"http://127.0.0.1:{port}"
        paths = {"paced": f"{url}/{EVENTS}/{PER_SECOND}", "short": f"{url}/1/1", "open": f"{url}/100000/1"}
        pair = [_fill(service, f"bench-streams-{number}", paths) for number in range(2)]
        found = {"pace": _pace(service, pair[0], port, scale), "beside": _beside(service, kv, pair, scale, folder)}
        return found | {"ends_after_ms": _ends(service, pair[0], scale)}


@contextmanager
def _events(folder: Path) -> Iterator[int]:
    port, log = free_port(), folder / "events.log"
    with running([sys.executable, "-m", "bench.events", str(port)], environ={}, log=log):
        await_answer(f"http://127.0.0.1:{port}/", log=log)
        yield port


def _fill(service: Strongroom, name: str, paths: Mapping[str, str]) -> Filled:
    filled = fill(service, name, engine="kv", secrets_wanted=1, urls={"1k": paths["paced"]})
    for block, url in paths.items():
        _save(service, name, block, url)
    return filled


def _save(service: Strongroom, workspace: str, block: str, url: str) -> None:
    headers = [{"name": "Authorization", "value": "Bearer {{secrets.S0}}"}]
    call = {"url": url, "headers": headers, "timeout_seconds": 60}
    service.ask("POST", f"/workspaces/{workspace}/blocks", {"name": block, "call": call, "answer": "stream"})


# --- how late events are ----------------------------------------------------------------------------------------------


def _pace(service: Strongroom, filled: Filled, port: int, scale: Scale) -> dict[str, Any]:
    """Read the same streams directly and through the service, in turn, once each worker has logged in for it."""
    for _ in range(_WARM_UPS):
        _read(_ask(service, filled, "short"))
    firsts: dict[str, list[float]] = {"direct": [], "ours": []}
    for _ in range(scale.rounds * FIRST_BYTES):
        firsts["direct"].append(_read(_ask_directly(port, 1, 1)).first)
        firsts["ours"].append(_read(_ask(service, filled, "short")).first)
    late: dict[str, list[float]] = {"direct": [], "ours": []}
    for _ in range(scale.rounds):
        late["direct"] += _read(_ask_directly(port, EVENTS, PER_SECOND)).late
        late["ours"] += _read(_ask(service, filled, "paced")).late
    rows = [
        {
            "": name,
            "first byte ms": median(firsts[name]),
            "first byte ms, p90": quantiles(firsts[name], n=10)[8],
            "late ms, p50": median(late[name]),
            "late ms, p99": quantiles(late[name], n=100)[98],
            "late ms, most": max(late[name]),
        }
        for name in firsts
    ]
    tell(table(rows))
    return {str(row.pop("")): row for row in rows}


def _read(sock: socket.socket) -> Pace:
    began, first, late, rest = time.monotonic(), 0.0, [], b""
    with sock:
        while b"0\r\n\r\n" not in rest[-8:]:
            piece = sock.recv(65536)
            came = time.monotonic()
            if not piece:
                raise RuntimeError("a stream was cut")
            rest += piece
            *lines, rest = rest.split(b"\n\n")
            for line in lines:
                event = json.loads(line[line.index(b"data: ") + 6 :])
                first = first or (came - began) * 1000
                late.append((came - event["sent"]) * 1000)
    return Pace(first, late)


def _ask_directly(port: int, count: int, per_second: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.sendall(b"GET /%d/%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n" % (count, per_second))
    return sock


def _ask(service: Strongroom, filled: Filled, block: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    path = f"/api/v1/workspaces/{filled.name}/blocks/{block}/run"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {filled.token}\r\n"
    sock.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    return sock


# --- what open streams cost others ------------------------------------------------------------------------------------


def _beside(service: Strongroom, kv: Filled, pair: list[Filled], scale: Scale, folder: Path) -> dict[str, Any]:
    """Press short calls alone and beside open streams, in turn."""
    asked = kv.runs(service, [name.lower() for name in kv.values])
    runs: dict[str, list[Run]] = {"alone": [], "beside": []}
    for _ in range(scale.rounds):
        runs["alone"].append(press(asked, connections=16, seconds=scale.streams, folder=folder))
        with _open(service, pair):
            runs["beside"].append(press(asked, connections=16, seconds=scale.streams, folder=folder))
    alone, beside = middle(runs["alone"]), middle(runs["beside"])
    rows = [
        {"short calls": name, "calls/s": run.throughput, "p50 ms": run.p50, "p99 ms": run.p99}
        for name, run in (("alone", alone), (f"beside {OPEN} streams", beside))
    ]
    tell(table(rows))
    return {"rows": rows, "p99": beside.p99 / alone.p99, "rate": beside.throughput / alone.throughput}


@contextmanager
def _open(service: Strongroom, pair: list[Filled]) -> Iterator[None]:
    """Have streams open, and read, for as long as the block runs."""
    stop = threading.Event()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for number in range(OPEN):
            sock = stack.enter_context(_ask(service, pair[number % len(pair)], "open"))
            if not sock.recv(65536).startswith(b"HTTP/1.1 200 "):
                raise RuntimeError("a stream wasn't opened")
            selector.register(sock, selectors.EVENT_READ)
        reader = threading.Thread(target=_drain, args=(selector, stop))
        reader.start()
        try:
            yield
        finally:
            stop.set()
            reader.join()


def _drain(selector: selectors.BaseSelector, stop: threading.Event) -> None:
    while not stop.is_set():
        for key, _ in selector.select(0.2):
            if not key.fileobj.recv(65536):  # type: ignore[union-attr]
                raise RuntimeError("a stream was cut")


# --- how soon a stream ends -------------------------------------------------------------------------------------------


def _ends(service: Strongroom, filled: Filled, scale: Scale) -> float:
    """Return the milliseconds from a block's deletion to the end of its stream, the longest of several."""
    url = service.ask("GET", f"/workspaces/{filled.name}/blocks/open")["call"]["url"]
    took = []
    for number in range(scale.rounds):
        block = f"ends-{number}"
        _save(service, filled.name, block, url)
        with _ask(service, filled, block) as sock:
            sock.recv(65536)
            service.ask("DELETE", f"/workspaces/{filled.name}/blocks/{block}?confirm={block}")
            began, came = time.monotonic(), b""
            while b"event: strongroom-error" not in came:
                came += sock.recv(65536)
            took.append((time.monotonic() - began) * 1000)
    tell(f"a stream ends {max(took):.0f} ms after its block was deleted, at the latest of {len(took)}")
    return round(max(took), 1)
