"""The Vault client against a real OpenBao with our policies: who may read what, and how writes are kept in order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kernel.errors import VaultRefused, VaultUnavailable, WriteConflict
from app.kernel.secret import SecretValue
from app.policies.service import Setup, apply_embedded, read_files
from app.vault import Engine, PersonRole, SecretAddress, Visibility, embedded
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, Server, VaultOptions

POLICIES = Path(__file__).parents[2] / "vault-policies"


@pytest.fixture(scope="module")
def key() -> bytes:
    return new_signing_key()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, key: bytes) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("vault") / "openbao"
    running = embedded.start(folder)
    try:
        setup = Setup(Mounts(), read_files(POLICIES), [public_key(key)])
        apply_embedded(folder, running.address, setup)
        assert apply_embedded(folder, running.address, setup) == ()
        yield Server(running.address)
    finally:
        running.stop()


@pytest.fixture(scope="module")
def vault(server: Server, key: bytes) -> Iterator[VaultClient]:
    client = VaultClient(VaultOptions(server, key))
    yield client
    client.close()


def address(visibility: Visibility, engine: Engine = "kv") -> SecretAddress:
    return SecretAddress(f"w{uuid.uuid4().hex[:8]}", engine, visibility, "TOKEN")


def stored(vault: VaultClient, at: SecretAddress, text: str = "canary-1") -> None:
    vault.prepare_workspace(at.workspace, at.engine, role="owner")
    vault.write_binding(at, "b" * 64, role="owner")
    vault.write_value(at, SecretValue(text), cas=0, role="owner")


@pytest.mark.parametrize("engine", ["kv", "transit"])
@pytest.mark.parametrize("role", ["owner", "admin", "editor"])
def test_no_person_can_read_a_restricted_value(vault: VaultClient, engine: Engine, role: PersonRole) -> None:
    restricted, masked = address("restricted", engine), address("masked", engine)
    stored(vault, restricted)
    stored(vault, masked)
    with pytest.raises(VaultRefused):
        vault.read_to_reveal(restricted, role=role)
    assert vault.read_to_reveal(masked, role=role).value == SecretValue("canary-1")


@pytest.mark.parametrize("engine", ["kv", "transit"])
def test_the_pipeline_reads_value_and_binding_at_once(vault: VaultClient, engine: Engine) -> None:
    at = address("restricted", engine)
    stored(vault, at)
    read = vault.read_for_call(at)
    assert (read.value, read.version, read.binding) == (SecretValue("canary-1"), 1, "b" * 64)
    assert read.request_id


def test_an_editor_writes_nothing(vault: VaultClient) -> None:
    at = address("masked")
    with pytest.raises(VaultRefused):
        vault.write_binding(at, "b" * 64, role="editor")
    with pytest.raises(VaultRefused):
        vault.write_value(at, SecretValue("canary-1"), cas=0, role="editor")


def test_check_and_set_refuses_the_later_writer(vault: VaultClient) -> None:
    at = address("masked")
    stored(vault, at)
    assert vault.write_value(at, SecretValue("canary-2"), cas=1, role="admin").version == 2
    with pytest.raises(WriteConflict):
        vault.write_value(at, SecretValue("canary-3"), cas=1, role="admin")
    assert vault.read_for_call(at).value == SecretValue("canary-2")


def test_a_restricted_value_is_rolled_back_unseen(vault: VaultClient) -> None:
    at = address("restricted")
    stored(vault, at)
    vault.write_value(at, SecretValue("canary-2"), cas=1, role="admin")
    assert vault.roll_back(at, version=1, cas=2, role="admin").version == 3
    assert vault.read_for_call(at).value == SecretValue("canary-1")


def test_what_is_deleted_is_gone(vault: VaultClient) -> None:
    at = address("masked")
    stored(vault, at)
    vault.delete(at, role="admin")
    vault.delete(at, role="admin")
    assert vault.metadata(at, role="admin") is None


def test_health_and_every_role(vault: VaultClient) -> None:
    assert vault.health().ok
    for role in ("owner", "admin", "editor", "runtime", "mover", "record", "health"):
        vault.probe_role(role, "acme")


def test_a_key_that_vault_was_not_told_of_opens_nothing(server: Server) -> None:
    stranger = VaultClient(VaultOptions(server, new_signing_key()))
    with pytest.raises(VaultUnavailable):
        stranger.probe_role("owner", "acme")
    stranger.close()


def test_a_vault_that_is_not_there_is_told_in_words() -> None:
    away = VaultClient(VaultOptions(Server("http://127.0.0.1:9"), new_signing_key()))
    with pytest.raises(VaultUnavailable) as caught:
        away.read_for_call(address("masked"))
    assert "canary" not in str(caught.value)
    assert not away.health().ok
    assert away.health().reason
    away.close()
