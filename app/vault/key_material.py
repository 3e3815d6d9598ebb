"""A signing key as somebody gave it, read and checked for what Vault's transit engine can import. Pure.

Source: Vault docs, "Transit secrets engine: bring your own key"; RFC 7518, section 3; RFC 8037, section 3.1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.kernel.errors import ValidationFailed, in_body
from app.kernel.secret import SecretValue
from app.vault import SigningKeyType
from app.vault.wrapping import wrap_key

KeyEncoding = Literal["utf-8", "base64", "hex"]
JwtAlgorithm = Literal["RS256", "ES256", "EdDSA"]

LEAST_HMAC_BYTES: Final = 32
GREATEST_HMAC_BYTES: Final = 512
_RSA: Final[Mapping[int, SigningKeyType]] = {2048: "rsa-2048", 3072: "rsa-3072", 4096: "rsa-4096"}
_USUAL_EXPONENT: Final = 65537
_KINDS: Final[Mapping[JwtAlgorithm, tuple[SigningKeyType, ...]]] = {
    "RS256": tuple(_RSA.values()),
    "ES256": ("ecdsa-p256",),
    "EdDSA": ("ed25519",),
}
_STANDARD_WEBHOOKS: Final = "whsec_"
"""Stands before a key in base64, and is no part of it. Source: Standard Webhooks specification, "Signature scheme"."""
_AWS_KEY: Final = re.compile(r"[\x21-\x7e]{16,128}")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_WRAPPED: Final = re.compile(r"[A-Za-z0-9+/=\s]{1,65536}")


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A key that Vault can import: the types that it may be of, and the field of the request that it stands in.

    It holds either the key's own bytes or what somebody wrapped, whose type and strength nobody but Vault can see.
    """

    key_types: tuple[SigningKeyType, ...]
    given_as: str
    _raw: bytes | None = field(default=None, repr=False)
    _wrapped: str | None = field(default=None, repr=False)

    def wrap(self, public_key: str) -> str:
        """Return what Vault's ``import`` takes, wrapped with Vault's key where it isn't wrapped yet.

        Raises:
            VaultUnavailable: What Vault gave is no RSA public key.
        """
        return self._wrapped if self._raw is None else wrap_key(self._raw, public_key)  # type: ignore[return-value]


def read_wrapped(text: str, key_types: tuple[SigningKeyType, ...]) -> KeyMaterial:
    """Read a key that was wrapped elsewhere.

    Raises:
        ValidationFailed: It isn't base64.
    """
    bare = "".join(text.split())
    try:
        base64.b64decode(bare, validate=True)
    except ValueError:
        raise _wrong("wrapped_key", "A wrapped key is base64, as Vault's import takes it.") from None
    return KeyMaterial(key_types, "wrapped_key", None, bare)


def wrapped_types(algorithm: JwtAlgorithm | None) -> tuple[SigningKeyType, ...]:
    """Return the types that a wrapped key may be of; without an algorithm it is an HMAC key."""
    return ("hmac",) if algorithm is None else _KINDS[algorithm]


def read_hmac_key(key: SecretValue, encoding: KeyEncoding) -> KeyMaterial:
    """Read an HMAC key; one under 32 bytes is filled up with NULs at its end, as HMAC does by itself (RFC 2104).

    Raises:
        ValidationFailed: It isn't in this encoding, or has none or too many bytes.
    """
    try:
        raw = _decode(key.expose(), encoding)
    except (ValueError, binascii.Error):
        raise _wrong("key", f"The key isn't {encoding}.") from None
    if not 1 <= len(raw) <= GREATEST_HMAC_BYTES:
        raise _wrong("key", f"An HMAC key has 1 to {GREATEST_HMAC_BYTES} bytes.")
    return KeyMaterial(("hmac",), "key", raw.ljust(LEAST_HMAC_BYTES, b"\0"))


def _decode(text: str, encoding: KeyEncoding) -> bytes:
    if encoding == "hex":
        return bytes.fromhex(text)
    if encoding == "base64":
        bare = "".join(text.split()).removeprefix(_STANDARD_WEBHOOKS).rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    return text.encode()


def read_aws_key(key: SecretValue) -> KeyMaterial:
    """Read an AWS secret access key; the first of Signature Version 4's four HMACs is made with ``AWS4`` before it.

    Raises:
        ValidationFailed: It can't be one.
    """
    if not _AWS_KEY.fullmatch(key.expose()):
        raise _wrong("secret_access_key", "A secret access key has 16 to 128 characters and no space.")
    raw = b"AWS4" + key.expose().encode()
    return KeyMaterial(("hmac",), "secret_access_key", raw.ljust(LEAST_HMAC_BYTES, b"\0"))


def read_private_key(pem: SecretValue, algorithm: JwtAlgorithm) -> KeyMaterial:
    """Read a private key in PEM, of any usual form.

    Raises:
        ValidationFailed: It is none, is protected, too weak, on another curve, or of another algorithm.
    """
    text = pem.expose().replace("\\n", "\n")  # as it stands in a JSON file, such as Google's
    if len(_PRIVATE_KEY.findall(text)) > 1:
        raise _wrong("key", "These are several private keys; give the one that signs.")
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except TypeError:
        raise _wrong("key", "The key is protected by a passphrase; give it without one.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("key", _why_no_private_key(text)) from None
    key_type = _type_of(key)
    if key_type not in _KINDS[algorithm]:
        fits = next(name for name, types in _KINDS.items() if key_type in types)
        raise _wrong("key", f"This key signs {fits}, and the algorithm is {algorithm}.")
    form = serialization.PrivateFormat.PKCS8
    raw = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    return KeyMaterial((key_type,), "key", raw)


def _why_no_private_key(text: str) -> str:
    if "PUBLIC KEY-----" in text or "CERTIFICATE-----" in text:
        return "This isn't a private key; a public key or a certificate can't sign."
    if "OPENSSH PRIVATE KEY-----" in text:
        return "This key is in OpenSSH's own form; convert it to PEM (ssh-keygen -p -m PEM)."
    return "The key isn't a private key in PEM (-----BEGIN PRIVATE KEY-----)."


def _type_of(key: object) -> SigningKeyType:
    if isinstance(key, rsa.RSAPrivateKey):
        return _rsa_type(key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, ec.SECP256R1):
            raise _wrong("key", f"The key is on the curve {key.curve.name}; ES256 needs P-256.")
        return "ecdsa-p256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise _wrong("key", "A key of this kind signs no JWT: use RSA, P-256 or Ed25519.")


def _rsa_type(key: rsa.RSAPrivateKey) -> SigningKeyType:
    if key.key_size < min(_RSA):
        raise _wrong("key", f"An RSA key has at least 2048 bits; this one has {key.key_size}.")
    if key.key_size not in _RSA:
        raise _wrong("key", f"Vault takes RSA keys of 2048, 3072 or 4096 bits; this one has {key.key_size}.")
    if key.public_key().public_numbers().e != _USUAL_EXPONENT:
        raise _wrong("key", "An RSA key has the public exponent 65537; this one has another.")
    return _RSA[key.key_size]


def _wrong(name: str, sentence: str) -> ValidationFailed:
    return ValidationFailed(sentence, errors={in_body(name): [sentence]})
