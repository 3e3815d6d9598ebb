"""What ``app.vault.Vault`` promises, on every Vault that we say we work with."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.audit.chain import Checkpoint, statement
from app.audit.checkpoints import genuine_by
from app.kernel.errors import BindingMismatch, NotFound, VaultRefused, VaultUnavailable, WriteConflict
from app.kernel.secret import SecretValue
from app.policies.service import apply, find_changes
from app.policies.verify import failures, verify
from app.vault import Engine, PersonRole, SecretAddress, Vault, Visibility
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key
from app.vault.options import Mounts, VaultOptions
from tests.contracts.conftest import Product

BOTH_ENGINES = pytest.mark.parametrize("engine", ["kv", "transit"])
FIRST, SECOND = SecretValue("canary-contract-1"), SecretValue("canary-contract-2")


def address(engine: Engine = "kv", visibility: Visibility = "restricted") -> SecretAddress:
    return SecretAddress(f"w{uuid.uuid4().hex[:8]}", engine, visibility, "TOKEN")


def stored(vault: Vault, at: SecretAddress, *values: SecretValue) -> None:
    vault.prepare_workspace(at.workspace, at.engine, role="owner")
    vault.write_binding(at, "b" * 64, role="owner")
    for version, value in enumerate(values):
        assert vault.write_value(at, value, cas=version, role="admin").version == version + 1


def test_applying_a_second_time_changes_nothing(product: Product) -> None:
    with product.operator() as operator:
        assert find_changes(operator, product.setup).in_order
        assert apply(operator, product.setup) == ()


@BOTH_ENGINES
def test_what_is_written_is_read_with_its_version_and_binding(vault: Vault, engine: Engine) -> None:
    at = address(engine)
    stored(vault, at, FIRST, SECOND)
    read = vault.read_for_call(at)
    assert (read.value, read.version, read.binding) == (SECOND, 2, "b" * 64)
    assert read.request_id


@BOTH_ENGINES
@pytest.mark.parametrize("role", ["owner", "admin", "editor"])
def test_a_masked_value_is_revealed_and_a_restricted_one_never(vault: Vault, engine: Engine, role: PersonRole) -> None:
    masked, restricted = address(engine, "masked"), address(engine, "restricted")
    stored(vault, masked, FIRST)
    stored(vault, restricted, FIRST)
    assert vault.read_to_reveal(masked, role=role).value == FIRST
    with pytest.raises(VaultRefused):
        vault.read_to_reveal(restricted, role=role)


def test_an_editor_writes_nothing(vault: Vault) -> None:
    at = address()
    stored(vault, at, FIRST)
    with pytest.raises(VaultRefused):
        vault.write_value(at, SECOND, cas=1, role="editor")
    with pytest.raises(VaultRefused):
        vault.delete(at, role="editor")
    assert vault.read_for_call(at).value == FIRST


@BOTH_ENGINES
def test_of_two_writers_the_later_one_loses(vault: Vault, engine: Engine) -> None:
    at = address(engine)
    stored(vault, at, FIRST)
    with pytest.raises(WriteConflict):
        vault.write_value(at, SECOND, cas=0, role="owner")
    assert vault.read_for_call(at).value == FIRST


@BOTH_ENGINES
def test_a_rollback_makes_a_new_version_of_the_old_value(vault: Vault, engine: Engine) -> None:
    at = address(engine)
    stored(vault, at, FIRST, SECOND)
    assert vault.roll_back(at, version=1, cas=2, role="admin").version == 3
    assert vault.read_for_call(at).value == FIRST


def test_a_destroyed_version_can_not_come_back(vault: Vault) -> None:
    at = address()
    stored(vault, at, FIRST, SECOND)
    vault.destroy_versions(at, [1], role="admin")
    with pytest.raises(NotFound):
        vault.roll_back(at, version=1, cas=2, role="admin")
    known = vault.metadata(at, role="admin")
    assert known is not None
    assert [(one.version, one.destroyed) for one in known.versions] == [(1, True), (2, False)]


def test_a_deleted_secret_is_gone_and_deleting_it_again_does_no_harm(vault: Vault) -> None:
    at = address()
    stored(vault, at, FIRST)
    assert vault.names(at.workspace, "restricted", role="owner") == ["TOKEN"]
    vault.delete(at, role="owner")
    vault.delete(at, role="owner")
    assert vault.metadata(at, role="owner") is None
    assert vault.names(at.workspace, "restricted", role="owner") == []
    with pytest.raises(BindingMismatch):  # a row says that there is a value, and Vault holds none
        vault.read_for_call(at)


@BOTH_ENGINES
def test_a_purged_workspace_leaves_nothing_and_its_neighbour_everything(vault: Vault, engine: Engine) -> None:
    at, neighbour = address(engine), address(engine)
    stored(vault, at, FIRST)
    stored(vault, neighbour, FIRST)
    vault.purge_workspace(at.workspace, engine)
    vault.purge_workspace(at.workspace, engine)
    assert vault.metadata(at, role="owner") is None
    assert vault.read_for_call(neighbour).value == FIRST


def test_a_rotated_key_opens_old_values_and_rewrap_moves_them_once(vault: Vault) -> None:
    at = address("transit")
    stored(vault, at, FIRST)
    assert vault.rotate_key(at.workspace, "restricted") == 2
    assert vault.read_for_call(at).value == FIRST
    assert vault.rewrap(at, role="admin")
    assert not vault.rewrap(at, role="admin")
    assert vault.read_for_call(at).value == FIRST


def test_the_record_s_checkpoints_are_signed_and_verified(vault: Vault) -> None:
    at, keys = datetime(2026, 1, 31, tzinfo=UTC), vault.checkpoint_public_keys()
    signed = Checkpoint("acme", 7, "f" * 64, at, vault.sign_checkpoint(statement("acme", 7, "f" * 64, at)))
    genuine = genuine_by(keys)
    assert genuine(signed)
    assert not genuine(replace(signed, seq=8))
    assert not genuine(replace(signed, signature="no signature"))
    assert list(keys) == [1]


def test_every_role_logs_in_and_a_stranger_s_key_opens_nothing(product: Product, vault: Vault) -> None:
    assert vault.health().ok
    for role in ("owner", "admin", "editor", "runtime", "mover", "record", "health"):
        vault.probe_role(role, "acme")
    stranger = VaultClient(VaultOptions(product.server, new_signing_key()))
    try:
        with pytest.raises(VaultUnavailable):
            stranger.probe_role("owner", "acme")
    finally:
        stranger.close()


@pytest.mark.slow
def test_verify_finds_no_surprise(product: Product) -> None:
    with product.operator() as operator:
        assert failures(verify(operator, Mounts(), product.signing_key, clock=time.time)) == ()
