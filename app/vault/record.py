"""The record's part of Vault: checkpoints are signed, and the newest of each chain is kept, in the role ``record``."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import NotFound, VaultUnavailable, WriteConflict
from app.vault import NewestCheckpoint
from app.vault.answers import RETRY_AFTER
from app.vault.paths import RECORD_KEY, chain_entry, chain_of_entry
from app.vault.roles import SERVICE
from app.vault.session import VaultSession

FORWARDING_ENTRY: Final = f"{RECORD_KEY}/_forward"
"""An entry beside the checkpoints; no chain has a name like this."""
_PROOFS: Final = 5
_NOT_FORWARDED: Final = (
    "STRONGROOM_VAULT_FORWARD is set, and a standby answers by itself all the same, with what was in force before."
    " OpenBao before 2.7 needs disable_standby_reads = true, Vault Enterprise allow_forwarding_via_header = true in its"
    " configuration."
)


class NotForwarded(VaultUnavailable):
    """A standby answered, and not the active node."""


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

    def prove_forwarding(self) -> None:
        """Write, and read at once, some times over: a standby that answers by itself has an older version.

        Raises:
            NotForwarded: it does.
            VaultUnavailable: Vault can't.
        """
        for _ in range(_PROOFS):
            found = self._probe()
            with suppress(WriteConflict):  # another process proves the same at this moment
                self._session.kv(
                    SERVICE, "record", KvV2.create_or_update_secret, FORWARDING_ENTRY, {}, cas=found, repeat=False
                )
            if self._probe() <= found:
                raise NotForwarded(_NOT_FORWARDED, retry_after=RETRY_AFTER)

    def _probe(self) -> int:
        try:
            answer = self._session.kv(
                SERVICE, "record", KvV2.read_secret_version, FORWARDING_ENTRY, raise_on_deleted_version=True
            )
        except NotFound:
            return 0
        return int(answer["data"]["metadata"]["version"])

    def chains_with_checkpoint(self) -> Sequence[str]:
        """See ``app.vault.Vault``."""
        try:
            answer = self._session.kv(SERVICE, "record", KvV2.list_secrets, RECORD_KEY)
        except NotFound:
            return []
        found = (chain_of_entry(name) for name in answer["data"]["keys"])
        return sorted(chain for chain in found if chain is not None)
