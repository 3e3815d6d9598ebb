"""Setting up a new Vault, stopped at every step: the next run goes on, and no root token is left."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.vault.keys import new_signing_key
from tests.support.openbao import BAO, OpenBao, openbao
from tests.support.service import environment, free_port
from tests.support.topology import ROOT
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
STEPS = [
    "sys/init",
    "sys/policies/acl/embedded-operator",
    "create-orphan",
    "sys/policies/acl/strongroom-owner",
    "role/owner",
    "sys/audit",
    "revoke-self",
]


@contextmanager
def new_vault(folder: Path) -> Iterator[VaultProxy]:
    """Run an OpenBao that nobody has initialised, behind a proxy."""
    folder.mkdir()
    (folder / "raft").mkdir()
    (folder / "seal.key").write_bytes(secrets.token_bytes(32))
    api, cluster = free_port(), free_port()
    listener = {"address": f"127.0.0.1:{api}", "cluster_address": f"127.0.0.1:{cluster}", "tls_disable": True}
    configuration = {
        "api_addr": f"http://127.0.0.1:{api}",
        "cluster_addr": f"https://127.0.0.1:{cluster}",
        "listener": [{"tcp": listener}],
        "storage": [{"raft": {"path": str(folder / "raft"), "node_id": "one", "performance_multiplier": 1}}],
        "seal": [{"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}}],
    }
    (folder / "server.json").write_text(json.dumps(configuration))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([BAO, "server", f"-config={folder / 'server.json'}"], stdout=log, stderr=log)
    try:
        with vault_proxy(f"http://127.0.0.1:{api}") as proxy:
            yield proxy
    finally:
        process.kill()
        process.wait()


def initialise(proxy: VaultProxy, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    running = launch(proxy, folder)
    output, errors = running.communicate(timeout=120)
    return subprocess.CompletedProcess(running.args, running.returncode, output, errors)


def launch(proxy: VaultProxy, folder: Path) -> subprocess.Popen[str]:
    return start(folder, VAULT_ADDR=proxy.address)


def start(folder: Path, **variables: str) -> subprocess.Popen[str]:
    (folder / "signing.key").exists() or (folder / "signing.key").write_bytes(KEY)
    own = {
        **variables,
        "STRONGROOM_SIGNING_KEY_FILE": str(folder / "signing.key"),
        "STRONGROOM_SECRET_KEY_FILE": str(folder / "signing.key"),
        "DATABASE_URL": "sqlite:////nowhere",
    }
    whole = environment(folder, 1, **own)
    script = [sys.executable, str(ROOT / "deploy" / "vault_init.py"), str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(script, env=whole, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


KEY = new_signing_key()


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_run_that_stopped_half_way_is_finished_by_the_next_one(tmp_path: Path, step: str) -> None:
    with new_vault(tmp_path / "vault") as proxy:
        with proxy.broken(Fault("answer", None, step, 400)):
            stopped = initialise(proxy, tmp_path)
        kept = json.loads((tmp_path / "unseal.json").read_bytes())
        assert (stopped.returncode, "root_token" in kept) == (1, True), stopped.stderr
        assert (tmp_path / "unseal.json").stat().st_mode & 0o777 == 0o600
        again = initialise(proxy, tmp_path)
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "Vault is ready."), again.stderr
        assert list(json.loads((tmp_path / "unseal.json").read_bytes())) == ["recovery_key", "set_up"]
        assert initialise(proxy, tmp_path).returncode == 0


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_run_that_was_killed_at_a_step_is_finished_by_the_next_one(tmp_path: Path, step: str) -> None:
    with new_vault(tmp_path / "vault") as proxy:
        killed = launch(proxy, tmp_path)
        # The answer never comes: what was asked is done, and who asked is gone, with all that it had started.
        fault = Fault("cut after", None, step, times=1, then=lambda: os.killpg(killed.pid, signal.SIGKILL))
        with proxy.broken(fault):
            killed.communicate(timeout=120)
        assert (killed.returncode, fault.seen) == (-signal.SIGKILL, 1)
        again = initialise(proxy, tmp_path)
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "Vault is ready."), again.stderr
        assert "root_token" not in json.loads((tmp_path / "unseal.json").read_bytes())


def test_a_page_in_the_place_of_vault_is_told_in_one_line(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as proxy:
        with proxy.broken(Fault("answer", None, "sys/seal-status", 200, content=b"<html></html>")):
            stopped = initialise(proxy, tmp_path)
        assert (stopped.returncode, "isn't Vault" in stopped.stderr.splitlines()[-1]) == (1, True)
        assert initialise(proxy, tmp_path).returncode == 0


def test_a_vault_that_the_service_can_not_use_is_no_success(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as proxy:
        with proxy.broken(Fault("answer", None, "create-orphan", 400)):
            assert initialise(proxy, tmp_path).returncode == 1
        (tmp_path / "unseal.json").write_text("{}")  # as an earlier version left it
        lost = initialise(proxy, tmp_path)
        assert (lost.returncode, "the service can't use it" in lost.stderr) == (1, True)
        assert "ready" not in lost.stdout


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with openbao(tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.mark.parametrize("given", ["file", "text", "folder", "name"])
def test_authorities_and_names_are_vault_s_own_variables(secured: OpenBao, tmp_path: Path, given: str) -> None:
    (tmp_path / "authorities").mkdir()
    (tmp_path / "authorities" / "any.crt").write_bytes(secured.cacert.read_bytes())
    file = {"VAULT_CACERT": str(secured.cacert)}
    variables = {
        "file": file,
        "text": {"VAULT_CACERT_BYTES": secured.cacert.read_text()},
        "folder": {"VAULT_CAPATH": str(tmp_path / "authorities")},
        "name": file | {"VAULT_TLS_SERVER_NAME": "localhost"},
    }[given]
    # A root token that is still kept, as a run leaves it that was stopped: everything is set up with it.
    made = secured.ask("POST", "auth/token/create", {"policies": ["root"]}).json()["auth"]["client_token"]
    (tmp_path / "unseal.json").write_text(json.dumps({"root_token": made}))
    running = start(tmp_path, VAULT_ADDR=secured.address, **variables)
    output, errors = running.communicate(timeout=120)
    assert (running.returncode, output.splitlines()[-1]) == (0, "Vault is ready."), errors
    assert json.loads((tmp_path / "unseal.json").read_bytes()) == {"set_up": True}


def test_a_certificate_for_another_name_is_told_while_it_waits(secured: OpenBao, tmp_path: Path) -> None:
    wrong = {"VAULT_CACERT": str(secured.cacert), "VAULT_TLS_SERVER_NAME": "vault.example.com"}
    running = start(tmp_path, VAULT_ADDR=secured.address, **wrong)
    try:
        assert running.stdout is not None
        assert "certificate isn't valid for its address" in running.stdout.readline()
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
