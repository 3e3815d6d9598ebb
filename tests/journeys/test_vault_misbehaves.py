"""The running service while Vault misbehaves: 503 with the reason in words, readiness says the same, and it mends."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from app.policies.service import Setup, apply_embedded, read_files
from app.vault import embedded
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, Server
from app.vault.recovery import operator_token
from app.vault.transport import VaultConnections
from tests.support.service import STRONGROOM, Service, environment, problem, running
from tests.support.upstream import Upstream
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


@dataclass
class AuditPipe:
    """The reader of Vault's audit log, which is a pipe here: while nobody reads, Vault can't answer."""

    path: Path
    reading: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        while not self.ended.is_set():
            self.reading.wait(0.2)
            try:
                if self.reading.is_set():
                    os.read(handle, 65536)
            except BlockingIOError:
                time.sleep(0.02)
        os.close(handle)


@dataclass
class Stage:
    """The service, the proxy that it reaches Vault through, and Vault itself."""

    service: Service
    proxy: VaultProxy
    pipe: AuditPipe
    folder: Path
    vault: embedded.Embedded

    @property
    def port(self) -> int:
        return int(self.vault.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, home, key = tmp_path_factory.mktemp("vault"), tmp_path_factory.mktemp("home"), new_signing_key()
    pipe = AuditPipe(folder / "audit.log")
    os.mkfifo(pipe.path, 0o600)
    pipe.reading.set()
    reader = threading.Thread(target=pipe.read)
    reader.start()
    (home / "signing.key").write_bytes(key)
    (home / "secret.key").write_bytes(secrets.token_bytes(32))
    vault = embedded.start(folder)
    try:
        apply_embedded(folder, vault.address, Setup(Mounts(), read_files(POLICIES), [public_key(key)]))
        with vault_proxy(vault.address) as proxy:
            more = {
                "VAULT_ADDR": proxy.address,
                "STRONGROOM_SIGNING_KEY_FILE": str(home / "signing.key"),
                "STRONGROOM_SECRET_KEY_FILE": str(home / "secret.key"),
            }
            upgrade = [str(STRONGROOM), "db", "upgrade"]
            assert subprocess.run(upgrade, env=environment(home, 1, **more), timeout=60).returncode == 0
            with running(home, **more) as service:
                stage = Stage(service, proxy, pipe, folder, vault)
                yield stage
                vault = stage.vault
    finally:
        pipe.reading.set()
        vault.stop()
        pipe.ended.set()
        reader.join()


# --- what can be wrong with it


@contextmanager
def unreachable(stage: Stage) -> Iterator[None]:
    stage.proxy.away = True
    yield
    stage.proxy.away = False


@contextmanager
def sealed(stage: Stage) -> Iterator[None]:
    """Really sealed; a restart opens it again."""
    with (
        operator_token(stage.folder, stage.vault.address, EVERYTHING) as token,
        closing(VaultConnections(Server(stage.vault.address))) as line,
    ):
        assert line.ask("PUT", "sys/seal", token=token, repeat=False).status == 204
    yield
    port = stage.port
    stage.vault.stop()
    stage.vault = embedded.start(stage.folder, port=port)


@contextmanager
def unable_to_audit(stage: Stage) -> Iterator[None]:
    """Nobody reads the audit pipe: as soon as it is full, Vault answers nothing that it would have to record."""
    stage.pipe.reading.clear()
    with closing(VaultConnections(Server(stage.vault.address, read_timeout=2.0))) as line:
        for _ in range(500):
            try:
                line.once("GET", "sys/mounts", token="nobody" * 200)
            except Exception:
                break
    yield
    stage.pipe.reading.set()


def answering(status: int) -> Callable[[Stage], AbstractContextManager[object]]:
    return lambda stage: stage.proxy.broken(Fault("answer", status=status))


def slow(stage: Stage) -> AbstractContextManager[object]:
    return stage.proxy.broken(Fault("delay", seconds=7))


STATES: Mapping[str, tuple[Callable[[Stage], AbstractContextManager[object]], str]] = {
    "unreachable": (unreachable, "connection to Vault broke"),
    "sealed": (sealed, "sealed"),
    "unable to audit": (unable_to_audit, "in time"),
    "slow": (slow, "in time"),
    "429": (answering(429), "limits our rate"),
    "473": (answering(473), "standby"),
    "500": (answering(500), "error of its own"),
}


# These wait for our own timeouts, several times over.
SLOW = ("slow", "unable to audit")


@pytest.mark.slow
@pytest.mark.parametrize(
    "state", [pytest.param(state, marks=pytest.mark.slow) if state in SLOW else state for state in STATES]
)
def test_the_service_says_why_it_cannot_and_mends_itself(stage: Stage, upstream: Upstream, state: str) -> None:
    service, (state_of, words) = stage.service, STATES[state]
    workspace, value = f"w{secrets.token_hex(6)}", "canary-" + secrets.token_hex(16)
    assert service.ask("POST", "/workspaces", {"name": workspace}).status_code == 201
    body = {
        "name": "TOKEN",
        "value": value,
        "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }
    path = f"/workspaces/{workspace}/secrets"
    assert service.ask("POST", path, body).status_code == 201
    header = {"name": "Authorization", "value": "{{secrets.TOKEN}}"}
    call = {"url": f"http://127.0.0.1:{upstream.port}/", "headers": [header]}
    with state_of(stage):
        for method, where, sent in (
            ("POST", f"/workspaces/{workspace}/calls", call),
            ("PUT", f"{path}/TOKEN/value", {"value": "canary-" + secrets.token_hex(16)}),
        ):
            answer = service.ask(method, where, sent)
            assert problem(answer) == (503, "vault_unavailable"), answer.text
            assert words in answer.json()["detail"]
            assert answer.json()["party"] == "vault"
            assert int(answer.headers["Retry-After"]) > 0
        ready = requests.get(f"{service.url}/readyz", timeout=30)
        assert ready.status_code == 503
        assert words in ready.json()["checks"]["vault"]["reason"]
        assert requests.get(f"{service.url}/healthz", timeout=30).status_code == 200
        # What doesn't concern a value goes on.
        assert service.ask("GET", path).status_code == 200
        assert upstream.seen == []
    end = time.monotonic() + 60
    while (answer := service.ask("POST", f"/workspaces/{workspace}/calls", call)).status_code != 200:
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)
    assert upstream.seen[-1].header("Authorization") == value
    assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 200
    told = "".join(service.answers) + (service.folder / "service.log").read_text()
    assert "canary" not in told


def test_readiness_is_red_while_the_policy_that_calls_read_by_is_missing(stage: Stage) -> None:
    ready = f"{stage.service.url}/readyz"
    with operator_token(stage.folder, stage.vault.address, EVERYTHING) as token:
        path = "sys/policies/acl/strongroom-runtime"
        with closing(VaultConnections(Server(stage.vault.address))) as line:
            text = line.ask("GET", path, token=token, repeat=True).data["policy"]
            assert line.ask("DELETE", path, token=token, repeat=True).status == 204
            try:
                away = requests.get(ready, timeout=30)
            finally:
                assert line.ask("PUT", path, token=token, body={"policy": text}, repeat=True).status == 204
    assert away.status_code == 503
    assert "role runtime" in away.json()["checks"]["vault"]["reason"]
    assert requests.get(ready, timeout=30).status_code == 200


CHANGES: Mapping[str, Callable[[Service, str], requests.Response]] = {
    "deleted": lambda service, path: service.ask("DELETE", f"{path}?confirm=TOKEN"),
    "given other hosts": lambda service, path: service.ask(
        "PATCH", path, {"allowed_hosts": ["api.example.com"]}, headers={"If-Match": "*"}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("deed", ["calls", "reveal"])
def test_a_secret_that_changes_while_it_is_read_is_a_conflict_and_no_alarm(
    stage: Stage, upstream: Upstream, change: str, deed: str
) -> None:
    service, workspace = stage.service, f"w{secrets.token_hex(6)}"
    assert service.ask("POST", "/workspaces", {"name": workspace}).status_code == 201
    path, host = f"/workspaces/{workspace}/secrets", f"127.0.0.1:{upstream.port}"
    body = {
        "name": "TOKEN",
        "value": "canary-" + secrets.token_hex(16),
        "visibility": "masked",
        "allowed_hosts": [host],
    }
    assert service.ask("POST", path, body).status_code == 201
    changed: list[int] = []
    # The first read breaks off, and before it is repeated, somebody else is faster.
    fault = Fault(
        "cut before",
        "GET",
        f"/data/{workspace}/",
        times=1,
        then=lambda: changed.append(CHANGES[change](service, f"{path}/TOKEN").status_code),
    )
    call = {"url": f"http://{host}/", "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}]}
    with stage.proxy.broken(fault):
        if deed == "calls":
            answer = service.ask("POST", f"/workspaces/{workspace}/calls", call)
        else:
            answer = service.ask("POST", f"{path}/TOKEN/reveal")
    assert changed in ([200], [204])
    assert problem(answer) == (409, "conflict"), answer.text
    assert answer.headers["Retry-After"] == "1"
    assert upstream.seen == []
