"""What Vault should hold, and what differs from it. Pure.

Everything is a *thing*: a kind, a name and a body, which is a policy's text or the settings that we care about. What
somebody else set besides, and what isn't ours, is not looked at.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from app.policies.patterns import NewGrant, new_grants
from app.policies.table import ROLES
from app.vault import VERSIONS_KEPT
from app.vault.options import Mounts
from app.vault.paths import RECORD_KEY
from app.vault.roles import ALGORITHM, AUDIENCE, SERVICE, SERVICE_ROLES, grant_role

Kind = Literal["login mount", "engine mount", "engine settings", "key", "login settings", "policy", "role", "audit"]
Action = Literal["create", "update", "delete", "by hand"]
Body = Mapping[str, object] | str
Identity = tuple[Kind, str]

ORDER: Final[Sequence[Kind]] = (
    "login mount",
    "engine mount",
    "engine settings",
    "key",
    "login settings",
    "policy",
    "role",
    "audit",
)
"""The order to make things in: what stands on another comes after it."""

PREFIX: Final = "strongroom-"
"""A policy whose name begins so is ours, and so is every role of the login mount. No engine is ever deleted."""

TOKEN_SECONDS: Final = 300
RECORD_KEY_FACTS: Final[Mapping[str, object]] = {
    "type": "ed25519",
    "exportable": False,
    "allow_plaintext_backup": False,
    "deletion_allowed": False,
}
AUDITED: Final = """\
at least one audit device
# OpenBao: an audit stanza in the server's configuration. HashiCorp Vault: `vault audit enable file file_path=…`
"""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that Vault should hold."""

    kind: Kind
    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: what to do, and a diff to read, from what Vault holds to what it should."""

    kind: Kind
    name: str
    action: Action
    diff: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs: ``changes`` to carry out in this order, what is left to a person's hand, and what is ours, no
    longer wanted and stays (``leftovers``).
    """

    changes: tuple[Change, ...]
    by_hand: tuple[Change, ...]
    leftovers: tuple[Identity, ...]
    warnings: tuple[str, ...] = ()
    new_grants: tuple[NewGrant, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether there is nothing to do. A missing audit device is advice: the owners of Vault decide about it."""
        return not self.changes and all(change.kind == "audit" for change in self.by_hand)

    @property
    def strangers(self) -> tuple[str, ...]:
        """The mounts that stand where ours should and are of another type: somebody else's."""
        return tuple(change.name for change in self.by_hand if change.kind in ("login mount", "engine mount"))


ENGINE_SETTINGS: Final[Mapping[str, object]] = {
    "cas_required": True,
    "max_versions": VERSIONS_KEPT,
    "delete_version_after": "0s",
    # With it, no binding could be written to a new entry.
    "metadata_cas_required": False,
}
TUNING: Final[Mapping[str, object]] = {
    "default_lease_ttl": 0,
    "max_lease_ttl": 0,
    "force_no_cache": False,
    "listing_visibility": "hidden",
    # A name in one of these would have its values written to the audit log in the clear.
    "audit_non_hmac_request_keys": [],
    "audit_non_hmac_response_keys": [],
    "passthrough_request_headers": [],
    "allowed_response_headers": [],
}
"""How each of our mounts is tuned; a lifetime of 0 is Vault's own default."""


def wanted_things(
    *,
    mounts: Mounts,
    public_keys: Sequence[str],
    policies: Mapping[str, str],
    grants: Mapping[str, str] = MappingProxyType({}),
    audited: bool = True,
) -> tuple[Thing, ...]:
    """List everything that Vault should hold.

    ``policies`` are the filled-in texts by role, ``grants`` the texts for the operators' grants by workspace.
    ``audited`` False leaves out the audit device, which can't be seen from inside a namespace.
    """
    login_roles = [role for role in ROLES if role in policies and role != "operator"]
    login = {"type": "jwt", "description": "Strongroom: logins", "config": {**TUNING, "token_type": "default-service"}}
    values = {"type": "kv", "options": {"version": "2"}, "description": "Strongroom: values", "config": TUNING}
    keys = {"type": "transit", "description": "Strongroom: keys", "config": TUNING}
    return (
        Thing("login mount", mounts.jwt, login),
        Thing("engine mount", mounts.kv, values),
        Thing("engine mount", mounts.transit, keys),
        Thing("engine settings", mounts.kv, ENGINE_SETTINGS),
        Thing("key", RECORD_KEY, RECORD_KEY_FACTS),
        Thing("login settings", mounts.jwt, login_settings(public_keys)),
        *(Thing("policy", f"{PREFIX}{role}", policies[role]) for role in sorted(policies)),
        *(Thing("policy", f"{PREFIX}{grant_role(workspace)}", grants[workspace]) for workspace in sorted(grants)),
        *(Thing("role", role, login_role(role)) for role in login_roles),
        *(Thing("role", grant_role(one), login_role(grant_role(one), workspace=one)) for one in sorted(grants)),
        *([Thing("audit", "any", AUDITED)] if audited else []),
    )


def vault_path(kind: Kind, name: str, *, mounts: Mounts) -> str:
    """Return where in Vault a thing is read and written (an ``audit`` device is only read)."""
    paths: Mapping[Kind, str] = {
        "login mount": f"sys/auth/{name}",
        "engine mount": f"sys/mounts/{name}",
        "engine settings": f"{name}/config",
        "key": f"{mounts.transit}/keys/{name}",
        "login settings": f"auth/{name}/config",
        "policy": f"sys/policies/acl/{name}",
        "role": f"auth/{mounts.jwt}/role/{name}",
        "audit": "sys/audit",
    }
    return paths[kind]


def login_settings(public_keys: Sequence[str]) -> Mapping[str, object]:
    """Return the login mount's configuration: whose signatures count (PEM)."""
    return {
        "jwt_validation_pubkeys": sorted(key.strip() for key in public_keys),
        "jwt_supported_algs": [ALGORITHM],
        # Nobody else's keys count.
        "oidc_discovery_url": "",
        "jwks_url": "",
        "bound_issuer": "",
        "default_role": "",
    }


def login_role(role: str, *, workspace: str | None = None) -> Mapping[str, object]:
    """Return the Vault role: who may log in with it, and what the token is.

    ``workspace`` is the only one that may, where it isn't for all. Source: Vault docs, "JWT/OIDC auth API".
    """
    only = SERVICE if role in SERVICE_ROLES else workspace
    return {
        "role_type": "jwt",
        # The claim that names the entity is the one that the policies go by: the two can't differ.
        "user_claim": "workspace",
        "claim_mappings": {"workspace": "workspace"},
        "bound_audiences": [AUDIENCE],
        "bound_claims_type": "string",
        "bound_claims": {"role": role, **({"workspace": only} if only else {})},
        "bound_subject": "",
        "groups_claim": "",
        "clock_skew_leeway": 30,
        "expiration_leeway": 0,
        "not_before_leeway": 0,
        "verbose_oidc_logging": False,
        "user_claim_json_pointer": False,
        "token_policies": [f"{PREFIX}{role}"],
        "token_no_default_policy": True,
        "token_type": "batch",
        "token_ttl": TOKEN_SECONDS,
        "token_max_ttl": TOKEN_SECONDS,
        "token_explicit_max_ttl": 0,
        "token_period": 0,
        "token_num_uses": 0,
    }


def plan(things: Sequence[Thing], live: Mapping[Identity, Body], *, prune: bool = False) -> Plan:
    """Compare what should be with what is; sorted in the order to carry the changes out.

    ``live`` holds the things wanted, as far as they are there, and besides them whatever else is ours, which is only
    touched with ``prune``.
    """
    found = [change for thing in things if (change := _difference(thing, live.get((thing.kind, thing.name))))]
    ours = {(thing.kind, thing.name) for thing in things}
    others = sorted(identity for identity in live if identity not in ours)
    # A grant that was taken out of the file is to end now; whatever else is no longer wanted may stay.
    going = [identity for identity in others if prune or is_grant(*identity)]
    found += [Change(*identity, "delete", _diff(*identity, live[identity], None)) for identity in going]
    # What is new comes before what gets narrower: old and new processes of the service find what each goes by.
    found.sort(key=lambda change: (change.action != "create", ORDER.index(change.kind), change.name, change.action))
    return Plan(
        changes=tuple(change for change in found if change.action != "by hand"),
        by_hand=tuple(change for change in found if change.action == "by hand"),
        leftovers=tuple(identity for identity in others if identity not in going),
        new_grants=tuple(
            grant
            for thing in things
            if thing.kind == "policy" and isinstance(thing.body, str)
            for grant in new_grants(thing.name.removeprefix(PREFIX), thing.body, _policy_text(live, thing.name))
        ),
    )


def _policy_text(live: Mapping[Identity, Body], name: str) -> str | None:
    held = live.get(("policy", name))
    return held if isinstance(held, str) else None


def is_grant(kind: Kind, name: str) -> bool:
    """Tell whether a policy or role is of an operator's grants."""
    return name.startswith({"policy": f"{PREFIX}grant-", "role": "grant-"}.get(kind, "\0"))


def _difference(thing: Thing, body: Body | None) -> Change | None:
    now = _settings_of_ours(thing.body, body)
    if now is not None and _text(now) == _text(thing.body):
        return None
    action: Action = "create" if now is None else "update"
    if thing.kind == "audit" or (now is not None and not _mendable(thing, now)):
        action = "by hand"
    return Change(thing.kind, thing.name, action, _diff(thing.kind, thing.name, now, thing.body))


def _mendable(thing: Thing, now: Body) -> bool:
    """Tell whether a request could make it so: what a mount or a key *is* was fixed when it was made."""
    if thing.kind == "key":
        return False
    if thing.kind not in ("login mount", "engine mount") or isinstance(thing.body, str) or isinstance(now, str):
        return True
    return all(now.get(fact) == thing.body.get(fact) for fact in ("type", "options"))


def _settings_of_ours(want: Body, body: Body | None) -> Body | None:
    """Leave of what Vault holds only the settings that we have a wish about."""
    if isinstance(want, str) or body is None or isinstance(body, str):
        return body
    return {name: _plain(name, body.get(name), wish) for name, wish in want.items()}


def _plain(name: str, value: object, wish: object) -> object:
    """Smooth over what Vault writes in another way than it was told, or leaves out where it is empty."""
    if name in ("config", "options") and isinstance(wish, Mapping):
        held = value if isinstance(value, Mapping) else {}
        return {option: _plain(option, held.get(option), one) for option, one in wish.items()}
    if isinstance(value, list):
        return sorted(one.strip() if isinstance(one, str) else one for one in value)
    if value is None or value == "":
        return wish if wish == "hidden" else type(wish)()
    return value


def _text(body: Body) -> str:
    if isinstance(body, str):
        return body.strip() + "\n"
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _diff(kind: Kind, name: str, now: Body | None, want: Body | None) -> str:
    lines = difflib.unified_diff(
        [] if now is None else _text(now).splitlines(keepends=True),
        [] if want is None else _text(want).splitlines(keepends=True),
        fromfile=f"{kind} {name} (in Vault)",
        tofile=f"{kind} {name} (wanted)",
    )
    return "".join(lines)
