"""The binding: a digest of what a secret may be used for, kept in Vault beside the value (design, section 3). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence


def binding(
    *, workspace: str, secret_id: str, name: str, visibility: str, hosts: Sequence[str], places: Sequence[str]
) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of these six facts; the order of hosts and places is none."""
    facts = {
        "workspace": workspace,
        "id": secret_id,
        "name": name,
        "visibility": visibility,
        "hosts": sorted(hosts),
        "places": sorted(places),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
