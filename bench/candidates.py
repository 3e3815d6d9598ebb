"""What is pressed: the service, the same service at an earlier commit, its peers, and what all of them stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.load import Asked, Run, press
from bench.peers import Peer
from bench.processes import cost, tree
from bench.report import middle, tell
from bench.service import Filled, Strongroom

AT: Final = 16
"""Connections at which everything is compared."""
_WARMED_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how much: ``rounds`` of comparison, and ``lives``, how often sizes and starts are measured.

    ``connections``: at 16 everything is pressed, at the others what ``Candidate.also`` names. ``streams``: for how many
    seconds short calls are made beside streams. ``sizes``: which answers are looked through. ``all_peers``: False
    leaves out the peer that takes longest to start.
    """

    rounds: int
    seconds: float
    connections: Sequence[int]
    workspaces: int
    each: int
    calls: tuple[int, int]
    lives: int
    streams: float
    sizes: Sequence[str]
    all_peers: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to press: what to ask, which processes pay for it, and which processes of its Vault.

    ``also``: numbers of connections beside 16 at which its figures are used.
    """

    asked: Callable[[], Asked]
    pids: Callable[[], Sequence[int]] = list
    vault_pids: Callable[[], Sequence[int]] = list
    also: Sequence[int] = ()


@dataclass(slots=True)
class Measured:
    """All runs of one candidate at one number of connections: CPU in seconds, the greatest memory in bytes."""

    runs: list[Run] = field(default_factory=list)
    cpu: float = 0.0
    vault_cpu: float = 0.0
    memory: int = 0

    @property
    def middle(self) -> Run:
        """The medians of all runs."""
        return middle(self.runs)

    @property
    def cpu_of_1000(self) -> float:
        """CPU seconds of the candidate's processes for 1,000 calls."""
        return self.cpu * 1000 / self.middle.requests

    @property
    def vault_cpu_of_1000(self) -> float:
        """CPU seconds of its Vault for 1,000 calls."""
        return self.vault_cpu * 1000 / self.middle.requests


Compared = Mapping[str, Mapping[int, Measured]]


def ours(name: str, service: Strongroom, kv: Filled, transit: Filled) -> dict[str, Candidate]:
    """Name the ways in which a service of this project is pressed."""
    blocks = [secret.lower() for secret in kv.values]

    def candidate(filled: Filled, chosen: Sequence[str], *also: int) -> Candidate:
        asked = filled.runs(service, chosen)
        return Candidate(lambda: asked, lambda: service.pids, lambda: service.vault_pids, also)

    return {
        f"{name}-kv": candidate(kv, blocks, 1),
        f"{name}-kv-hot": candidate(kv, blocks[:1], 1, 64),
        f"{name}-transit": candidate(transit, blocks),
    }


def beneath(service: Strongroom, kv: Filled, port: int) -> dict[str, Candidate]:
    """Name what a call can't be quicker than: the upstream, and a read of Vault."""
    upstream = Asked(f"http://127.0.0.1:{port}", ["/1k.json"], headers={"Authorization": "Bearer x"})
    paths = [f"/v1/strongroom/data/{kv.name}/restricted/{name}" for name in kv.values]

    def vault() -> Asked:
        return Asked(service.vault_address, paths, headers={"X-Vault-Token": service.vault_token(kv.name)})

    return {
        "upstream": Candidate(lambda: upstream, also=[1]),
        "vault": Candidate(vault, lambda: service.vault_pids, also=[1]),
    }


def beside(peers: Mapping[str, Peer], secrets: Sequence[str]) -> dict[str, Candidate]:
    """Name the peers: those that read Vault are asked for each of these secrets in turn."""
    calls = [f"/call/{name}" for name in secrets]

    def candidate(peer: Peer) -> Candidate:
        asked = Asked(peer.base, calls if peer.reads_vault else ["/1k.json"], peer.method, peer.headers)
        return Candidate(lambda: asked, lambda: tree(peer.pid))

    return {name: candidate(peer) for name, peer in peers.items()}


def press_in_turn(candidates: Mapping[str, Candidate], scale: Scale, folder: Path) -> Compared:
    """Press each in turn, round after round, so that what else the machine does meets all of them alike."""
    found = {
        name: {number: Measured() for number in numbers_for(candidate, scale)} for name, candidate in candidates.items()
    }
    with ThreadPoolExecutor(_WARMED_AT_ONCE) as pool:
        for _ in pool.map(lambda candidate: _warm_up(candidate, folder), candidates.values()):
            pass
    for number in range(scale.rounds):
        for connections in scale.connections:
            for name, candidate in candidates.items():
                if connections in found[name]:
                    _press_once(candidate, found[name][connections], connections, scale, folder)
        tell(f"round {number + 1} of {scale.rounds} is done")
    return found


def numbers_for(candidate: Candidate, scale: Scale) -> Sequence[int]:
    """Return at how many connections a candidate is pressed."""
    return [number for number in scale.connections if number == AT or number in candidate.also]


def _warm_up(candidate: Candidate, folder: Path, *, tries: int = 10) -> None:
    """Press until all that is asked is answered: a worker that imports at its first request answers none at first."""
    for left in reversed(range(tries)):
        try:
            press(candidate.asked(), connections=4, seconds=1, folder=folder)
        except RuntimeError:
            if not left:
                raise
        else:
            return


def _press_once(candidate: Candidate, measured: Measured, connections: int, scale: Scale, folder: Path) -> None:
    before, vault_before = cost(candidate.pids()), cost(candidate.vault_pids())
    run = press(candidate.asked(), connections=connections, seconds=scale.seconds, folder=folder)
    after, vault_after = cost(candidate.pids()), cost(candidate.vault_pids())
    measured.runs.append(run)
    measured.cpu += after.cpu - before.cpu
    measured.vault_cpu += vault_after.cpu - vault_before.cpu
    measured.memory = max(measured.memory, after.memory)


def rows(compared: Compared) -> list[dict[str, Any]]:
    """Return a line for each candidate and number of connections."""
    return [
        {
            "candidate": name,
            "connections": connections,
            "calls/s": round(measured.middle.throughput, 1),
            "p50 ms": round(measured.middle.p50, 2),
            "p99 ms": round(measured.middle.p99, 2),
            "CPU s/1000": round(measured.cpu_of_1000, 3),
            "Vault CPU s/1000": round(measured.vault_cpu_of_1000, 3),
            "memory MiB": round(measured.memory / 1024**2, 1),
        }
        for name, each in compared.items()
        for connections, measured in each.items()
    ]
