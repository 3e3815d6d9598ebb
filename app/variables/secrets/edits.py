"""What an edit of a secret changes, and the rules that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from app.kernel.errors import NotForThisType, ValueRequired, in_body
from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET, Unset
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import normalise_requests
from app.variables.models import VariableRow
from app.variables.secrets.binding import Rules
from app.variables.secrets.changes import managed_elsewhere
from app.variables.secrets.deposits import Credential
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.store import rules_of, source_of
from app.variables.secrets.types import MadeOf, OAuth2Parts, SecretType, build_parts
from app.variables.validation import normalise_hosts, places_of
from app.vault import VERSIONS_KEPT, Visibility


@dataclass(frozen=True, slots=True)
class SecretChanges:
    """What an edit changes; a value or credential only where a restricted secret is given wider rules.

    ``parts`` is what makes a secret up that is no plain value, by the names of the API; what isn't given stays.
    """

    description: str | Unset = UNSET
    allowed_hosts: tuple[str, ...] | Unset = UNSET
    allowed_places: tuple[str, ...] | Unset = UNSET
    allowed_requests: tuple[AllowedRequest, ...] | Unset | None = UNSET
    wide: bool | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    value: SecretValue | Unset = UNSET
    check_block: str | Unset | None = UNSET
    credential: Credential | Unset = UNSET
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> SecretValue | Credential | None:
        """What is to be stored anew, if anything is."""
        for each in (self.credential, self.value):
            if each is not UNSET:
                return each
        return None


def changed_fields(changes: SecretChanges) -> list[str]:
    """Name what an edit changes, sorted."""
    given = (name for name in SecretChanges.__slots__ if name != "parts" and getattr(changes, name) is not UNSET)
    return sorted((*given, *changes.parts))


def new_made_of(row: VariableRow, changes: SecretChanges) -> MadeOf | None:
    """Return what makes the secret up after an edit. Raises ``ValidationFailed``."""
    return build_parts(cast(SecretType, row.type), changes.parts, rules_of(row).made_of)


def new_rules(row: VariableRow, changes: SecretChanges) -> Rules | None:
    """Return the rules that the changes ask for, None where they are as they were."""
    visibility, now = cast(Visibility, row.visibility), rules_of(row)
    wide = now.wide if changes.wide is UNSET else changes.wide
    places = now.places
    if changes.allowed_places is not UNSET:
        places = places_of(changes.allowed_places, visibility, signature=row.type == "hmac")
    requests = now.requests
    if changes.allowed_requests is not UNSET:
        requests = normalise_requests(changes.allowed_requests)
    hosts = _new_hosts(now, changes, visibility, wide=wide)
    rules = Rules(hosts, places, requests, wide, new_made_of(row, changes))
    return None if rules == now else rules


def _new_hosts(now: Rules, changes: SecretChanges, visibility: Visibility, *, wide: bool) -> tuple[str, ...]:
    """Return the hosts after a change; wildcards that were saved before they had to be asked for may stay."""
    if changes.allowed_hosts is not UNSET and set(changes.allowed_hosts) != set(now.hosts):
        return normalise_hosts(changes.allowed_hosts, visibility, wide=wide)
    return normalise_hosts(now.hosts, visibility, wide=wide) if now.wide and not wide else now.hosts


def require_no_value(row: VariableRow, rules: Rules) -> None:
    """Do nothing where these rules may come without a new value. Raises ``ValueRequired``."""
    if row.source is None and widens(row, rules):
        sentence = "Adding hosts, places or requests to a restricted secret needs a new value."
        if row.type != "value":
            sentence = "Changing these fields, or adding hosts, places or requests, needs a new key."
        raise ValueRequired(sentence, errors={in_body("value"): [sentence]})


def widens(row: VariableRow, rules: Rules) -> bool:
    """Tell whether these rules would let a restricted secret go where it couldn't before."""
    return row.visibility == "restricted" and rules.widens(rules_of(row))


def require_for_managed(row: VariableRow, changes: SecretChanges, *, managed: ManagedValues) -> None:
    """Do nothing where a secret may be changed so whose value Vault's operators manage: within what they grant.

    Raises:
        NotForThisType: The value would change, or what a new one would be asked for.
        NotGranted: They grant the value no more, or not for these hosts.
    """
    if changes.given is not None or changes.check_block not in (UNSET, None):
        raise managed_elsewhere(row.name)
    now, rules = rules_of(row), new_rules(row, changes)
    if rules is None:
        return
    if replace(rules, hosts=now.hosts, wide=now.wide).widens(now):
        raise NotForThisType(f"Places and requests of {row.name} can only become fewer: its value stays the same.")
    source = source_of(row)
    if source is not None and rules.hosts != now.hosts:
        managed.require(source, rules.hosts, workspace=row.workspace)


def with_credential(row: VariableRow, changes: SecretChanges) -> SecretChanges:
    """Return changes that come with a credential, be it an empty one where the type needs none.

    Raises:
        ValueRequired: What makes the secret up would change, and no credential came along.
        ValidationFailed: It can't be made up so.
    """
    made_of = new_made_of(row, changes)
    if changes.given is not None:
        return changes
    if isinstance(made_of, OAuth2Parts) and made_of.grant == "jwt_bearer":
        return replace(changes, credential=Credential())
    sentence = "These fields change only together with the secret's key or credentials."
    raise ValueRequired(sentence, errors={in_body(name): [sentence] for name in sorted(changes.parts)})


def require_no_key(row: VariableRow) -> None:
    """Do nothing for a plain value. Raises ``NotForThisType`` for what can't be tried before it is stored."""
    if row.type != "value":
        raise NotForThisType(f"{row.name} is of the type {row.type}: a new key of it can't be checked.")


def older_versions(version: int) -> list[int]:
    """Return the numbers of the versions before this one that Vault may still keep."""
    return list(range(max(1, version - VERSIONS_KEPT), version))
