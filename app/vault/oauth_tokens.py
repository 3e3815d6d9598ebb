"""What an OAuth 2.0 secret was given, in Vault: read, stored by check-and-set and destroyed in the role ``renew``."""

from __future__ import annotations

from collections.abc import Sequence

from hvac.api.secrets_engines import KvV2

from app.kernel.errors import NotFound
from app.kernel.secret import SecretValue
from app.vault import PersonRole, SecretAddress, StoredTokens
from app.vault.paths import tokens_entry
from app.vault.session import VaultSession
from app.vault.transport import unavailable
from app.vault.values import document_of


class OAuthTokens:
    """The part of ``app.vault.Vault`` that is about tokens."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session

    def read_tokens(self, address: SecretAddress) -> StoredTokens | None:
        """See ``app.vault.Vault``."""
        path = tokens_entry(address)
        try:
            answer = self._session.kv(
                address.workspace, "renew", KvV2.read_secret_version, path, raise_on_deleted_version=True
            )
        except NotFound:
            return None
        document = answer["data"]["data"].get("value")
        if not isinstance(document, str):
            raise unavailable("Vault's entry for this secret's tokens wasn't written by Strongroom.")
        return StoredTokens(SecretValue(document), int(answer["data"]["metadata"]["version"]))

    def write_tokens(self, address: SecretAddress, document: SecretValue, *, cas: int) -> int:
        """See ``app.vault.Vault``."""
        answer = self._session.kv(
            address.workspace,
            "renew",
            KvV2.create_or_update_secret,
            tokens_entry(address),
            document_of(document),
            cas=cas,
            repeat=False,
        )
        return int(answer["data"]["version"])

    def destroy_tokens(self, address: SecretAddress, versions: Sequence[int]) -> None:
        """See ``app.vault.Vault``."""
        if versions:
            path = tokens_entry(address)
            self._session.kv(address.workspace, "renew", KvV2.destroy_secret_versions, path, list(versions))

    def delete_tokens(self, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``app.vault.Vault``."""
        path = tokens_entry(address)
        self._session.kv(address.workspace, role, KvV2.delete_metadata_and_all_versions, path)
