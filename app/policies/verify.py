"""Proof against the live Vault: every role tries every door of the table with a real token, and the side doors too.

Two scratch workspaces are made for it and removed. Their names are none that a workspace can have, so a run that was
cut off is cleared away by the next one and meets nothing of anybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.kernel.errors import VaultRefused
from app.policies.render import TABLE, WORKSPACE
from app.vault.adapter import Answer
from app.vault.keys import load_signing_key, new_signing_key
from app.vault.operator import VaultOperator, Verb
from app.vault.options import Mounts
from app.vault.paths import VISIBILITIES
from app.vault.roles import SERVICE, SERVICE_ROLES
from app.vault.tokens import JWT_SECONDS, sign_login

Verdict = Literal["allowed", "refused"]

OURS: Final = "_verify-a"
OTHER: Final = "_verify-b"
# The owner comes last, who can delete the keys that the others try.
LOGIN_ROLES: Final = ("health", "record", "runtime", "mover", "editor", "admin", "owner")
_LONG_AGO: Final = 3600
_VALUE: Final = {"value": "scratch"}
_PLAINTEXT: Final = "c2NyYXRjaA=="


@dataclass(frozen=True, slots=True)
class Cell:
    """One try: who, at which door, to do what, what should have come of it and what did (with the HTTP status)."""

    role: str
    door: str
    verb: str
    expected: Verdict
    found: Verdict
    status: int

    @property
    def ok(self) -> bool:
        """Whether Vault did as the table says; what is allowed has to work, too."""
        return self.expected == self.found and (self.expected == "refused" or self.status < 300)


@dataclass(frozen=True, slots=True)
class _Try:
    """A request that stands for one capability at one door."""

    door: str
    verb: str
    method: Verb
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Scratch:
    """What was prepared: ciphertext by key name, and a signature by ``_record``."""

    ciphertexts: Mapping[str, str]
    signature: str


def verify(vault: VaultOperator, mounts: Mounts, signing_key_pem: bytes, *, now: float) -> tuple[Cell, ...]:
    """Try everything and return what came of it, in the order of the trying. ``now`` is Unix time.

    Raises:
        VaultRefused: where not even the scratch workspaces can be made.
        VaultUnavailable: where Vault can't serve.
    """
    logins = _Logins(vault, mounts, signing_key_pem, now)
    owners = {workspace: logins.token("owner", workspace) for workspace in (OURS, OTHER)}
    try:
        scratch = _prepare(vault, mounts, logins, owners)
        return (
            *_main_doors(vault, mounts, logins, scratch),
            *_side_doors(vault, mounts, logins, scratch),
            *_old_versions(vault, mounts, logins),
            *_bad_logins(logins),
            *_odd_workspaces(vault, mounts, logins),
            *_key_removal(vault, mounts, logins),
        )
    finally:
        _clear(vault, mounts, owners)


class _Logins:
    """Real logins, with claims as they should be or as they shouldn't."""

    def __init__(self, vault: VaultOperator, mounts: Mounts, pem: bytes, now: float) -> None:
        self._vault = vault
        self._mount = mounts.jwt
        self._key = load_signing_key(pem)
        self._now = now
        self._kept: dict[tuple[str, str], str] = {}

    def token(self, role: str, workspace: str) -> str:
        """Return a token, which has to come."""
        wanted = (role, SERVICE if role in SERVICE_ROLES else workspace)
        if wanted not in self._kept:
            token = self.attempt(*wanted)
            if token is None:
                raise VaultRefused(f"Vault refuses the login in the role {role}. Run `strongroom vault apply` first.")
            self._kept[wanted] = token
        return self._kept[wanted]

    def attempt(
        self, role: str, workspace: str, *, claimed: str | None = None, late: int = 0, forged: bool = False
    ) -> str | None:
        """Log in as ``role`` with a JWT for the role ``claimed`` that was signed ``late`` seconds ago."""
        key = load_signing_key(new_signing_key()) if forged else self._key
        jwt = sign_login(key, workspace=workspace, role=claimed or role, now=self._now - late)
        return self._vault.log_in(self._mount, role, jwt)


# --- the scratch workspaces


def _prepare(vault: VaultOperator, mounts: Mounts, logins: _Logins, owners: Mapping[str, str]) -> _Scratch:
    _clear(vault, mounts, owners)

    def made(workspace: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = vault.attempt("POST", path, owners[workspace], body)
        if answer.status >= 300:
            raise VaultRefused(f"A scratch workspace can't be made ({answer.status}). Run `strongroom vault apply`.")
        return answer.data

    ciphertexts = {}
    for workspace in owners:
        for visibility in VISIBILITIES:
            key = f"{workspace}.{visibility}"
            made(workspace, f"{mounts.transit}/keys/{key}", {"type": "aes256-gcm96"})
            encrypted = made(workspace, f"{mounts.transit}/encrypt/{key}", {"plaintext": _PLAINTEXT})
            ciphertexts[key] = encrypted["ciphertext"]
            for role in LOGIN_ROLES:
                path = f"{mounts.kv}/data/{workspace}/{visibility}/{role}"
                made(workspace, path, {"data": _VALUE, "options": {"cas": 0}})
    signed = vault.attempt(
        "POST", f"{mounts.transit}/sign/_record", logins.token("record", SERVICE), {"input": _PLAINTEXT}
    )
    return _Scratch(ciphertexts, str(signed.data.get("signature")))


def _clear(vault: VaultOperator, mounts: Mounts, owners: Mapping[str, str]) -> None:
    for workspace, token in owners.items():
        for visibility in VISIBILITIES:
            folder = f"{mounts.kv}/metadata/{workspace}/{visibility}"
            for name in vault.attempt("LIST", folder, token).data.get("keys", []):
                vault.attempt("DELETE", f"{folder}/{name}", token)
            key = f"{mounts.transit}/keys/{workspace}.{visibility}"
            if vault.attempt("GET", key, token).status == 200:
                vault.attempt("POST", f"{key}/config", token, {"deletion_allowed": True})
                vault.attempt("DELETE", key, token)


# --- the doors of the table


def _main_doors(vault: VaultOperator, mounts: Mounts, logins: _Logins, scratch: _Scratch) -> Iterator[Cell]:
    for role in LOGIN_ROLES:
        token = logins.token(role, OURS)
        for visibility in VISIBILITIES:
            for one in (*_kv_tries(mounts, visibility, role), *_transit_tries(mounts, visibility, scratch)):
                yield _tried(vault, role, token, one)
        for one in _service_tries(mounts, scratch):
            yield _tried(vault, role, token, one)


def _key_removal(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> Iterator[Cell]:
    """Last of all, since whoever may do it takes the keys away."""
    for role in LOGIN_ROLES:
        for visibility in VISIBILITIES:
            door, key = f"@@TRANSIT@@/keys/{WORKSPACE}.{visibility}", f"{mounts.transit}/keys/{OURS}.{visibility}"
            yield _tried(vault, role, logins.token(role, OURS), _Try(door, "delete", "DELETE", key))


def _kv_tries(mounts: Mounts, visibility: str, role: str) -> Iterator[_Try]:
    def at(part: str, name: str = "+") -> tuple[str, str]:
        return (
            f"@@KV@@/{part}/{WORKSPACE}/{visibility}/{name}",
            f"{mounts.kv}/{part}/{OURS}/{visibility}/{role if name == '+' else name}",
        )

    (data, value), (metadata, facts) = at("data"), at("metadata")
    yield _Try(data, "create", "POST", f"{value}-new", {"data": _VALUE, "options": {"cas": 0}})
    yield _Try(data, "read", "GET", value)
    yield _Try(data, "update", "POST", value, {"data": _VALUE, "options": {"cas": 1}})
    yield _Try(data, "delete", "DELETE", value)
    for part in ("undelete", "destroy"):
        door, path = at(part)
        yield _Try(door, "update", "POST", path, {"versions": [2]})
    door, path = at("metadata", "")
    yield _Try(door, "list", "LIST", path)
    yield _Try(metadata, "create", "POST", f"{facts}-facts", {"cas_required": True})
    yield _Try(metadata, "read", "GET", facts)
    yield _Try(metadata, "update", "POST", facts, {"custom_metadata": {"binding": "0"}})
    yield _Try(metadata, "delete", "DELETE", facts)


def _transit_tries(mounts: Mounts, visibility: str, scratch: _Scratch) -> Iterator[_Try]:
    name = f"{OURS}.{visibility}"
    ciphertext = {"ciphertext": scratch.ciphertexts[name]}

    def one(part: str, verb: str, method: Verb, body: Mapping[str, Any] | None = None, after: str = "") -> _Try:
        door, path = f"@@TRANSIT@@/{part}/{WORKSPACE}.{visibility}{after}", f"{mounts.transit}/{part}/{name}{after}"
        return _Try(door, verb, method, path, body)

    yield one("encrypt", "update", "POST", {"plaintext": _PLAINTEXT})
    yield one("decrypt", "update", "POST", ciphertext)
    yield one("rewrap", "update", "POST", ciphertext)
    yield one("keys", "create", "POST", {"type": "aes256-gcm96"})
    yield one("keys", "read", "GET")
    yield one("keys", "update", "POST", {}, after="/rotate")
    yield one("keys", "update", "POST", {"deletion_allowed": True}, after="/config")


def _service_tries(mounts: Mounts, scratch: _Scratch) -> Iterator[_Try]:
    transit, signature = mounts.transit, scratch.signature
    signed = {"input": _PLAINTEXT, "signature": signature}
    yield _Try("@@TRANSIT@@/sign/_record", "update", "POST", f"{transit}/sign/_record", {"input": _PLAINTEXT})
    yield _Try("@@TRANSIT@@/verify/_record", "update", "POST", f"{transit}/verify/_record", signed)
    yield _Try("@@TRANSIT@@/keys/_record", "read", "GET", f"{transit}/keys/_record")
    yield _Try("@@TRANSIT@@/keys/_record", "delete", "DELETE", f"{transit}/keys/_record")
    yield _Try("@@KV@@/config", "read", "GET", f"{mounts.kv}/config")
    yield _Try("@@KV@@/config", "update", "POST", f"{mounts.kv}/config", {})


# --- the side doors: nobody gets through


def _side_doors(vault: VaultOperator, mounts: Mounts, logins: _Logins, scratch: _Scratch) -> Iterator[Cell]:
    tries = [*_around_values(mounts), *_around_keys(mounts), *_next_door(mounts, scratch), *_around_vault()]
    for role in LOGIN_ROLES:
        for one in tries:
            yield _tried(vault, role, logins.token(role, OURS), one)


def _around_values(mounts: Mounts) -> Iterator[_Try]:
    kv, merge = mounts.kv, {"data": _VALUE, "options": {"cas": 1}}
    for visibility in VISIBILITIES:
        here = f"{OURS}/{visibility}"
        yield _Try(f"subkeys of a {visibility} value", "read", "GET", f"{kv}/subkeys/{here}/health")
        yield _Try(f"merge into a {visibility} value", "patch", "PATCH", f"{kv}/data/{here}/health", merge)
        yield _Try(f"nested {visibility} name", "read", "GET", f"{kv}/data/{here}/health/deeper")
        yield _Try(f"nested {visibility} name", "create", "POST", f"{kv}/data/{here}/health/deeper", merge)
        yield _Try(f"nested {visibility} folder", "list", "LIST", f"{kv}/metadata/{here}/health/")
        yield _Try(f"{visibility} folder as a value", "read", "GET", f"{kv}/data/{here}")
    yield _Try("the workspace's folder", "list", "LIST", f"{kv}/metadata/{OURS}/")
    yield _Try("all workspaces", "list", "LIST", f"{kv}/metadata/")
    yield _Try("a third visibility", "create", "POST", f"{kv}/data/{OURS}/public/X", {"data": _VALUE})


def _around_keys(mounts: Mounts) -> Iterator[_Try]:
    for visibility in VISIBILITIES:
        name, transit = f"{OURS}.{visibility}", mounts.transit
        exportable = {"type": "aes256-gcm96", "exportable": True}
        yield _Try(f"{visibility} key, exported", "read", "GET", f"{transit}/export/encryption-key/{name}")
        yield _Try(f"{visibility} key, backed up", "read", "GET", f"{transit}/backup/{name}")
        yield _Try(f"{visibility} key, exportable", "create", "POST", f"{transit}/keys/{name}", exportable)
        yield _Try(
            f"{visibility} key, made exportable",
            "update",
            "POST",
            f"{transit}/keys/{name}/config",
            {"exportable": True},
        )
        yield _Try(f"{visibility} data key", "update", "POST", f"{transit}/datakey/plaintext/{name}", {})
    yield _Try("all keys", "list", "LIST", f"{mounts.transit}/keys")
    yield _Try("the record's key, exported", "read", "GET", f"{mounts.transit}/export/signing-key/_record")


def _next_door(mounts: Mounts, scratch: _Scratch) -> Iterator[_Try]:
    kv, transit, write = mounts.kv, mounts.transit, {"data": _VALUE, "options": {"cas": 1}}
    for visibility in VISIBILITIES:
        there, name = f"{OTHER}/{visibility}", f"{OTHER}.{visibility}"
        ciphertext = {"ciphertext": scratch.ciphertexts[name]}
        yield _Try(f"another workspace's {visibility} value", "read", "GET", f"{kv}/data/{there}/owner")
        yield _Try(f"another workspace's {visibility} value", "update", "POST", f"{kv}/data/{there}/owner", write)
        yield _Try(f"another workspace's {visibility} value", "delete", "DELETE", f"{kv}/metadata/{there}/owner")
        yield _Try(f"another workspace's {visibility} names", "list", "LIST", f"{kv}/metadata/{there}/")
        yield _Try(f"another workspace's {visibility} key", "decrypt", "POST", f"{transit}/decrypt/{name}", ciphertext)
        yield _Try(f"another workspace's {visibility} key", "delete", "DELETE", f"{transit}/keys/{name}")


def _around_vault() -> Iterator[_Try]:
    yield _Try("its own policy", "read", "GET", "sys/policies/acl/strongroom-owner")
    yield _Try("its own policy", "update", "POST", "sys/policies/acl/strongroom-editor", {"policy": ""})
    yield _Try("another token", "create", "POST", "auth/token/create", {})
    yield _Try("the mounts", "read", "GET", "sys/mounts")
    yield _Try("the audit devices", "read", "GET", "sys/audit")


def _old_versions(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> Iterator[Cell]:
    """Try what a rollback would bring back; ``runtime`` and ``mover`` may read every version."""
    path = f"{mounts.kv}/data/{OURS}/restricted/health?version=1"
    for role in ("editor", "admin", "owner"):
        one = _Try("an older version of a restricted value", "read", "GET", path)
        yield _tried(vault, role, logins.token(role, OURS), one)


# --- logins that must fail


def _bad_logins(logins: _Logins) -> Iterator[Cell]:
    for role in LOGIN_ROLES:
        home = SERVICE if role in SERVICE_ROLES else OURS
        for claimed in LOGIN_ROLES:
            if claimed != role:
                yield _login(role, f"with a JWT for {claimed}", logins.attempt(role, home, claimed=claimed))
        yield _login(role, "with an expired JWT", logins.attempt(role, home, late=_LONG_AGO + JWT_SECONDS))
        yield _login(role, "with a JWT that another key signed", logins.attempt(role, home, forged=True))
        if role in SERVICE_ROLES:
            yield _login(role, "for a workspace", logins.attempt(role, OURS))
    yield _login("operator", "at all", logins.attempt("operator", OURS))


def _odd_workspaces(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> Iterator[Cell]:
    """Try names that would mean more than one workspace, if Vault took them for patterns.

    The login itself may work; OpenBao answers the request with a 400 then, HashiCorp Vault with a 403.
    """
    for name in ("*", "+", f"{OTHER[:-1]}*", f"{OTHER}/../{OTHER}"):
        token = logins.attempt("mover", name)
        status = vault.attempt("GET", f"{mounts.kv}/data/{OTHER}/masked/owner", token).status if token else 403
        found: Verdict = "allowed" if status < 300 else "refused"
        yield Cell("mover", f"a value, for a workspace called {name}", "read", "refused", found, status)


# --- what came of it


def _login(role: str, how: str, token: str | None) -> Cell:
    if token is None:
        return Cell(role, how, "log in", "refused", "refused", 400)
    return Cell(role, how, "log in", "refused", "allowed", 200)


def _tried(vault: VaultOperator, role: str, token: str, one: _Try) -> Cell:
    answer = vault.attempt(one.method, one.path, token, one.body)
    expected: Verdict = "allowed" if one.verb in TABLE[role].get(one.door, ()) else "refused"
    return Cell(role, _readable(one.door), one.verb, expected, _found(answer), answer.status)


def _found(answer: Answer) -> Verdict:
    """Refused is a 403 and nothing else: whatever Vault answers besides, it had let the request in."""
    return "refused" if answer.status == 403 else "allowed"


def _readable(door: str) -> str:
    return door.replace(WORKSPACE, "<ws>").replace("@@KV@@", "<kv>").replace("@@TRANSIT@@", "<transit>")


def failures(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the tries that came out otherwise than the table says."""
    return tuple(cell for cell in cells if not cell.ok)
