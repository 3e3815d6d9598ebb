"""A Vault of three nodes behind a load balancer, whose leader is killed while calls and writes run."""

from __future__ import annotations

import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from app.policies.service import Setup, apply, read_files
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server
from tests.support.cluster import cluster
from tests.support.service import STRONGROOM, Service, environment, problem, running
from tests.support.upstream import Upstream
from tests.support.vault_proxy import vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
BACK_WITHIN = 10.0


@dataclass
class Worker:
    """Stores values one after the other, and uses each in a call; what it saw is looked at afterwards."""

    service: Service
    upstream: Upstream
    name: str
    stop: threading.Event
    acknowledged: str = ""
    since: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    refusals: int = 0

    def work(self) -> None:
        while not self.stop.is_set():
            value = "canary-" + secrets.token_hex(16)
            self.since.append(value)
            put = self.service.ask("PUT", f"/workspaces/acme/secrets/{self.name}/value", {"value": value}, keep=False)
            if put.status_code == 200:
                self.acknowledged, self.since = value, []
                self.successes.append(time.monotonic())
            else:
                self.refuse(put)
            self.use()

    def use(self) -> None:
        call = {
            "url": f"http://127.0.0.1:{self.upstream.port}/{self.name}",
            "headers": [{"name": "Authorization", "value": "{{secrets." + self.name + "}}"}],
        }
        answer = self.service.ask("POST", "/workspaces/acme/calls", call, keep=False)
        if answer.status_code != 200:
            self.refuse(answer)
            return
        seen = [each for each in self.upstream.seen if each.path == f"/{self.name}"][-1].header("Authorization")
        if seen not in (self.acknowledged, *self.since):
            self.faults.append("a value came that wasn't in force")

    def refuse(self, answer: requests.Response) -> None:
        self.refusals += 1
        if problem(answer) != (503, "vault_unavailable") or "Retry-After" not in answer.headers:
            self.faults.append(answer.text)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_leader_costs_some_seconds_and_no_acknowledged_write(tmp_path: Path, upstream: Upstream) -> None:
    key = new_signing_key()
    (tmp_path / "signing.key").write_bytes(key)
    (tmp_path / "secret.key").write_bytes(secrets.token_bytes(32))
    with cluster(tmp_path) as vaults:
        with VaultOperator(Server(vaults.leader().address, read_timeout=30.0), vaults.root) as operator:
            apply(operator, Setup(Mounts(), read_files(POLICIES), [public_key(key)]))
        # A standby answers reads by itself, a moment late; so the balancer looks for the active node.
        with vault_proxy(*(node.address for node in vaults.nodes)) as balancer:
            more = {
                "VAULT_ADDR": balancer.address,
                "STRONGROOM_SIGNING_KEY_FILE": str(tmp_path / "signing.key"),
                "STRONGROOM_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
            }
            upgrade = [str(STRONGROOM), "db", "upgrade"]
            assert subprocess.run(upgrade, env=environment(tmp_path, 1, **more), timeout=60).returncode == 0
            with running(tmp_path, **more) as service:
                workers, killed_at = _work_through_a_kill(service, upstream, vaults.kill_leader)
                for worker in workers:
                    assert worker.faults == []
                    worker.use()
                    assert worker.faults == []
                    after = [moment for moment in worker.successes if moment > killed_at]
                    assert after[0] - killed_at < BACK_WITHIN
                assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 200
                assert service.command("reconcile").returncode == 0


def _work_through_a_kill(
    service: Service, upstream: Upstream, kill: Callable[[], object]
) -> tuple[list[Worker], float]:
    assert service.ask("POST", "/workspaces", {"name": "acme"}).status_code == 201
    stop, workers = threading.Event(), []
    for name in ("ONE", "TWO", "THREE"):
        worker = Worker(service, upstream, name, stop, acknowledged="canary-" + secrets.token_hex(16))
        body = {
            "name": name,
            "value": worker.acknowledged,
            "visibility": "restricted",
            "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
        }
        assert service.ask("POST", "/workspaces/acme/secrets", body, keep=False).status_code == 201
        workers.append(worker)
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        _until(lambda: all(len(worker.successes) >= 5 for worker in workers))
        kill()
        killed_at = time.monotonic()
        _until(lambda: all(sum(moment > killed_at for moment in worker.successes) >= 5 for worker in workers))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return workers, killed_at


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
