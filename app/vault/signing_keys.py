"""Signing keys in Vault's transit engine: imported, renewed, deleted and signed with; never read.

Source: Vault docs, "Transit secrets engine (API)": import key, import key version, update key configuration, trim key,
generate HMAC, sign data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from app.kernel.errors import BindingMismatch, NotFound, ValidationFailed, VaultUnavailable, in_body
from app.vault import HmacHash, PersonRole, SecretAddress, Signature, SigningKeyType, StoredKey, WrappingKey
from app.vault.key_guard import change_key, require_sound
from app.vault.paths import checked_workspace, signing_key_name
from app.vault.session import InvalidRequest, KeyMissing, VaultSession
from app.vault.transport import VaultFailed, unavailable
from app.vault.wrapping import WRAPPING_ALGORITHM

_HASHES: Final[Mapping[HmacHash, str]] = {"sha256": "sha2-256", "sha512": "sha2-512", "sha1": "sha1"}
_WRAPPED_WITH: Final = "SHA256"
_WAITS: Final = 3
"""How often the wrapping key is asked for once more where Vault doesn't answer in time."""
_NOT_OPENED: Final = (
    "Vault can't open this key. Was it wrapped with the key that wrapping-key gives, and is it of this type and size?"
)
_ABOUT_THE_KEY: Final = re.compile(
    r"base64|ciphertext is too short|decryption error|unwrap failed|invalid key size|error parsing|error importing key"
)
"""What OpenBao and HashiCorp Vault say of a key that they can't open. They say it with 500."""


class SigningKeys:
    """The part of ``app.vault.Vault`` that is about signing keys."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session

    def wrapping_key(self, workspace: str, *, role: PersonRole) -> WrappingKey:
        """See ``app.vault.Vault``."""
        path = f"{self._session.mounts.transit}/wrapping_key"
        for _attempt in range(_WAITS):
            # The first who asks has it made, 4096 bits of RSA, which may take longer than Vault is waited for.
            with suppress(VaultUnavailable):
                return _wrapping_key(self._session.get(checked_workspace(workspace), role, path))
        return _wrapping_key(self._session.get(checked_workspace(workspace), role, path))

    def import_key(
        self, address: SecretAddress, wrapped_key: str, *, key_type: SigningKeyType, role: PersonRole
    ) -> int:
        """See ``app.vault.Vault``."""
        with change_key(self._session.guard, signing_key_name(address)):
            return self._import(address, wrapped_key, key_type, role)

    def _import(self, address: SecretAddress, wrapped_key: str, key_type: SigningKeyType, role: PersonRole) -> int:
        held = self._key(address, role)
        body: dict[str, Any] = {"ciphertext": wrapped_key, "hash_function": _WRAPPED_WITH}
        if held is None:
            deed, body["type"] = "import", key_type
        elif held["type"] != key_type:
            raise _unusable(f"A new key has to be of the type of the one before ({held['type']}), not {key_type}.")
        else:
            deed = "import_version"
        try:
            self._session.post(address.workspace, role, f"{self._path(address)}/{deed}", body, repeat=False)
        except InvalidRequest:
            raise _unusable(_NOT_OPENED) from None
        except VaultFailed as failed:
            if not _ABOUT_THE_KEY.search(failed.complaints):
                raise
            raise _unusable(_NOT_OPENED) from None
        imported = self._key(address, role)
        if imported is None:
            raise unavailable("Vault doesn't hold the key that it has just imported.")
        return int(imported["latest_version"])

    def signing_key(self, address: SecretAddress, *, role: PersonRole) -> StoredKey | None:
        """See ``app.vault.Vault``."""
        held = self._key(address, role)
        if held is None:
            return None
        least = max(int(held["min_decryption_version"]), int(held.get("min_available_version") or 0))
        return StoredKey(str(held["type"]), least, int(held["latest_version"]))

    def retire_keys_before(self, address: SecretAddress, key_version: int, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        least = {"min_decryption_version": key_version, "min_encryption_version": key_version}
        trim = {"min_available_version": key_version}
        with change_key(self._session.guard, signing_key_name(address)):
            self._session.post(address.workspace, role, f"{self._path(address)}/config", least, repeat=False)
            self._session.post(address.workspace, role, f"{self._path(address)}/trim", trim, repeat=False)

    def delete_key(self, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        if self._key(address, role) is None:
            return
        allow = {"deletion_allowed": True}
        try:
            with change_key(self._session.guard, signing_key_name(address)):
                self._session.post(address.workspace, role, f"{self._path(address)}/config", allow, repeat=False)
                self._session.delete(address.workspace, role, self._path(address))
        except VaultUnavailable:
            if self._key(address, role) is not None:  # else somebody else was faster
                raise

    def sign_hmac(self, address: SecretAddress, message: bytes, *, hash_name: HmacHash, key_version: int) -> Signature:
        """See ``app.vault.Vault``."""
        body = {"algorithm": _HASHES[hash_name], "input": _base64(message), "key_version": key_version}
        answer = self._sign(address, "hmac", body)
        return Signature(base64.b64decode(_payload(answer, "hmac")), answer.get("request_id"))

    def sign_jws(self, address: SecretAddress, signing_input: bytes, *, key_version: int) -> Signature:
        """See ``app.vault.Vault``."""
        body = {
            "input": _base64(signing_input),
            "key_version": key_version,
            "hash_algorithm": "sha2-256",
            "signature_algorithm": "pkcs1v15",
            "marshaling_algorithm": "jws",
        }
        answer = self._sign(address, "sign", body)
        text = _payload(answer, "signature")
        return Signature(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), answer.get("request_id"))

    def _sign(self, address: SecretAddress, verb: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        require_sound(self._session.guard, signing_key_name(address))
        path = f"{self._session.mounts.transit}/{verb}/{signing_key_name(address)}"
        try:
            return self._session.post(address.workspace, "sign", path, body)
        except (InvalidRequest, KeyMissing, NotFound):
            raise BindingMismatch(
                f"Vault doesn't hold the key that the database says {address.name} signs with. Run `strongroom doctor`."
            ) from None

    def _key(self, address: SecretAddress, role: PersonRole) -> Mapping[str, Any] | None:
        try:
            answer = self._session.get(address.workspace, role, self._path(address))
        except NotFound:
            return None
        data: Mapping[str, Any] = answer["data"]
        return data

    def _path(self, address: SecretAddress) -> str:
        return f"{self._session.mounts.transit}/keys/{signing_key_name(address)}"


def _wrapping_key(answer: Mapping[str, Any]) -> WrappingKey:
    return WrappingKey(str(answer["data"]["public_key"]), WRAPPING_ALGORITHM)


def _unusable(detail: str) -> ValidationFailed:
    return ValidationFailed(detail, errors={in_body("key"): [detail]})


def _payload(answer: Mapping[str, Any], name: str) -> str:
    """Return what stands behind ``vault:v1:``."""
    return str(answer["data"][name]).split(":", 2)[2]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
