"""Three nodes of OpenBao behind a balancer that asks one after the other, standbys too."""

from __future__ import annotations

import secrets
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.kernel.secret import SecretValue
from app.policies.service import Setup, apply, read_files
from app.policies.verify import failures, verify
from app.vault import SecretAddress
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server, VaultOptions
from tests.support.cluster import Cluster, cluster
from tests.support.service import STRONGROOM, environment, free_port, running
from tests.support.upstream import Upstream
from tests.support.vault_proxy import vault_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
POLICIES = Path(__file__).parents[2] / "vault-policies"
CHANGES = 40
AT = SecretAddress("acme", "kv", "restricted", "TOKEN")


def set_up(vaults: Cluster, key: bytes) -> None:
    with VaultOperator(Server(vaults.leader().address, read_timeout=30.0), vaults.root) as operator:
        apply(operator, Setup(Mounts(), read_files(POLICIES), [public_key(key)]))


def older_reads(writer: VaultClient, reader: VaultClient) -> int:
    """Change a value again and again, and count how often another process reads what was in force before."""
    older = 0
    for version in range(CHANGES):
        stored = writer.metadata(AT, role="owner")
        newest = 0 if stored is None else stored.current_version
        writer.write_value(AT, SecretValue(f"canary-value-{version}"), cas=newest, role="owner")
        older += reader.read_for_call(AT).version != newest + 1
    return older


def test_every_read_is_the_active_node_s_where_the_setting_asks_for_it(tmp_path: Path, upstream: Upstream) -> None:
    key = new_signing_key()
    with cluster(tmp_path) as vaults, vault_proxy(*(n.address for n in vaults.nodes), in_turn=True) as balancer:
        set_up(vaults, key)
        asking = Server(balancer.address, read_timeout=30.0, forward=True)
        with closing(VaultClient(VaultOptions(asking, key))) as writer:
            writer.write_binding(AT, "b" * 64, role="owner")
            with closing(VaultClient(VaultOptions(asking, key))) as reader:
                assert older_reads(writer, reader) == 0
                assert [reader.health().ok for _ in range(6)] == [True] * 6
            with closing(VaultClient(VaultOptions(replace(asking, forward=False), key))) as trusting:
                assert not all(trusting.health().ok for _ in range(6))
        with VaultOperator(asking, vaults.root) as operator:
            assert failures(verify(operator, Mounts(), key, clock=time.time)) == ()
        serve_through(balancer.address, tmp_path, key, upstream)


def serve_through(address: str, folder: Path, key: bytes, upstream: Upstream) -> None:
    """Have the service itself change a value and use it, again and again, through all nodes."""
    (folder / "signing.key").write_bytes(key)
    (folder / "secret.key").write_bytes(secrets.token_bytes(32))
    more = {
        "VAULT_ADDR": address,
        "STRONGROOM_VAULT_FORWARD": "active-node",
        "STRONGROOM_SIGNING_KEY_FILE": str(folder / "signing.key"),
        "STRONGROOM_SECRET_KEY_FILE": str(folder / "secret.key"),
    }
    upgrade = [str(STRONGROOM), "db", "upgrade"]
    assert subprocess.run(upgrade, env=environment(folder, 1, **more), timeout=60).returncode == 0
    with running(folder, **more) as service:
        assert [requests.get(f"{service.url}/readyz", timeout=30).status_code for _ in range(6)] == [200] * 6
        assert service.ask("POST", "/workspaces", {"name": "beta"}).status_code == 201
        value = "canary-" + secrets.token_hex(16)
        secret = {
            "name": "KEY",
            "value": value,
            "visibility": "restricted",
            "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
        }
        assert service.ask("POST", "/workspaces/beta/secrets", secret, keep=False).status_code == 201
        call = {
            "url": f"http://127.0.0.1:{upstream.port}/used",
            "headers": [{"name": "Authorization", "value": "{{secrets.KEY}}"}],
        }
        for _ in range(20):
            value = "canary-" + secrets.token_hex(16)
            put = service.ask("PUT", "/workspaces/beta/secrets/KEY/value", {"value": value}, keep=False)
            assert put.status_code == 200, put.text
            assert service.ask("POST", "/workspaces/beta/calls", call, keep=False).status_code == 200
            assert upstream.seen[-1].header("Authorization") == value


def test_a_setting_that_the_cluster_does_not_follow_stops_the_start_with_one_line(tmp_path: Path) -> None:
    """A balancer that takes the fields away stands for a cluster that doesn't know them."""
    key = new_signing_key()
    (tmp_path / "signing.key").write_bytes(key)
    (tmp_path / "secret.key").write_bytes(secrets.token_bytes(32))
    with cluster(tmp_path) as vaults, vault_proxy(*(n.address for n in vaults.nodes), in_turn=True) as balancer:
        set_up(vaults, key)
        balancer.without = ("x-vault-inconsistent", "x-vault-index")
        more = {
            "VAULT_ADDR": balancer.address,
            "STRONGROOM_VAULT_FORWARD": "active-node",
            "STRONGROOM_SIGNING_KEY_FILE": str(tmp_path / "signing.key"),
            "STRONGROOM_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
        }
        whole = environment(tmp_path, free_port(), **more)
        assert subprocess.run([str(STRONGROOM), "db", "upgrade"], env=whole, timeout=60).returncode == 0
        done = subprocess.run([str(STRONGROOM), "serve"], env=whole, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1
        assert "STRONGROOM_VAULT_FORWARD is set, and a standby answers by itself" in done.stderr
        assert "Traceback" not in done.stderr
