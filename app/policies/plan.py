"""What Vault should hold, and what differs from it. Pure.

Everything is a *thing*: a kind, a name and a body, which is a policy's text or the settings that we care about. What
somebody else set besides, and what isn't ours, is not looked at.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.policies.render import ROLES
from app.vault.options import Mounts
from app.vault.paths import RECORD_KEY
from app.vault.roles import ALGORITHM, AUDIENCE, SERVICE, SERVICE_ROLES

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
"""A policy whose name begins so is ours."""

TOKEN_SECONDS: Final = 300
VERSIONS_KEPT: Final = 10
RECORD_KEY_TYPE: Final = "ed25519"
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


def wanted(*, mounts: Mounts, public_keys: Sequence[str], policies: Mapping[str, str]) -> tuple[Thing, ...]:
    """List everything that Vault should hold; ``policies`` are the filled-in texts by role."""
    login_roles = [role for role in ROLES if role in policies and role != "operator"]
    return (
        Thing("login mount", mounts.jwt, {"type": "jwt"}),
        Thing("engine mount", mounts.kv, {"type": "kv", "options": {"version": "2"}}),
        Thing("engine mount", mounts.transit, {"type": "transit"}),
        Thing("engine settings", mounts.kv, {"cas_required": True, "max_versions": VERSIONS_KEPT}),
        Thing("key", RECORD_KEY, {"type": RECORD_KEY_TYPE, "exportable": False}),
        Thing(
            "login settings",
            mounts.jwt,
            {"jwt_validation_pubkeys": [key.strip() for key in public_keys], "jwt_supported_algs": [ALGORITHM]},
        ),
        *(Thing("policy", f"{PREFIX}{role}", policies[role]) for role in sorted(policies)),
        *(Thing("role", role, login_role(role)) for role in login_roles),
        Thing("audit", "any", AUDITED),
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


def login_role(role: str) -> Mapping[str, object]:
    """Return the Vault role: who may log in with it, and what the token is. Source: Vault docs, "JWT/OIDC auth API"."""
    return {
        "role_type": "jwt",
        # The claim that names the entity is the one that the policies go by: the two can't differ.
        "user_claim": "workspace",
        "claim_mappings": {"workspace": "workspace"},
        "bound_audiences": [AUDIENCE],
        "bound_claims_type": "string",
        "bound_claims": {"role": role, **({"workspace": SERVICE} if role in SERVICE_ROLES else {})},
        "clock_skew_leeway": 30,
        "token_policies": [f"{PREFIX}{role}"],
        "token_no_default_policy": True,
        "token_type": "batch",
        "token_ttl": TOKEN_SECONDS,
        "token_max_ttl": TOKEN_SECONDS,
    }


def plan(things: Sequence[Thing], live: Mapping[Identity, Body], *, prune: bool = False) -> tuple[Change, ...]:
    """Compare what should be with what is; sorted in the order to carry the changes out.

    ``live`` holds the things wanted, as far as they are there, and besides them whatever else is ours, which is only
    touched with ``prune``.
    """
    changes = [change for thing in things if (change := _difference(thing, live.get((thing.kind, thing.name))))]
    if prune:
        ours = {(thing.kind, thing.name) for thing in things}
        changes += [
            Change(kind, name, "delete", _diff(kind, name, body, None))
            for (kind, name), body in live.items()
            if (kind, name) not in ours
        ]
    return tuple(sorted(changes, key=lambda change: (ORDER.index(change.kind), change.name, change.action)))


def _difference(thing: Thing, body: Body | None) -> Change | None:
    now = _seen(thing.body, body)
    if now is not None and _text(now) == _text(thing.body):
        return None
    action: Action = "create" if now is None else "update"
    if thing.kind == "audit" or (now is not None and thing.kind in ("login mount", "engine mount", "key")):
        action = "by hand"  # nothing that a request to Vault could mend
    return Change(thing.kind, thing.name, action, _diff(thing.kind, thing.name, now, thing.body))


def _seen(want: Body, body: Body | None) -> Body | None:
    """Leave of what Vault holds only the settings that we have a wish about."""
    if isinstance(want, str) or body is None or isinstance(body, str):
        return body
    return {name: _plain(name, body.get(name), wish) for name, wish in want.items()}


def _plain(name: str, value: object, wish: object) -> object:
    """Smooth over what Vault writes in another way than it was told, or fills in by itself."""
    if isinstance(value, list):
        return [one.strip() if isinstance(one, str) else one for one in value]
    if name == "options" and isinstance(value, dict) and isinstance(wish, dict):
        return {option: value.get(option) for option in wish}
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
