"""The binding: a digest of what a secret may be used for, kept in Vault beside the value (design, section 3). Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from app.outbound import requests_allowed
from app.outbound.model import AllowedRequest
from app.variables.secrets import types
from app.variables.secrets.types import MadeOf

_SECOND_FORM: Final = "2:"


@dataclass(frozen=True, slots=True)
class Source:
    """Where in Vault a value lies that Vault's operators manage: mount and path, and which field of it."""

    path: str
    field: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What a secret may be used for.

    The hosts that it may go to, the places of a call that may hold it, the requests that it may ride (None: any),
    whether somebody said that a restricted one may have wildcards among its hosts, and what makes it up (None: it is a
    plain value).
    """

    hosts: tuple[str, ...]
    places: tuple[str, ...]
    requests: tuple[AllowedRequest, ...] | None = None
    wide: bool = False
    made_of: MadeOf | None = None

    def widens(self, before: Rules) -> bool:
        """Tell whether these rules allow something that the ones before did not; so does whatever makes it up."""
        return (
            not (set(self.hosts) <= set(before.hosts) and set(self.places) <= set(before.places))
            or requests_allowed.widens(self.requests, before.requests)
            or (self.wide and not before.wide)
            or self.made_of != before.made_of
        )


def binding(
    *, workspace: str, secret_id: str, name: str, visibility: str, rules: Rules, source: Source | None = None
) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of these facts; the order within a list doesn't count.

    A secret that is in need of none of the later facts keeps the first form, which older processes know; the others
    have the second, which begins with ``2:``.
    """
    facts: dict[str, object] = {
        "workspace": workspace,
        "id": secret_id,
        "name": name,
        "visibility": visibility,
        "hosts": sorted(rules.hosts),
        "places": sorted(rules.places),
    }
    if rules.requests is None and not rules.wide and rules.made_of is None and source is None:
        return _digest(facts)
    requests = None if rules.requests is None else requests_allowed.as_json(rules.requests)
    later = {
        "type": "value" if rules.made_of is None else rules.made_of.type,
        "requests": None if requests is None else sorted(requests, key=_canonical),
        "wide": rules.wide,
        "from": None if source is None else as_pointer(source),
        "made_of": None if rules.made_of is None else types.as_json(rules.made_of),
    }
    return _SECOND_FORM + _digest(facts | later)


def as_pointer(source: Source) -> dict[str, object]:
    """Write a source as the API shows it, the database and Vault keep it, and the binding counts it."""
    return {"path": source.path, "field": source.field}


def _digest(facts: object) -> str:
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _canonical(facts: object) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
