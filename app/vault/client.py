"""``VaultClient``: the ``app.vault.Vault`` protocol, spoken to HashiCorp Vault or OpenBao through hvac."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import NotFound, StrongroomError, VaultUnavailable
from app.vault import VISIBILITIES, Engine, Health, SecretAddress
from app.vault.answers import explain_status, trouble_in
from app.vault.granted import GrantedValues
from app.vault.key_guard import KeyGuard
from app.vault.oauth_tokens import OAuthTokens
from app.vault.options import VaultOptions
from app.vault.paths import RECORD_KEY, checked_workspace, key_name
from app.vault.record import RecordStore
from app.vault.roles import SERVICE, SERVICE_ROLES
from app.vault.session import VaultSession
from app.vault.signing_keys import SigningKeys
from app.vault.transport import read_health
from app.vault.values import ValueStore
from app.vault.versions import version_warning


class VaultClient(ValueStore, SigningKeys, OAuthTokens, GrantedValues, RecordStore):
    """Vault, for the application. Safe to share among threads; ``close`` it at the end."""

    def __init__(self, options: VaultOptions, guard: KeyGuard | None = None) -> None:
        session = VaultSession(options, guard)
        ValueStore.__init__(self, session)
        SigningKeys.__init__(self, session)
        OAuthTokens.__init__(self, session)
        GrantedValues.__init__(self, session)
        RecordStore.__init__(self, session)
        self._forwarding_proven = False

    def close(self) -> None:
        """Close the connections."""
        self._session.line.close()

    def purge_workspace(self, workspace: str, engine: Engine) -> None:
        """See ``app.vault.Vault``."""
        for visibility in VISIBILITIES:
            for name in self.names(workspace, visibility, role="owner"):
                address = SecretAddress(workspace, engine, visibility, name)
                if visibility == "restricted":  # what isn't a plain value is always restricted
                    self.delete_tokens(address, role="owner")
                    self.delete_key(address, role="owner")
                self.delete(address, role="owner")
            if engine == "transit":
                self._delete_key(workspace, key_name(workspace, visibility))

    def keys_in_doubt(self) -> Sequence[str]:
        """See ``app.vault.Vault``."""
        return self._session.guard.doubtful()

    # --- whether it works

    def health(self) -> Health:
        """See ``app.vault.Vault``."""
        version: str | None = None
        try:
            state = read_health(self._session.line)
            version = state.document.get("version")
            if state.status != 200 or state.foreign:
                trouble = trouble_in(state)
                reason = explain_status(state.status) if trouble is None else trouble.reason
                return Health(ok=False, reason=reason, version=version)
            self._session.kv(SERVICE, "health", KvV2.read_configuration)
            self._session.transit(SERVICE, "health", Transit.read_key, RECORD_KEY)
            self._prove_reading()
            if self._session.line.forwards and not self._forwarding_proven:
                self.prove_forwarding()
                self._forwarding_proven = True
        except NotFound:
            return Health(ok=False, reason="Vault lacks our keys. Run `strongroom vault apply`.", version=version)
        except StrongroomError as problem:
            return Health(ok=False, reason=problem.detail, version=version)
        told = state.document.get("server_time_utc")
        ahead = None if told is None else float(told) - time.time()
        return Health(ok=True, reason=None, version=version, ahead=ahead, outdated=version_warning(state.document))

    def probe_role(self, role: str, workspace: str) -> None:
        """See ``app.vault.Vault``. ``record`` and ``health`` belong to no workspace."""
        self._session.tokens.fresh(SERVICE if role in SERVICE_ROLES else checked_workspace(workspace), role)

    def _prove_reading(self) -> None:
        """Read as a call does, where no workspace's value ever lies; refused, no call could have its values."""
        with suppress(NotFound):
            self._session.kv(
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
            self._session.transit(workspace, "owner", Transit.update_key_configuration, key, deletion_allowed=True)
            self._session.transit(workspace, "owner", Transit.delete_key, key, repeat=False)
        except VaultUnavailable:
            if self._has_key(workspace, key):  # else somebody who purges the same workspace was faster
                raise

    def _has_key(self, workspace: str, key: str) -> bool:
        try:
            self._session.transit(workspace, "owner", Transit.read_key, key)
        except NotFound:
            return False
        return True
