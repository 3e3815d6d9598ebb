"""The binding: a digest of what a secret may be used for, kept in Vault beside the value (design, section 3). Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """What a secret may be used for: the hosts that it may go to and the places of a call that may hold it."""

    hosts: tuple[str, ...]
    places: tuple[str, ...]

    def widens(self, before: Rules) -> bool:
        """Tell whether these rules allow something that the ones before did not."""
        return not (set(self.hosts) <= set(before.hosts) and set(self.places) <= set(before.places))


def binding(*, workspace: str, secret_id: str, name: str, visibility: str, rules: Rules) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of these facts; the order within a list doesn't count."""
    facts = {
        "workspace": workspace,
        "id": secret_id,
        "name": name,
        "visibility": visibility,
        "hosts": sorted(rules.hosts),
        "places": sorted(rules.places),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
