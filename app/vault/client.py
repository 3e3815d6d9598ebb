"""``VaultClient``: the ``app.vault.Vault`` protocol, spoken to HashiCorp Vault or OpenBao through hvac.

Every request carries a token of one workspace and one role. Every exception of a library ends here.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar

import hvac.exceptions
from hvac.api.auth_methods import JWT
from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import (
    BindingMismatch,
    NotFound,
    StrongroomError,
    Unanswered,
    VaultRefused,
    VaultUnavailable,
    WriteConflict,
)
from app.kernel.secret import SecretValue
from app.vault import (
    KEY_TYPE,
    VERSIONS_KEPT,
    VISIBILITIES,
    Engine,
    Health,
    PersonRole,
    SecretAddress,
    StoredMetadata,
    StoredValue,
    StoredVersion,
    Visibility,
    Written,
)
from app.vault.keys import signing_key
from app.vault.options import VaultOptions
from app.vault.paths import RECORD_KEY, checked_workspace, entry, folder, key_name
from app.vault.roles import SERVICE, SERVICE_ROLES
from app.vault.shared import SharedReads
from app.vault.tokens import Tokens
from app.vault.transport import RETRY_AFTER, HvacAdapter, Line, unavailable, why

_WRITES: Final = 2
"""How often a write is sent at most, where a connection broke in the middle of it."""

T = TypeVar("T")


class VaultClient:
    """Vault, for the application. Safe to share among threads; ``close`` it at the end."""

    def __init__(self, options: VaultOptions) -> None:
        self._line = Line(options.server)
        self._mounts = options.mounts
        self._tokens = Tokens(self._login, signing_key(options.signing_key))
        self._shared: SharedReads[StoredValue] = SharedReads()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    # --- a workspace

    def prepare_workspace(self, workspace: str, engine: Engine, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        if engine == "transit":
            for visibility in VISIBILITIES:
                key = key_name(workspace, visibility)
                self._transit(workspace, role, Transit.create_key, key, key_type=KEY_TYPE)

    def purge_workspace(self, workspace: str, engine: Engine) -> None:
        """See ``app.vault.Vault``."""
        for visibility in VISIBILITIES:
            for name in self.names(workspace, visibility, role="owner"):
                self.delete(SecretAddress(workspace, engine, visibility, name), role="owner")
            if engine == "transit":
                self._delete_key(workspace, key_name(workspace, visibility))

    def names(self, workspace: str, visibility: Visibility, *, role: PersonRole) -> Sequence[str]:
        """See ``app.vault.Vault``."""
        try:
            answer = self._kv(workspace, role, KvV2.list_secrets, folder(workspace, visibility))
        except NotFound:
            return []
        return sorted(answer["data"]["keys"])

    # --- values, read

    def read_for_call(self, address: SecretAddress) -> StoredValue:
        """See ``app.vault.Vault``."""
        return self._shared.read(address, lambda: self._read_value(address, "runtime"))

    def read_to_reveal(self, address: SecretAddress, *, role: PersonRole) -> StoredValue:
        """See ``app.vault.Vault``."""
        return self._read_value(address, role)

    # --- values, written

    def write_binding(self, address: SecretAddress, binding: str, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        self._kv(
            address.workspace,
            role,
            KvV2.update_metadata,
            entry(address),
            max_versions=VERSIONS_KEPT,
            cas_required=True,
            custom_metadata={"binding": binding},
            repeat=False,
        )

    def write_value(self, address: SecretAddress, value: SecretValue, *, cas: int, role: PersonRole) -> Written:
        """See ``app.vault.Vault``."""
        if address.engine == "transit":
            key, plaintext = _key(address), _base64(value.expose().encode())
            answer = self._transit(address.workspace, role, Transit.encrypt_data, key, plaintext=plaintext)
            return self._write(address, answer["data"]["ciphertext"], cas=cas, role=role)
        return self._write(address, value.expose(), cas=cas, role=role)

    def roll_back(self, address: SecretAddress, *, version: int, cas: int, role: PersonRole) -> Written:
        """See ``app.vault.Vault``. With transit it is ciphertext that is moved."""
        return self._write(address, _text(self._read(address, "mover", version=version)), cas=cas, role=role)

    def rewrap(self, address: SecretAddress, *, role: PersonRole) -> Written | None:
        """See ``app.vault.Vault``."""
        if address.engine != "transit":
            return None
        stored = self._read(address, "mover")
        old = _text(stored)
        answer = self._transit(address.workspace, "mover", Transit.rewrap_data, _key(address), ciphertext=old)
        new = answer["data"]["ciphertext"]
        if _key_version(new) == _key_version(old):
            return None
        return self._write(address, new, cas=stored["data"]["metadata"]["version"], role=role)

    def destroy_versions(self, address: SecretAddress, versions: Sequence[int], *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        if versions:
            path = entry(address)
            self._kv(address.workspace, role, KvV2.destroy_secret_versions, path, list(versions), repeat=False)

    def delete(self, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        self._kv(address.workspace, role, KvV2.delete_metadata_and_all_versions, entry(address), repeat=False)

    # --- what lies beside a value

    def metadata(self, address: SecretAddress, *, role: PersonRole) -> StoredMetadata | None:
        """See ``app.vault.Vault``."""
        try:
            data = self._kv(address.workspace, role, KvV2.read_secret_metadata, entry(address))["data"]
        except NotFound:
            return None
        return _metadata(data)

    def rotate_key(self, workspace: str, visibility: Visibility) -> int:
        """See ``app.vault.Vault``."""
        key = key_name(workspace, visibility)
        self._transit(workspace, "owner", Transit.rotate_key, key, repeat=False)
        return int(self._transit(workspace, "owner", Transit.read_key, key)["data"]["latest_version"])

    # --- the record

    def sign_checkpoint(self, message: bytes) -> str:
        """See ``app.vault.Vault``."""
        answer = self._transit(SERVICE, "record", Transit.sign_data, RECORD_KEY, hash_input=_base64(message))
        return str(answer["data"]["signature"])

    def checkpoint_public_keys(self) -> Mapping[int, str]:
        """See ``app.vault.Vault``."""
        keys = self._transit(SERVICE, "record", Transit.read_key, RECORD_KEY)["data"]["keys"]
        return {int(version): str(key["public_key"]) for version, key in keys.items()}

    # --- whether it works

    def health(self) -> Health:
        """See ``app.vault.Vault``."""
        version: str | None = None
        try:
            # Of the whole server: inside a namespace nobody is told.
            state = self._line.once("GET", "sys/health", headers={"X-Vault-Namespace": ""})
            version = state.document.get("version")
            if state.status != 200:
                return Health(ok=False, reason=why(state.status), version=version)
            self._kv(SERVICE, "health", KvV2.read_configuration)
            self._transit(SERVICE, "health", Transit.read_key, RECORD_KEY)
            self._prove_reading()
        except NotFound:
            return Health(ok=False, reason="Vault lacks our keys. Run `strongroom vault apply`.", version=version)
        except StrongroomError as problem:
            return Health(ok=False, reason=problem.detail, version=version)
        told = state.document.get("server_time_utc")
        ahead = None if told is None else float(told) - time.time()
        return Health(ok=True, reason=None, version=version, ahead=ahead)

    def probe_role(self, role: str, workspace: str) -> None:
        """See ``app.vault.Vault``. ``record`` and ``health`` belong to no workspace."""
        self._tokens.fresh(SERVICE if role in SERVICE_ROLES else checked_workspace(workspace), role)

    # --- in order of use from here on

    def _prove_reading(self) -> None:
        """Read as a call does, where no workspace's value ever lies; refused, no call could have its values."""
        with suppress(NotFound):
            self._kv(
                SERVICE,
                "runtime",
                KvV2.read_secret_version,
                f"{SERVICE}/restricted/none",
                raise_on_deleted_version=True,
            )

    def _delete_key(self, workspace: str, key: str) -> None:
        if not self._has_key(workspace, key):
            return
        try:
            self._transit(workspace, "owner", Transit.update_key_configuration, key, deletion_allowed=True)
            self._transit(workspace, "owner", Transit.delete_key, key, repeat=False)
        except VaultUnavailable:
            if self._has_key(workspace, key):  # else somebody who purges the same workspace was faster
                raise

    def _has_key(self, workspace: str, key: str) -> bool:
        try:
            self._transit(workspace, "owner", Transit.read_key, key)
        except NotFound:
            return False
        return True

    def _read_value(self, address: SecretAddress, role: str) -> StoredValue:
        try:
            answer = self._read(address, role)
        except NotFound:
            raise BindingMismatch(
                f"Vault holds no value where the database says that {address.name}'s is. Run `strongroom doctor`."
            ) from None
        text, facts = _text(answer), answer["data"]["metadata"]
        if address.engine == "transit":
            opened = self._transit(address.workspace, role, Transit.decrypt_data, _key(address), ciphertext=text)
            text = base64.b64decode(opened["data"]["plaintext"]).decode()
        return StoredValue(
            value=SecretValue(text),
            version=facts["version"],
            binding=_binding(facts),
            request_id=answer.get("request_id"),
        )

    def _read(self, address: SecretAddress, role: str, *, version: int | None = None) -> Mapping[str, Any]:
        """Read what lies in KV: the value, or its ciphertext. Raises ``NotFound`` where that version is gone."""
        answer: Mapping[str, Any] = self._kv(
            address.workspace,
            role,
            KvV2.read_secret_version,
            entry(address),
            version=version,
            raise_on_deleted_version=True,
        )
        return answer

    def _write(self, address: SecretAddress, text: str, *, cas: int, role: PersonRole) -> Written:
        """Store ``text`` by check-and-set; where the connection broke meanwhile, find out what became of it."""
        path, in_doubt = entry(address), False
        for _ in range(_WRITES):
            try:
                answer = self._kv(
                    address.workspace,
                    role,
                    KvV2.create_or_update_secret,
                    path,
                    {"value": text},
                    cas=cas,
                    repeat=False,
                )
            except Unanswered:
                in_doubt = True
            except WriteConflict:
                if not in_doubt:
                    raise
            else:
                facts = answer["data"]
                return Written(facts["version"], _moment(facts["created_time"]), answer.get("request_id"))
            written = self._fate_of_write(address, cas, text, role)
            if written is not None:
                return written
        raise unavailable("The connection to Vault broke while a value was written; it wasn't stored.")

    def _fate_of_write(self, address: SecretAddress, cas: int, text: str, role: PersonRole) -> Written | None:
        """Tell what became of a write that got no answer: ours, or None where nothing was written yet.

        Ours is the version after ``cas`` if it holds what we wrote. A person's role may not read it, so ``mover`` does,
        as for a rollback: what it reads is compared, and goes nowhere. When it was made would prove nothing: a write
        that was given up on is carried out all the same once a Vault that had stopped goes on.

        Raises:
            WriteConflict: where somebody else's write is in force.
        """
        found = self.metadata(address, role=role) or StoredMetadata(0, None, [])
        if found.current_version == cas:
            return None
        newest = found.versions[-1] if found.versions else None
        if newest is None or newest.version != cas + 1 or newest.destroyed:
            raise _lost_race()
        try:
            stored = self._read(address, "mover", version=newest.version)
        except NotFound:
            raise _lost_race() from None
        if not secrets.compare_digest(_text(stored).encode(), text.encode()):
            raise _lost_race()
        return Written(newest.version, newest.created_at, None)

    def _kv(
        self, workspace: str, role: str, method: Callable[..., Any], *args: Any, repeat: bool = True, **more: Any
    ) -> Any:
        return self._as(
            workspace, role, lambda a: method(KvV2(a), *args, mount_point=self._mounts.kv, **more), repeat=repeat
        )

    def _transit(
        self, workspace: str, role: str, method: Callable[..., Any], *args: Any, repeat: bool = True, **more: Any
    ) -> Any:
        return self._as(
            workspace,
            role,
            lambda a: method(Transit(a), *args, mount_point=self._mounts.transit, **more),
            repeat=repeat,
        )

    def _as(self, workspace: str, role: str, deed: Callable[[HvacAdapter], T], *, repeat: bool) -> T:
        """Do something with a token of this workspace and role; refused, log in anew and do it once more.

        ``repeat`` says whether doing it twice is as good as once (see ``Line.ask``); what was refused was never done.
        """
        problem: StrongroomError = _refusal(role)
        for _ in range(2):
            token = self._tokens.get(workspace, role)
            try:
                return deed(HvacAdapter(self._line, token.text, repeat=repeat))
            except hvac.exceptions.Forbidden:
                self._tokens.drop(workspace, role, token)
            except hvac.exceptions.VaultError as error:
                problem = _as_our_error(error)
                break
        raise problem from None

    def _login(self, role: str, jwt: str) -> tuple[str, float]:
        """Exchange a signed JWT for a token and the seconds it lives. It may be repeated: it changes nothing."""
        try:
            auth = JWT(HvacAdapter(self._line, None, repeat=True)).jwt_login(
                role, jwt, use_token=False, path=self._mounts.jwt
            )["auth"]
            return str(auth["client_token"]), float(auth["lease_duration"])
        except hvac.exceptions.VaultError:
            problem: StrongroomError = VaultRefused(
                f"Vault refused our login in the role {role}. Run `strongroom vault plan` to see what is missing.",
                retry_after=RETRY_AFTER,
            )
        except (KeyError, TypeError):
            problem = unavailable("What answers at VAULT_ADDR isn't Vault.")
        raise problem from None


def _as_our_error(error: hvac.exceptions.VaultError) -> StrongroomError:
    """Give a refusal of Vault's its name among ours; Vault's words are compared and go no further."""
    words = str(error.args[0] or "") if error.args else ""
    if isinstance(error, hvac.exceptions.InvalidPath):
        # Without words it is the entry that is missing; with some ("no handler for route") it is the mount.
        if words:
            return unavailable("Vault lacks one of our mounts. Run `strongroom vault plan`.")
        return NotFound("Vault has no such value.")
    if "check-and-set parameter did not match" in words:
        return _lost_race()
    if "not found" in words:
        return unavailable("Vault lacks one of our keys. Run `strongroom vault plan`.")
    return VaultUnavailable("Vault found our request wrong.", retry_after=RETRY_AFTER)


def _refusal(role: str) -> VaultRefused:
    return VaultRefused(
        f"Vault refused this to the role {role}: its policy doesn't allow it, or isn't there."
        " Run `strongroom vault plan` to see what differs.",
        retry_after=RETRY_AFTER,
    )


def _lost_race() -> WriteConflict:
    return WriteConflict("Somebody else has stored another value meanwhile.")


def _key(address: SecretAddress) -> str:
    return key_name(address.workspace, address.visibility)


def _key_version(ciphertext: str) -> str:
    """Return the ``v1`` of ``vault:v1:…``."""
    return ciphertext.split(":", 2)[1]


def _text(answer: Mapping[str, Any]) -> str:
    text = answer["data"]["data"].get("value")
    if not isinstance(text, str):
        raise unavailable("What lies in Vault under this secret's name isn't a value of ours.")
    return text


def _binding(facts: Mapping[str, Any]) -> str | None:
    return (facts.get("custom_metadata") or {}).get("binding")


def _metadata(data: Mapping[str, Any]) -> StoredMetadata:
    versions = sorted((int(number), facts) for number, facts in data["versions"].items())
    return StoredMetadata(
        current_version=data["current_version"],
        binding=_binding(data),
        versions=[
            StoredVersion(number, _moment(facts["created_time"]), facts["destroyed"] or bool(facts["deletion_time"]))
            for number, facts in versions
        ],
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
