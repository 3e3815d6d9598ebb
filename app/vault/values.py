"""Values in Vault: read, written, moved, and what lies beside them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import BindingMismatch, NotFound, Unanswered, WriteConflict
from app.kernel.secret import SecretValue
from app.vault import (
    KEY_TYPE,
    VERSIONS_KEPT,
    VISIBILITIES,
    Engine,
    PersonRole,
    SecretAddress,
    StoredMetadata,
    StoredPointer,
    StoredValue,
    StoredVersion,
    Visibility,
    Written,
)
from app.vault.ciphertexts import Ciphertext, Decryption, KeptCiphertexts, Undecryptable, text_of
from app.vault.key_guard import change_key, require_sound
from app.vault.paths import entry, folder, key_name
from app.vault.session import VaultSession, lost_race
from app.vault.shared import SharedReads
from app.vault.transport import unavailable

_ROTATIONS: Final = 3
_WRITES: Final = 2
"""How often a write is sent at most, where a connection broke in the middle of it."""


class ValueStore:
    """The part of ``app.vault.Vault`` that is about values."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session
        self._shared = SharedReads(partial(self._read_value, role="runtime"))
        self._shared_ciphertexts = SharedReads(partial(self._read_ciphertext, role="runtime"))
        self._kept = KeptCiphertexts()
        self._decryption = Decryption(session)

    def prepare_workspace(self, workspace: str, engine: Engine, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        if engine == "transit":
            for visibility in VISIBILITIES:
                key = key_name(workspace, visibility)
                self._session.transit(workspace, role, Transit.create_key, key, key_type=KEY_TYPE)

    def names(self, workspace: str, visibility: Visibility, *, role: PersonRole) -> Sequence[str]:
        """See ``app.vault.Vault``."""
        try:
            answer = self._session.kv(workspace, role, KvV2.list_secrets, folder(workspace, visibility))
        except NotFound:
            return []
        return sorted(answer["data"]["keys"])

    # --- values, read

    def read_for_call(self, address: SecretAddress, *, state: Hashable = None) -> StoredValue:
        """See ``app.vault.Vault``."""
        if address.engine == "kv":
            return self._shared.read(address)
        kept = None if state is None else self._kept.get(address, state)
        if kept is not None:
            with suppress(Undecryptable):  # an operator may have stored it anew, under another version of the key
                return self._decrypt_for_call(address, kept)
        read = self._shared_ciphertexts.read(address)
        value = self._decrypt_for_call(address, read)
        if state is not None:
            self._kept.keep(address, state, read)
        return value

    def read_to_reveal(self, address: SecretAddress, *, role: PersonRole) -> StoredValue:
        """See ``app.vault.Vault``."""
        return self._read_value(address, role)

    # --- values, written

    def write_binding(self, address: SecretAddress, binding: str, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        self._session.kv(
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
            require_sound(self._session.guard, _key(address))
            key, plaintext = _key(address), _base64(document_of(value)["value"].encode())
            answer = self._session.transit(address.workspace, role, Transit.encrypt_data, key, plaintext=plaintext)
            document = {**document_of(value), "value": answer["data"]["ciphertext"]}
            return self._write(address, document, cas=cas, role=role)
        return self._write(address, document_of(value), cas=cas, role=role)

    def write_pointer(
        self, address: SecretAddress, pointer: Mapping[str, Any], *, cas: int, role: PersonRole
    ) -> Written:
        """See ``app.vault.Vault``."""
        return self._write(address, pointer, cas=cas, role=role)

    def read_pointer(self, address: SecretAddress) -> StoredPointer:
        """See ``app.vault.Vault``."""
        try:
            answer = self._read(address, "runtime")
        except NotFound:
            raise _no_value(address) from None
        facts = answer["data"]["metadata"]
        return StoredPointer(answer["data"]["data"], facts["version"], _binding(facts), answer.get("request_id"))

    def read_to_renew(self, address: SecretAddress) -> StoredValue:
        """See ``app.vault.Vault``."""
        return self._read_value(address, "renew")

    def roll_back(self, address: SecretAddress, *, version: int, cas: int, role: PersonRole) -> Written:
        """See ``app.vault.Vault``. With transit it is ciphertext that is moved."""
        stored = self._read(address, "mover", version=version)
        return self._write(address, {**_document(stored), "value": _text(stored)}, cas=cas, role=role)

    def rewrap(self, address: SecretAddress, *, role: PersonRole) -> Written | None:
        """See ``app.vault.Vault``."""
        if address.engine != "transit":
            return None
        stored = self._read(address, "mover")
        old = _text(stored)
        require_sound(self._session.guard, _key(address))
        answer = self._session.transit(address.workspace, "mover", Transit.rewrap_data, _key(address), ciphertext=old)
        new = answer["data"]["ciphertext"]
        if _key_version(new) == _key_version(old):
            return None
        document = {**_document(stored), "value": new}
        return self._write(address, document, cas=stored["data"]["metadata"]["version"], role=role)

    def destroy_versions(self, address: SecretAddress, versions: Sequence[int], *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        if versions:
            path = entry(address)
            self._session.kv(address.workspace, role, KvV2.destroy_secret_versions, path, list(versions), repeat=False)

    def delete(self, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        self._session.kv(address.workspace, role, KvV2.delete_metadata_and_all_versions, entry(address), repeat=False)

    # --- what lies beside a value

    def metadata(self, address: SecretAddress, *, role: PersonRole) -> StoredMetadata | None:
        """See ``app.vault.Vault``."""
        try:
            data = self._session.kv(address.workspace, role, KvV2.read_secret_metadata, entry(address))["data"]
        except NotFound:
            return None
        return _metadata(data)

    def rotate_key(self, workspace: str, visibility: Visibility) -> int:
        """See ``app.vault.Vault``."""
        key = key_name(workspace, visibility)
        with change_key(self._session.guard, key):
            self._rotate(workspace, key)
            return int(self._session.transit(workspace, "owner", Transit.read_key, key)["data"]["latest_version"])

    def _rotate(self, workspace: str, key: str) -> None:
        """Rotate until Vault says that it stored it: a version too many does no harm, one that was lost does."""
        for attempt in range(_ROTATIONS):
            try:
                self._session.transit(workspace, "owner", Transit.rotate_key, key, repeat=False)
            except Unanswered:
                if attempt == _ROTATIONS - 1:
                    raise
            else:
                return

    def _read_value(self, address: SecretAddress, role: str) -> StoredValue:
        if address.engine == "transit" and role == "renew":
            return self._decrypt_for_call(address, self._read_ciphertext(address, role))
        answer = self._read_present(address, role)
        document, facts = _document(answer), answer["data"]["metadata"]
        text = document["value"]
        if address.engine == "transit":  # what a person looks at, in their own role
            key = _key(address)
            opened = self._session.transit(address.workspace, role, Transit.decrypt_data, key, ciphertext=text)
            text = text_of(opened["data"]["plaintext"])
        value = SecretValue(text, document.get("forms"))
        return StoredValue(value, facts["version"], _binding(facts), answer.get("request_id"))

    def _read_ciphertext(self, address: SecretAddress, role: str) -> Ciphertext:
        began = time.monotonic()
        answer = self._read_present(address, role)
        document, facts = _document(answer), answer["data"]["metadata"]
        return Ciphertext(
            text=document["value"],
            forms=document.get("forms"),
            version=facts["version"],
            binding=_binding(facts),
            request_id=answer.get("request_id"),
            began=began,
        )

    def _decrypt_for_call(self, address: SecretAddress, read: Ciphertext) -> StoredValue:
        opened = self._decryption.decrypt(address, read.text)
        value = SecretValue(opened.text(), read.forms)
        return StoredValue(value, read.version, read.binding, read.request_id, opened.request_id)

    def _read_present(self, address: SecretAddress, role: str) -> Mapping[str, Any]:
        """Read what lies in KV. Raises ``BindingMismatch`` where that is no text, or nothing."""
        try:
            answer = self._read(address, role)
        except NotFound:
            raise _no_value(address) from None
        if not isinstance(_document(answer).get("value"), str):
            raise _no_value(address)
        return answer

    def _read(self, address: SecretAddress, role: str, *, version: int | None = None) -> Mapping[str, Any]:
        """Read what lies in KV: the value, or its ciphertext. Raises ``NotFound`` where that version is gone."""
        answer: Mapping[str, Any] = self._session.kv(
            address.workspace,
            role,
            KvV2.read_secret_version,
            entry(address),
            version=version,
            raise_on_deleted_version=True,
        )
        return answer

    def _write(self, address: SecretAddress, document: Mapping[str, Any], *, cas: int, role: PersonRole) -> Written:
        """Store ``document`` by check-and-set; where the connection broke meanwhile, find out what became of it."""
        path, in_doubt = entry(address), False
        for _ in range(_WRITES):
            try:
                answer = self._session.kv(
                    address.workspace,
                    role,
                    KvV2.create_or_update_secret,
                    path,
                    dict(document),
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
            written = self._fate_of_write(address, cas, document, role)
            if written is not None:
                return written
        raise unavailable("The connection to Vault broke while a value was written; it wasn't stored.")

    def _fate_of_write(
        self, address: SecretAddress, cas: int, document: Mapping[str, Any], role: PersonRole
    ) -> Written | None:
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
            raise lost_race()
        try:
            stored = self._read(address, "mover", version=newest.version)
        except NotFound:
            raise lost_race() from None
        if not hmac.compare_digest(_canonical(stored["data"]["data"]), _canonical(document)):
            raise lost_race()
        return Written(newest.version, newest.created_at, None)


def document_of(value: SecretValue) -> Mapping[str, str]:
    """Return what is stored of a value, with the verdict on its forms: the one place of this room that opens it."""
    return {"value": value.expose(), **({} if value.forms is None else {"forms": value.forms})}


def _no_value(address: SecretAddress) -> BindingMismatch:
    return BindingMismatch(
        f"Vault holds no value where the database says that {address.name}'s is. Run `strongroom doctor`."
    )


def _key(address: SecretAddress) -> str:
    return key_name(address.workspace, address.visibility)


def _key_version(ciphertext: str) -> str:
    """Return the ``v1`` of ``vault:v1:…``."""
    return ciphertext.split(":", 2)[1]


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _document(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    document: Mapping[str, Any] = answer["data"]["data"]
    return document


def _text(answer: Mapping[str, Any]) -> str:
    text = answer["data"]["data"].get("value")
    if not isinstance(text, str):
        raise unavailable("Vault's entry for this secret wasn't written by Strongroom. Store a new value.")
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
