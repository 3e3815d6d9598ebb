"""Transit keys change one at a time: eight who rotate at once lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.db import Sessions, open_engine
from app.db.key_guard import DatabaseKeyGuard
from app.kernel.errors import Unanswered, VaultUnavailable
from app.kernel.secret import SecretValue
from app.migrations import upgrade
from app.policies.service import Setup, apply_embedded, read_files
from app.vault import SecretAddress, embedded
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, Server, VaultOptions
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
KEY = new_signing_key()
EIGHT = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "openbao"


@pytest.fixture
def running(folder: Path) -> Iterator[embedded.Embedded]:
    started = embedded.start(folder)
    apply_embedded(folder, started.address, Setup(Mounts(), read_files(POLICIES), [public_key(KEY)]))
    yield started
    started.stop()


def client(address: str, folder: Path) -> VaultClient:
    """Return a client as a process of its own would have: with connections, a session and a lock of its own."""
    engine = open_engine(f"sqlite:///{folder.parent / 'strongroom.db'}")
    upgrade(engine)
    return VaultClient(VaultOptions(Server(address, read_timeout=30.0), KEY), DatabaseKeyGuard(Sessions(engine)))


def place(workspace: str, name: str) -> SecretAddress:
    return SecretAddress(workspace, "transit", "restricted", name)


def store(vault: VaultClient, at: SecretAddress, text: str) -> None:
    vault.write_binding(at, "b" * 64, role="owner")
    vault.write_value(at, SecretValue(text), cas=0, role="owner")


@pytest.mark.slow
def test_of_eight_rotations_at_once_none_is_lost_and_every_value_is_read_after_a_restart(
    running: embedded.Embedded, folder: Path
) -> None:
    vaults = [client(running.address, folder) for _ in range(EIGHT)]
    vaults[0].prepare_workspace("eight", "transit", role="owner")

    def rotate_and_store(number: int) -> int:
        version = vaults[number].rotate_key("eight", "restricted")
        store(vaults[number], place("eight", f"S{number}"), f"canary-{number}")
        return version

    with ThreadPoolExecutor(EIGHT) as pool:
        versions = list(pool.map(rotate_and_store, range(EIGHT)))
    assert sorted(versions) == list(range(2, EIGHT + 2))
    running.stop()
    again = embedded.start(folder)
    try:
        vault = client(again.address, folder)
        for number in range(EIGHT):
            assert vault.read_for_call(place("eight", f"S{number}")).value == SecretValue(f"canary-{number}")
        assert vault.keys_in_doubt() == []
    finally:
        again.stop()


@pytest.fixture
def proxy(running: embedded.Embedded) -> Iterator[VaultProxy]:
    with vault_proxy(running.address) as through:
        yield through


def test_after_a_5xx_nothing_is_encrypted_under_the_key_until_a_change_succeeds(
    running: embedded.Embedded, folder: Path, proxy: VaultProxy
) -> None:
    broken, other = client(proxy.address, folder), client(running.address, folder)
    other.prepare_workspace("doubt", "transit", role="owner")
    store(other, place("doubt", "BEFORE"), "canary-before")
    with proxy.broken(Fault("answer", "POST", "/rotate", 500)), pytest.raises(Unanswered):
        broken.rotate_key("doubt", "restricted")
    assert other.keys_in_doubt() == ["doubt.restricted"]
    with pytest.raises(VaultUnavailable, match="may be half done"):
        store(other, place("doubt", "AFTER"), "canary-after")
    assert other.read_for_call(place("doubt", "BEFORE")).value == SecretValue("canary-before")
    with proxy.broken(Fault("answer", "POST", "/rotate", 403)), pytest.raises(VaultUnavailable):
        broken.rotate_key("doubt", "restricted")  # refused, so nothing is better for it
    assert other.keys_in_doubt() == ["doubt.restricted"]
    other.rotate_key("doubt", "restricted")
    assert other.keys_in_doubt() == []
    store(other, place("doubt", "AFTER"), "canary-after")


def test_what_vault_refused_leaves_no_doubt(running: embedded.Embedded, folder: Path, proxy: VaultProxy) -> None:
    vault = client(proxy.address, folder)
    vault.prepare_workspace("sound", "transit", role="owner")
    for status in (403, 503):
        with proxy.broken(Fault("answer", "POST", "/rotate", status)), pytest.raises(VaultUnavailable):
            vault.rotate_key("sound", "restricted")
    assert vault.keys_in_doubt() == []
