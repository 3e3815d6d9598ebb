"""Values that lie elsewhere in the same Vault, read in the role that an operator's grants made for a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.kernel.errors import NotFound, NotGranted, ValueNotAllowedHere, VaultRefused
from app.kernel.secret import SecretValue
from app.vault import Grant, GrantedValue
from app.vault.grant_text import grants_in
from app.vault.paths import checked_workspace
from app.vault.roles import grant_role
from app.vault.session import VaultSession
from app.vault.transport import unavailable


@dataclass(frozen=True, slots=True)
class _Place:
    """Which engine a path leads to."""

    mount: str
    rest: str
    versioned: bool

    @property
    def path(self) -> str:
        return f"{self.mount}/data/{self.rest}" if self.versioned else f"{self.mount}/{self.rest}"


class GrantedValues:
    """The part of ``app.vault.Vault`` that is about granted values."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session
        self._places: dict[str, _Place] = {}

    def read_granted(self, workspace: str, path: str, field: str) -> GrantedValue:
        """See ``app.vault.Vault``."""
        role = grant_role(checked_workspace(workspace))
        try:
            known = path in self._places
            place = self._places.get(path) or self._find(workspace, role, path)
            try:
                answer = self._session.get(workspace, role, place.path)
            except NotFound:
                if not known:
                    raise
                del self._places[path]  # the mount may be another one by now
                place = self._find(workspace, role, path)
                answer = self._session.get(workspace, role, place.path)
            self._places[path] = place
        except VaultRefused:
            raise NotGranted("Vault's operators don't grant this value to the workspace (any more).") from None
        except NotFound:
            raise unavailable("Nothing lies where the operators' grant says that the value is.") from None
        return _value(answer, place, field)

    def grants(self, workspace: str) -> Sequence[Grant]:
        """See ``app.vault.Vault``."""
        role = grant_role(checked_workspace(workspace))
        try:
            answer = self._session.get(workspace, role, f"sys/policies/acl/strongroom-{role}")
        except (VaultRefused, NotFound):
            return []
        return grants_in(str((answer.get("data") or {}).get("policy", "")))

    def _find(self, workspace: str, role: str, path: str) -> _Place:
        """Ask which engine a path belongs to; Vault tells whoever may do anything there."""
        data = self._session.get(workspace, role, f"sys/internal/ui/mounts/{path}").get("data") or {}
        mount = str(data.get("path", "")).strip("/")
        if data.get("type") not in ("kv", "generic") or not path.startswith(f"{mount}/"):
            raise unavailable("The path of the operators' grant leads to no KV engine.")
        versioned = (data.get("options") or {}).get("version") == "2"
        return _Place(mount, path.removeprefix(f"{mount}/"), versioned)


def _is_text(value: str) -> bool:
    """Tell whether it is Unicode text without NUL, as every value is."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def _value(answer: Mapping[str, Any], place: _Place, field: str) -> GrantedValue:
    data = answer["data"]
    facts = data["metadata"] if place.versioned else {}
    document = data["data"] if place.versioned else data
    value = document.get(field) if isinstance(document, dict) else None
    if not isinstance(value, str) or not _is_text(value):
        missing = not isinstance(document, dict) or field not in document
        why = f"has no field {field}" if missing else f"holds no text in its field {field}"
        raise ValueNotAllowedHere(f"What Vault's operators granted {why}.")
    version = int(facts["version"]) if place.versioned else None
    created_at = datetime.fromisoformat(facts["created_time"]) if place.versioned else None
    return GrantedValue(SecretValue(value), version, answer.get("request_id"), created_at)
