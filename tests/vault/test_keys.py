"""The key that signs logins: read again when its file changes, and kept while the file is of no use."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from app.kernel.errors import ServiceError
from app.vault.keys import new_signing_key, public_key, signing_key, store


def told(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first, second = new_signing_key(), new_signing_key()
    file = tmp_path / "signing.key"
    store(file, first)
    current = signing_key(file)
    assert told(current()) == first
    store(file, second)
    assert told(current()) == second


def test_a_file_that_is_away_or_half_written_leaves_the_last_key_in_force(tmp_path: Path) -> None:
    first, second = new_signing_key(), new_signing_key()
    file = tmp_path / "signing.key"
    store(file, first)
    current = signing_key(file)
    file.write_bytes(second[:40])
    assert told(current()) == first
    file.unlink()
    assert told(current()) == first
    store(file, second)
    assert told(current()) == second


def test_what_is_no_p256_key_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for wrong in (b"canary-no-key", other):
        with pytest.raises(ServiceError) as caught:
            public_key(wrong)
        assert wrong.decode()[-30:] not in str(caught.value)
    with pytest.raises(ServiceError):
        signing_key(tmp_path / "nothing")
