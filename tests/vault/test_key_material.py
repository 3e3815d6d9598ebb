"""Keys as people give them, read for Vault's import; the rest is tried over the API."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.kernel.errors import ValidationFailed
from app.kernel.secret import SecretValue
from app.vault.key_material import read_aws_key, read_hmac_key, read_private_key, read_wrapped, wrapped_types


@pytest.mark.parametrize(
    ("text", "encoding", "raw"),
    [
        ("canary", "utf-8", b"canary"),
        ("ü", "utf-8", "ü".encode()),
        (base64.b64encode(b"\xff\xfe\x00").decode(), "base64", b"\xff\xfe\x00"),
        ("__4A", "base64", b"\xff\xfe\x00"),
        ("whsec___4A", "base64", b"\xff\xfe\x00"),
        ("fffe00", "hex", b"\xff\xfe\x00"),
        ("whsec_canary", "utf-8", b"whsec_canary"),
        ("x" * 512, "utf-8", b"x" * 512),
    ],
)
def test_a_key_is_filled_up_to_what_vault_takes(text: str, encoding: str, raw: bytes) -> None:
    material = read_hmac_key(SecretValue(text), encoding)  # type: ignore[arg-type]
    assert material._raw == raw.ljust(32, b"\0")
    assert material.key_types == ("hmac",)
    assert "canary" not in repr(material)


def test_the_key_of_aws_has_its_prefix() -> None:
    assert read_aws_key(SecretValue("x" * 40))._raw == b"AWS4" + b"x" * 40
    for wrong in ("short", "with space" * 3, "x" * 129):
        with pytest.raises(ValidationFailed):
            read_aws_key(SecretValue(wrong))


def test_a_wrapped_key_may_be_of_any_size_that_its_algorithm_has() -> None:
    assert read_wrapped("AA AA\n", wrapped_types("RS256")).key_types == ("rsa-2048", "rsa-3072", "rsa-4096")
    assert wrapped_types(None) == ("hmac",)
    assert wrapped_types("EdDSA") == ("ed25519",)


def test_a_private_key_is_taken_as_people_paste_it() -> None:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    written = (
        pem,
        pem.replace("\n", "\r\n"),
        f"  \n{pem}\n",
        json.dumps(pem),  # out of a JSON file, quotation marks and all
        json.dumps(pem)[1:-1],
        f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem}",
    )
    raw = {read_private_key(SecretValue(text), "ES256")._raw for text in written}
    assert len(raw) == 1


def test_a_fault_in_a_key_tells_nothing_of_it() -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_private_key(SecretValue("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"), "RS256")
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__
