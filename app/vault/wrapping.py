"""Wrapping a key for Vault's import, so that only Vault can open it. Pure.

The key's bytes are wrapped with a fresh AES-256 key (RFC 5649), and that with Vault's own RSA key (OAEP with SHA-256).
Source: Vault docs, "Transit secrets engine: bring your own key".
"""

from __future__ import annotations

import base64
import secrets
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from app.kernel.errors import VaultUnavailable

WRAPPING_ALGORITHM: Final = "RSA-OAEP-256 + AES-256-KWP"
"""How a key is to be wrapped for Vault: the ephemeral key's ciphertext, then the key's, in base64."""


def wrap_key(material: bytes, public_key: str) -> str:
    """Wrap a key for Vault.

    Args:
        material: an HMAC key's bytes, or a private key as PKCS #8 in DER.
        public_key: Vault's wrapping key, an RSA public key in PEM.

    Returns:
        base64, as Vault's ``import`` takes it in ``ciphertext``.

    Raises:
        VaultUnavailable: what Vault gave is no RSA public key.
    """
    try:
        vault_key = serialization.load_pem_public_key(public_key.encode())
    except ValueError:
        vault_key = None
    if not isinstance(vault_key, rsa.RSAPublicKey):
        raise VaultUnavailable("Vault's wrapping key isn't an RSA public key.")
    ephemeral = secrets.token_bytes(32)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return base64.b64encode(
        vault_key.encrypt(ephemeral, oaep) + aes_key_wrap_with_padding(ephemeral, material)
    ).decode()
