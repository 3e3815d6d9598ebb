"""The record's part of Vault: checkpoints are signed, and the newest of each chain is kept, in the role ``record``."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import NotFound
from app.vault import NewestCheckpoint
from app.vault.paths import RECORD_KEY, chain_entry, chain_of_entry
from app.vault.roles import SERVICE
from app.vault.session import VaultSession


class RecordStore:
    """The part of ``app.vault.Vault`` that is about the record."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session

    def sign_checkpoint(self, message: bytes) -> str:
        """See ``app.vault.Vault``."""
        text = base64.b64encode(message).decode()
        answer = self._session.transit(SERVICE, "record", Transit.sign_data, RECORD_KEY, hash_input=text)
        return str(answer["data"]["signature"])

    def checkpoint_public_keys(self) -> Mapping[int, str]:
        """See ``app.vault.Vault``."""
        keys = self._session.transit(SERVICE, "record", Transit.read_key, RECORD_KEY)["data"]["keys"]
        return {int(version): str(key["public_key"]) for version, key in keys.items()}

    def read_newest_checkpoint(self, chain: str) -> NewestCheckpoint | None:
        """See ``app.vault.Vault``."""
        try:
            answer = self._session.kv(
                SERVICE, "record", KvV2.read_secret_version, chain_entry(chain), raise_on_deleted_version=True
            )
        except NotFound:
            return None
        return NewestCheckpoint(answer["data"]["data"], int(answer["data"]["metadata"]["version"]))

    def store_newest_checkpoint(self, chain: str, document: Mapping[str, Any], *, cas: int) -> None:
        """See ``app.vault.Vault``."""
        self._session.kv(
            SERVICE,
            "record",
            KvV2.create_or_update_secret,
            chain_entry(chain),
            dict(document),
            cas=cas,
            repeat=False,
        )

    def chains_with_checkpoint(self) -> Sequence[str]:
        """See ``app.vault.Vault``."""
        try:
            answer = self._session.kv(SERVICE, "record", KvV2.list_secrets, RECORD_KEY)
        except NotFound:
            return []
        found = (chain_of_entry(name) for name in answer["data"]["keys"])
        return sorted(chain for chain in found if chain is not None)
