"""Three real OpenBao nodes with raft storage, as a team runs them for availability, on loopback."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.openbao import BAO
from tests.support.service import free_port


@dataclass
class Node:
    """One of the three."""

    name: str
    folder: Path
    address: str
    process: subprocess.Popen[bytes]

    def health(self) -> int | None:
        try:
            return requests.get(f"{self.address}/v1/sys/health", timeout=2).status_code
        except requests.RequestException:
            return None


@dataclass
class Cluster:
    """The nodes and the root token to set them up with."""

    nodes: Sequence[Node]
    root: str

    def leader(self) -> Node:
        return next(node for node in self.nodes if node.process.poll() is None and node.health() == 200)

    def kill_leader(self) -> Node:
        leader = self.leader()
        leader.process.send_signal(signal.SIGKILL)
        leader.process.wait()
        return leader


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run three nodes for as long as the block runs."""
    (folder / "seal.key").write_bytes(secrets.token_bytes(32))
    ports = [free_port() for _ in range(6)]
    addresses = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    nodes: list[Node] = []
    root = ""
    try:
        for number, address in enumerate(addresses):
            home = folder / f"node{number}"
            (home / "raft").mkdir(parents=True)
            whole = _configuration(folder, home, address, ports[3 + number], addresses[0] if number else None)
            (home / "server.json").write_text(json.dumps(whole))
            with (home / "server.log").open("wb") as log:
                process = subprocess.Popen([BAO, "server", f"-config={home / 'server.json'}"], stdout=log, stderr=log)
            nodes.append(Node(home.name, home, address, process))
            if number == 0:
                _await(nodes[0], {501})
                root = _initialise(address)
                _await(nodes[0], {200})
        for node in nodes[1:]:
            _await(node, {429})  # a standby, unsealed
        _await_votes(nodes[0], root)
        yield Cluster(nodes, root)
    finally:
        for node in nodes:
            node.process.kill()
            node.process.wait()


def _initialise(address: str) -> str:
    wanted = {"recovery_shares": 1, "recovery_threshold": 1}
    made = requests.put(f"{address}/v1/sys/init", json=wanted, timeout=60)
    return str(made.json()["root_token"])


def _await(node: Node, statuses: set[int]) -> None:
    end = time.monotonic() + 90
    while node.health() not in statuses:
        assert node.process.poll() is None, (node.folder / "server.log").read_text()[-2000:]
        assert time.monotonic() < end, (node.folder / "server.log").read_text()[-2000:]
        time.sleep(0.05)


def _await_votes(leader: Node, root: str) -> None:
    """Wait until every node has a vote: one that has just joined has none yet, and it takes two to make a leader."""
    end = time.monotonic() + 90
    path, token = f"{leader.address}/v1/sys/storage/raft/configuration", {"X-Vault-Token": root}
    while True:
        servers = requests.get(path, headers=token, timeout=10).json()["data"]["config"]["servers"]
        if [server["voter"] for server in servers] == [True] * 3:
            return
        assert time.monotonic() < end, servers
        time.sleep(0.2)


def _configuration(folder: Path, home: Path, address: str, cluster_port: int, leader: str | None) -> dict[str, Any]:
    raft: dict[str, Any] = {"path": str(home / "raft"), "node_id": home.name, "performance_multiplier": 1}
    if leader:
        raft["retry_join"] = [{"leader_api_addr": leader}]
    return {
        "ui": False,
        "api_addr": address,
        "cluster_addr": f"https://127.0.0.1:{cluster_port}",
        "listener": [
            {
                "tcp": {
                    "address": address.removeprefix("http://"),
                    "cluster_address": f"127.0.0.1:{cluster_port}",
                    "tls_disable": True,
                }
            }
        ],
        "storage": [{"raft": raft}],
        "seal": [{"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}}],
    }
