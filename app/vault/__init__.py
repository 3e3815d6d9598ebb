"""The door to HashiCorp Vault or OpenBao: what the rest of the application may ask of it.

No caller names a path, a token or a Vault role's policy: it says which secret, in which workspace, in whose role.
Every method raises ``VaultUnavailable`` when Vault is sealed, unreachable, standby-only or refuses, and never
lets a library's exception out (a chained one would hold the request, and the request the value).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from app.kernel.secret import SecretValue

Engine = Literal["kv", "transit"]
Visibility = Literal["masked", "restricted"]
PersonRole = Literal["owner", "admin", "editor"]
SigningKeyType = Literal["hmac", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ed25519"]
HmacHash = Literal["sha256", "sha512", "sha1"]

VISIBILITIES: Final[tuple[Visibility, ...]] = ("masked", "restricted")
VERSIONS_KEPT: Final = 10
"""Versions of a value that Vault keeps; an older one goes when a new one comes."""
SIGNING_KEY_TYPES: Final[tuple[SigningKeyType, ...]] = (
    "hmac",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ecdsa-p256",
    "ed25519",
)
"""The types of imported keys: what transit calls them."""
KEY_TYPE: Final = "aes256-gcm96"
"""The type of a workspace's transit keys."""


@dataclass(frozen=True, slots=True)
class SecretAddress:
    """Where a secret's value lies. ``name`` is matched exactly."""

    workspace: str
    engine: Engine
    visibility: Visibility
    name: str


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value as it was read: with its version, the binding that lies beside it and Vault's own request ids.

    ``version`` is None where a value lies elsewhere, in an engine that has none. ``request_id`` is of the read, which
    may have been a moment ago where ciphertext was read; ``decrypt_id`` of the request that decrypted it for this call.
    """

    value: SecretValue
    version: int | None
    binding: str | None
    request_id: str | None
    decrypt_id: str | None = None

    @property
    def request_ids(self) -> Sequence[str]:
        """Vault's own ids of the requests that the value came by."""
        return [each for each in (self.request_id, self.decrypt_id) if each]


@dataclass(frozen=True, slots=True)
class NewestCheckpoint:
    """What is kept of a chain of the record, as it was stored, and the version of the entry."""

    document: Mapping[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class Written:
    """A value was stored as this version."""

    version: int
    created_at: datetime
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StoredPointer:
    """What lies in KV in a value's place where it holds no value itself: ``{"key_version": 2}``, say.

    ``version`` is the entry's, ``request_id`` Vault's own.
    """

    pointer: Mapping[str, Any]
    version: int
    binding: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """What an OAuth 2.0 secret was given, as JSON text that nobody sees, and the version for check-and-set."""

    document: SecretValue
    version: int


@dataclass(frozen=True, slots=True)
class GrantedValue:
    """A value that lies elsewhere in Vault; ``version`` is None where its engine has none (KV version 1)."""

    value: SecretValue
    version: int | None
    request_id: str | None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A value elsewhere in Vault that a workspace may use: mount and path, which fields of it, and towards which hosts.

    ``hosts`` are patterns as a secret's allowed hosts are.
    """

    path: str
    fields: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and Vault's own request id."""

    signature: bytes
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key as Vault describes it: its type, and the versions from the least to the newest that can sign."""

    key_type: str
    least_version: int
    newest_version: int


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """Vault's public key, with which anybody wraps a key that only Vault can open."""

    public_key: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a secret, without its value. ``destroyed`` also when its value was deleted."""

    version: int
    created_at: datetime
    destroyed: bool


@dataclass(frozen=True, slots=True)
class StoredMetadata:
    """What lies beside a value: the version in force (0: none yet), the binding, the versions, oldest first."""

    current_version: int
    binding: str | None
    versions: Sequence[StoredVersion]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether Vault can serve, and if not, why, in words.

    ``ahead`` is how many seconds its clock is before ours; ``outdated`` says in words that its version is older than
    the least that we work with.
    """

    ok: bool
    reason: str | None
    version: str | None
    ahead: float | None = None
    outdated: str | None = None


class Vault(Protocol):
    """What the application asks of Vault."""

    def prepare_workspace(self, workspace: str, engine: Engine, *, role: PersonRole) -> None:
        """Make the workspace's transit keys where the engine wants them; doing it twice does nothing more."""

    def purge_workspace(self, workspace: str, engine: Engine) -> None:
        """Delete every entry, version and transit key of the workspace, as its owner; doing it twice does no harm."""

    def read_for_call(self, address: SecretAddress, *, state: Hashable = None) -> StoredValue:
        """Read a value as ``runtime``: for the call pipeline alone.

        Callers who wait for the same value at the same moment may share a read that starts after all of them asked; in
        a transit workspace those who wait for the same key share a decrypt request that does.

        Args:
            state: What the database says of the secret, and how many changes there were: in the same state ciphertext
                that was read before counts for ten seconds. None: what was read before doesn't count.

        Raises:
            BindingMismatch: There is no value.
            VaultUnavailable: Vault can't, or can't decrypt what lies there.
        """

    def read_to_reveal(self, address: SecretAddress, *, role: PersonRole) -> StoredValue:
        """Read a masked value with the person's own role; Vault itself refuses a restricted one."""

    def write_binding(self, address: SecretAddress, binding: str, *, role: PersonRole) -> None:
        """Store the binding in the entry's ``custom_metadata`` (making the entry, with ``cas_required``, if new)."""

    def write_value(self, address: SecretAddress, value: SecretValue, *, cas: int, role: PersonRole) -> Written:
        """Store a new version if ``cas`` is the version in force (0: none). Raises ``WriteConflict`` if it isn't."""

    def roll_back(self, address: SecretAddress, *, version: int, cas: int, role: PersonRole) -> Written:
        """Store version ``version`` anew as the newest: read by ``mover``, written in the person's role.

        Raises ``NotFound`` where that version is gone and ``WriteConflict`` on a lost race.
        """

    def destroy_versions(self, address: SecretAddress, versions: Sequence[int], *, role: PersonRole) -> None:
        """Destroy the values of these versions for good."""

    def delete(self, address: SecretAddress, *, role: PersonRole) -> None:
        """Delete the entry with all its versions; nothing happens where there is none."""

    def metadata(self, address: SecretAddress, *, role: PersonRole) -> StoredMetadata | None:
        """Return what lies beside the value, or None where Vault has no such entry."""

    def names(self, workspace: str, visibility: Visibility, *, role: PersonRole) -> Sequence[str]:
        """List the entries of a workspace, sorted."""

    def rotate_key(self, workspace: str, visibility: Visibility) -> int:
        """Rotate a transit workspace's key, as its owner, and return the new key version."""

    def rewrap(self, address: SecretAddress, *, role: PersonRole) -> Written | None:
        """Store the value in force anew under the newest key version; None where it is under that one already.

        It is read and rewrapped by ``mover`` and never decrypted. Raises ``NotFound`` where there is no value and
        ``WriteConflict`` on a lost race.
        """

    # --- what lies in a value's place

    def write_pointer(
        self, address: SecretAddress, pointer: Mapping[str, Any], *, cas: int, role: PersonRole
    ) -> Written:
        """Store what stands in the value's place, as ``write_value`` does; it is no secret.

        Raises:
            WriteConflict: ``cas`` isn't the version in force (0: none).
        """

    def read_pointer(self, address: SecretAddress) -> StoredPointer:
        """Read what stands in the value's place, as ``runtime``: for the call pipeline alone.

        Raises:
            BindingMismatch: there is none.
        """

    # --- imported signing keys; their names go by the secret's, and its visibility is restricted

    def wrapping_key(self, workspace: str, *, role: PersonRole) -> WrappingKey:
        """Return the key to wrap a signing key with, so that it can be imported without anybody seeing it."""

    def import_key(
        self, address: SecretAddress, wrapped_key: str, *, key_type: SigningKeyType, role: PersonRole
    ) -> int:
        """Import a signing key; where the secret has one already, as a further version of it.

        Args:
            wrapped_key: as ``app.vault.wrapping.wrap_key`` returns it.
            key_type: of all versions of one key the same.

        Returns:
            the new key's version, from 1 on.

        Raises:
            ValidationFailed: Vault can't open what was wrapped, or it isn't a key of this type.
            Unanswered: nobody knows whether it was imported. Importing again makes one more version.
        """

    def signing_key(self, address: SecretAddress, *, role: PersonRole) -> StoredKey | None:
        """Describe a secret's signing key; None where there is none."""

    def retire_keys_before(self, address: SecretAddress, key_version: int, *, role: PersonRole) -> None:
        """Have the versions before this one sign nothing any more, and delete them; doing it twice does no harm.

        Only when this has returned can nobody bring an old key back.
        """

    def delete_key(self, address: SecretAddress, *, role: PersonRole) -> None:
        """Delete a secret's signing key with all its versions; nothing happens where there is none."""

    def sign_hmac(self, address: SecretAddress, message: bytes, *, hash_name: HmacHash, key_version: int) -> Signature:
        """Make an HMAC over the message with one version of the key, as ``sign``: for the call pipeline alone.

        Raises:
            BindingMismatch: that version of the key isn't there (any more).
        """

    def sign_jws(self, address: SecretAddress, signing_input: bytes, *, key_version: int) -> Signature:
        """Sign as JWS does (RS256, ES256 or EdDSA, by the key's type), as ``sign``: for the call pipeline alone.

        Returns:
            the signature's bytes, which JWS writes in base64url (RFC 7518, sections 3.3, 3.4; RFC 8037, section 3.1).

        Raises:
            BindingMismatch: that version of the key isn't there (any more).
        """

    # --- the tokens of an OAuth 2.0 secret

    def read_to_renew(self, address: SecretAddress) -> StoredValue:
        """Read the client secret, as ``renew``: for a token's renewal alone.

        Raises:
            BindingMismatch: There is no value.
            VaultUnavailable: Vault can't, or can't decrypt what lies there.
        """

    def read_tokens(self, address: SecretAddress) -> StoredTokens | None:
        """Return what the secret was given, as ``renew``; None where there is nothing yet."""

    def write_tokens(self, address: SecretAddress, document: SecretValue, *, cas: int) -> int:
        """Store what the secret was given, as ``renew``, and return the new version.

        Raises:
            WriteConflict: ``cas`` isn't the version in force (0: none), so somebody else renews.
            Unanswered: nobody knows whether it was stored. Read it.
        """

    def destroy_tokens(self, address: SecretAddress, versions: Sequence[int]) -> None:
        """Destroy versions of the tokens for good, as ``renew``."""

    def delete_tokens(self, address: SecretAddress, *, role: PersonRole) -> None:
        """Delete the tokens with all their versions; nothing happens where there are none."""

    # --- values that Vault already has

    def read_granted(self, workspace: str, path: str, field: str) -> GrantedValue:
        """Read a field that an operator granted to the workspace, in the role ``grant-<workspace>``.

        Args:
            path: mount and path as ``vault kv get`` takes them, of KV version 1 or 2.

        Raises:
            NotGranted: Vault refuses it to this workspace.
            VaultUnavailable: Vault can't, or nothing lies there.
            ValueNotAllowedHere: the field is missing, or no text.
        """

    def grants(self, workspace: str) -> Sequence[Grant]:
        """Return what the operators have granted to the workspace and applied; empty where that is nothing."""

    # --- the record

    def sign_checkpoint(self, message: bytes) -> str:
        """Sign with the transit key ``_record``; returns Vault's ``vault:v1:…`` signature."""

    def checkpoint_public_keys(self) -> Mapping[int, str]:
        """Return the public keys of ``_record`` by key version (base64 ed25519)."""

    def read_newest_checkpoint(self, chain: str) -> NewestCheckpoint | None:
        """Return what is kept of a chain of the record; None where nothing is."""

    def store_newest_checkpoint(self, chain: str, document: Mapping[str, Any], *, cas: int) -> None:
        """Keep a chain's newest checkpoint if ``cas`` is the version in force (0: none). Raises ``WriteConflict``."""

    def chains_with_checkpoint(self) -> Sequence[str]:
        """List the chains of which a checkpoint is kept, sorted."""

    def prove_forwarding(self) -> None:
        """See that the active node answers whatever node is asked. Raises ``VaultUnavailable`` where it doesn't."""

    def keys_in_doubt(self) -> Sequence[str]:
        """List the transit keys whose last change may be half done: nothing is encrypted or signed under them."""

    def health(self) -> Health:
        """Ask whether Vault can serve: initialised, unsealed, active, our mounts answering, and calls let in."""

    def probe_role(self, role: str, workspace: str) -> None:
        """Log in as a role; raises ``VaultUnavailable`` with the reason where that fails."""
