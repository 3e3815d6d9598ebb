"""The door to HashiCorp Vault or OpenBao: what the rest of the application may ask of it.

No caller names a path, a token or a Vault role's policy: it says which secret, in which workspace, in whose role.
Every method raises ``VaultUnavailable`` when Vault is sealed, unreachable, standby-only or refuses, and never
lets a library's exception out (a chained one would hold the request, and the request the value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from app.kernel.secret import SecretValue

Engine = Literal["kv", "transit"]
Visibility = Literal["masked", "restricted"]
PersonRole = Literal["owner", "admin", "editor"]

VISIBILITIES: Final[tuple[Visibility, ...]] = ("masked", "restricted")
VERSIONS_KEPT: Final = 10
"""Versions of a value that Vault keeps; an older one goes when a new one comes."""
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
    """A value as it was read: with its version, the binding that lies beside it and Vault's own request id."""

    value: SecretValue
    version: int
    binding: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """A value was stored as this version."""

    version: int
    created_at: datetime
    request_id: str | None


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
    """Whether Vault can serve, and if not, why, in words; ``ahead`` is how many seconds its clock is before ours."""

    ok: bool
    reason: str | None
    version: str | None
    ahead: float | None = None


class Vault(Protocol):
    """What the application asks of Vault."""

    def prepare_workspace(self, workspace: str, engine: Engine, *, role: PersonRole) -> None:
        """Make the workspace's transit keys where the engine wants them; doing it twice does nothing more."""

    def purge_workspace(self, workspace: str, engine: Engine) -> None:
        """Delete every entry, version and transit key of the workspace, as its owner; doing it twice does no harm."""

    def read_for_call(self, address: SecretAddress) -> StoredValue:
        """Read a value as ``runtime``: for the call pipeline alone. Raises ``BindingMismatch`` where there is none.

        Callers who wait for the same value at the same moment may share a read that starts after all of them asked.
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

    def sign_checkpoint(self, message: bytes) -> str:
        """Sign with the transit key ``_record``; returns Vault's ``vault:v1:…`` signature."""

    def checkpoint_public_keys(self) -> Mapping[int, str]:
        """Return the public keys of ``_record`` by key version (base64 ed25519)."""

    def health(self) -> Health:
        """Ask whether Vault can serve: initialised, unsealed, active, our mounts answering, and calls let in."""

    def probe_role(self, role: str, workspace: str) -> None:
        """Log in as a role; raises ``VaultUnavailable`` with the reason where that fails."""
