"""What an edit of a secret changes of its rules, and what that asks for: a new value, or the operators' grant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from app.kernel.errors import NotForThisType, ValueRequired, in_body
from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET, Unset
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import normalise_requests
from app.variables.models import VariableRow
from app.variables.secrets.binding import Rules
from app.variables.secrets.changes import managed_elsewhere
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.store import rules_of, source_of
from app.variables.validation import normalise_hosts, places_of
from app.vault import Visibility


@dataclass(frozen=True, slots=True)
class SecretChanges:
    """What an edit changes; a value only where a restricted secret is given wider rules."""

    description: str | Unset = UNSET
    allowed_hosts: tuple[str, ...] | Unset = UNSET
    allowed_places: tuple[str, ...] | Unset = UNSET
    allowed_requests: tuple[AllowedRequest, ...] | Unset | None = UNSET
    wide: bool | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    value: SecretValue | Unset = UNSET
    check_block: str | Unset | None = UNSET


def changed_fields(changes: SecretChanges) -> list[str]:
    """Name what an edit speaks of, sorted."""
    return sorted(field for field in SecretChanges.__slots__ if getattr(changes, field) is not UNSET)


def new_rules(row: VariableRow, changes: SecretChanges) -> Rules | None:
    """Return the rules that the changes ask for, None where they are as they were."""
    visibility, now = cast(Visibility, row.visibility), rules_of(row)
    wide = now.wide if changes.wide is UNSET else changes.wide
    places = now.places if changes.allowed_places is UNSET else places_of(changes.allowed_places, visibility)
    requests = now.requests
    if changes.allowed_requests is not UNSET:
        requests = normalise_requests(changes.allowed_requests)
    rules = Rules(_new_hosts(now, changes, visibility, wide=wide), places, requests, wide)
    return None if rules == now else rules


def _new_hosts(now: Rules, changes: SecretChanges, visibility: Visibility, *, wide: bool) -> tuple[str, ...]:
    """Return the hosts after a change; wildcards that were saved before they had to be asked for may stay."""
    if changes.allowed_hosts is not UNSET and set(changes.allowed_hosts) != set(now.hosts):
        return normalise_hosts(changes.allowed_hosts, visibility, wide=wide)
    return normalise_hosts(now.hosts, visibility, wide=wide) if now.wide and not wide else now.hosts


def require_no_value(row: VariableRow, rules: Rules) -> None:
    """Do nothing where these rules need no new value. Raises ``ValueRequired``."""
    if row.source is None and widens(row, rules):
        sentence = "A restricted secret is given further hosts, places or requests only together with a new value."
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
    if changes.value is not UNSET or changes.check_block not in (UNSET, None):
        raise managed_elsewhere(row.name)
    now, rules = rules_of(row), new_rules(row, changes)
    if rules is None:
        return
    if replace(rules, hosts=now.hosts, wide=now.wide).widens(now):
        raise NotForThisType(f"Places and requests of {row.name} can only become fewer: its value stays the same.")
    source = source_of(row)
    if source is not None and rules.hosts != now.hosts:
        managed.require(source, rules.hosts, workspace=row.workspace)
