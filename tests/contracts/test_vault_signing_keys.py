"""What ``app.vault.Vault`` promises about signing keys, tokens and granted values, on every Vault that we work with."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from app.kernel.errors import BindingMismatch, NotGranted, ValidationFailed, WriteConflict
from app.kernel.secret import SecretValue
from app.vault import HmacHash, PersonRole, SecretAddress, SigningKeyType, Vault
from app.vault.wrapping import wrap_key
from tests.contracts.conftest import Product

KEY = b"canary-key-of-thirty-two-bytes!!"
MESSAGE = b"v0:1700000000:{}"


def address() -> SecretAddress:
    return SecretAddress(f"w{uuid.uuid4().hex[:8]}", "kv", "restricted", "SIGNS")


def imported(
    vault: Vault, at: SecretAddress, material: bytes, key_type: SigningKeyType = "hmac", role: PersonRole = "admin"
) -> int:
    wrapping = vault.wrapping_key(at.workspace, role=role)
    return vault.import_key(at, wrap_key(material, wrapping.public_key), key_type=key_type, role=role)


@pytest.mark.parametrize("hash_name", ["sha256", "sha512", "sha1"])
def test_an_imported_key_makes_the_hmac_that_anybody_with_the_key_makes(vault: Vault, hash_name: HmacHash) -> None:
    at = address()
    assert imported(vault, at, KEY) == 1
    made = vault.sign_hmac(at, MESSAGE, hash_name=hash_name, key_version=1)
    assert made.signature == hmac.digest(KEY, MESSAGE, hash_name)
    assert made.request_id


def test_a_short_key_is_filled_up_with_zeros_as_hmac_does(vault: Vault) -> None:
    at = address()
    imported(vault, at, b"canary".ljust(32, b"\0"))
    made = vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=1)
    assert made.signature == hmac.digest(b"canary", MESSAGE, hashlib.sha256)


def pkcs8(key: Any) -> bytes:
    made: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made


def test_an_imported_private_key_signs_as_jws_wants_it(vault: Vault) -> None:
    at = address()
    rsa_key = rsa.generate_private_key(65537, 2048)
    imported(vault, at, pkcs8(rsa_key), "rsa-2048")
    made = vault.sign_jws(at, MESSAGE, key_version=1).signature
    rsa_key.public_key().verify(made, MESSAGE, padding.PKCS1v15(), hashes.SHA256())

    at, ec_key = address(), ec.generate_private_key(ec.SECP256R1())
    imported(vault, at, pkcs8(ec_key), "ecdsa-p256", "owner")
    made = vault.sign_jws(at, MESSAGE, key_version=1).signature
    r, s = int.from_bytes(made[:32]), int.from_bytes(made[32:])
    ec_key.public_key().verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA256()))

    at, ed_key = address(), ed25519.Ed25519PrivateKey.generate()
    imported(vault, at, pkcs8(ed_key), "ed25519")
    ed_key.public_key().verify(vault.sign_jws(at, MESSAGE, key_version=1).signature, MESSAGE)


def test_a_new_key_is_a_version_of_its_own_and_the_old_one_signs_nothing_once_it_is_retired(vault: Vault) -> None:
    at = address()
    imported(vault, at, KEY)
    assert imported(vault, at, KEY[::-1]) == 2
    old = vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=1).signature
    new = vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=2).signature
    assert (old, new) == tuple(hmac.digest(key, MESSAGE, "sha256") for key in (KEY, KEY[::-1]))
    for _ in range(2):
        vault.retire_keys_before(at, 2, role="admin")
    with pytest.raises(BindingMismatch):
        vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=1)
    assert vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=2).signature == new


def test_a_deleted_key_signs_nothing_and_deleting_it_again_does_no_harm(vault: Vault) -> None:
    at = address()
    vault.delete_key(at, role="admin")
    imported(vault, at, KEY)
    for _ in range(2):
        vault.delete_key(at, role="admin")
    with pytest.raises(BindingMismatch):
        vault.sign_hmac(at, MESSAGE, hash_name="sha256", key_version=1)
    assert imported(vault, at, KEY) == 1


def test_what_vault_can_not_open_or_is_of_another_type_is_the_caller_s_fault(vault: Vault) -> None:
    at = address()
    for wrong in ("canary", "bm90aGluZw==", wrap_key(KEY, vault.wrapping_key(at.workspace, role="owner").public_key)):
        with pytest.raises(ValidationFailed):
            vault.import_key(at, wrong, key_type="ed25519", role="owner")
    imported(vault, at, KEY)
    with pytest.raises(ValidationFailed, match="type of the one before"):
        imported(vault, at, pkcs8(ed25519.Ed25519PrivateKey.generate()), "ed25519")


def test_a_pointer_lies_where_a_value_would_under_the_same_binding(vault: Vault) -> None:
    at = address()
    vault.write_binding(at, "b" * 64, role="admin")
    assert vault.write_pointer(at, {"key_version": 1}, cas=0, role="admin").version == 1
    with pytest.raises(WriteConflict):
        vault.write_pointer(at, {"key_version": 2}, cas=0, role="admin")
    read = vault.read_pointer(at)
    assert (read.pointer, read.version, read.binding) == ({"key_version": 1}, 1, "b" * 64)
    with pytest.raises(BindingMismatch):
        vault.read_pointer(address())


def test_tokens_are_stored_by_check_and_set_destroyed_and_deleted(vault: Vault) -> None:
    at = address()
    assert vault.read_tokens(at) is None
    assert vault.write_tokens(at, SecretValue("canary-1"), cas=0) == 1
    with pytest.raises(WriteConflict):
        vault.write_tokens(at, SecretValue("canary-2"), cas=0)
    assert vault.write_tokens(at, SecretValue("canary-2"), cas=1) == 2
    vault.destroy_tokens(at, [1])
    kept = vault.read_tokens(at)
    assert kept is not None
    assert (kept.document, kept.version) == (SecretValue("canary-2"), 2)
    for _ in range(2):
        vault.delete_tokens(at, role="admin")
    assert vault.read_tokens(at) is None
    assert vault.write_tokens(at, SecretValue("canary-3"), cas=0) == 1


@pytest.mark.parametrize("engine", ["kv", "transit"])
def test_a_renewal_reads_the_client_secret_of_either_engine(vault: Vault, engine: Any) -> None:
    at = SecretAddress(f"w{uuid.uuid4().hex[:8]}", engine, "restricted", "CLIENT")
    vault.prepare_workspace(at.workspace, engine, role="owner")
    vault.write_binding(at, "b" * 64, role="owner")
    vault.write_value(at, SecretValue("canary-client"), cas=0, role="owner")
    assert vault.read_to_renew(at).value == SecretValue("canary-client")


def test_a_purged_workspace_leaves_no_key_and_no_token(vault: Vault, product: Product) -> None:
    at = address()
    vault.write_binding(at, "b" * 64, role="admin")
    vault.write_pointer(at, {"key_version": 1}, cas=0, role="admin")
    imported(vault, at, KEY)
    vault.write_tokens(at, SecretValue("canary"), cas=0)
    vault.purge_workspace(at.workspace, "kv")
    assert vault.read_tokens(at) is None
    with product.operator() as root:
        assert f"{at.workspace}.sign.SIGNS" not in root.names("strongroom-transit/keys")


def test_a_workspace_without_a_grant_reads_nothing_elsewhere(vault: Vault) -> None:
    with pytest.raises(NotGranted):
        vault.read_granted(address().workspace, "secret/team-a/zendesk", "token")
