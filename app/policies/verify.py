"""Proof against the live Vault: every role tries every door of the table with a real token, and the side doors too.

Two scratch workspaces are made for it and removed. Their names are none that a workspace can have, so a run that was
cut off is cleared away by the next one and meets nothing of anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.kernel.errors import VaultRefused
from app.policies.grants import WorkspaceGrant, policy_paths
from app.policies.plan import PREFIX, TOKEN_SECONDS
from app.policies.probes import (
    LOGIN_ROLES,
    OTHER,
    OURS,
    PLAINTEXT,
    SIGNS,
    VALUE,
    GrantedPath,
    Method,
    Probe,
    Scratch,
    bypass_probes,
    grant_probes,
    is_allowed,
    key_deletion_probes,
    old_version_probes,
    readable,
    signing_probes,
    table_probes,
)
from app.vault import KEY_TYPE, VISIBILITIES
from app.vault.answers import VaultResponse
from app.vault.keys import load_signing_key, new_signing_key, new_signing_key_der
from app.vault.operator import LoggedIn, VaultOperator
from app.vault.options import Mounts
from app.vault.roles import SERVICE, SERVICE_ROLES, grant_role
from app.vault.tokens import JWT_SECONDS, sign_login
from app.vault.versions import PLUS_IN_WORDS, SLASH_IN_WORDS
from app.vault.wrapping import wrap_key

Verdict = Literal["allowed", "refused"]

_SCRATCH_KEY: Final = b"a scratch key of thirty-two byte"
_LONG_AGO: Final = 3600
_SPARE_SECONDS: Final = 60
"""A token this near to its end is left, so that a slow run doesn't take its end for a refusal."""
_PEOPLE: Final = ("editor", "admin", "owner")


@dataclass(frozen=True, slots=True)
class Cell:
    """One try: who, at which door, to do what, what should have come of it and what did (with the HTTP status)."""

    role: str
    door: str
    verb: str
    expected: Verdict
    found: Verdict
    status: int
    harmless: bool = False
    cause: str | None = None
    """What a surprise here comes from, where that is known."""

    @property
    def ok(self) -> bool:
        """Whether Vault did as the table says; what is allowed has to work, too, unless it was made to do nothing."""
        works = self.status < 300 or (self.harmless and self.status in (400, 404))
        return self.expected == self.found and (self.expected == "refused" or works)


def verify(
    vault: VaultOperator,
    mounts: Mounts,
    signing_key_pem: bytes,
    *,
    clock: Callable[[], float],
    wait: Callable[[float], None] | None = None,
    grants: Sequence[WorkspaceGrant] = (),
) -> tuple[Cell, ...]:
    """Try everything and return what came of it, in the order of the trying. ``clock`` gives Unix time.

    ``wait`` (for some seconds) has tokens of every role tried again after their end, which takes as long as they live.
    ``grants`` are tried as their workspaces' own roles, which read no value for it.

    Raises:
        VaultRefused: where a role can't log in, or not even the scratch workspaces can be made.
        VaultUnavailable: where Vault can't serve.
    """
    logins = _Logins(vault, mounts, signing_key_pem, clock)
    left: list[Cell] = []
    try:
        scratch = _prepare(vault, mounts, logins)
        cells = [
            *_all(vault, logins, LOGIN_ROLES, lambda role: table_probes(mounts, role, scratch)),
            *_all(vault, logins, LOGIN_ROLES, lambda role: signing_probes(mounts, role, scratch)),
            *_all(vault, logins, LOGIN_ROLES, lambda _: bypass_probes(mounts, scratch)),
            *_all(vault, logins, _PEOPLE, lambda _: old_version_probes(mounts)),
            *_bad_logins(logins),
            *_odd_workspaces(vault, mounts, logins),
            *_tokens(logins),
            *_grant_cells(vault, mounts, logins, grants),
            *([] if wait is None else _ended_tokens(vault, mounts, logins, scratch, wait)),
            *_all(vault, logins, LOGIN_ROLES, lambda _: key_deletion_probes(mounts)),
        ]
    finally:
        left += _clear(vault, mounts, logins)
    return (*cells, *left)


def failures(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the tries that came out otherwise than the table says."""
    return tuple(cell for cell in cells if not cell.ok)


class _Logins:
    """Real logins, with claims as they should be or as they shouldn't."""

    def __init__(self, vault: VaultOperator, mounts: Mounts, pem: bytes, clock: Callable[[], float]) -> None:
        self._vault = vault
        self._mount = mounts.jwt
        self._key = load_signing_key(pem)
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}

    def token(self, role: str, workspace: str) -> str:
        """Return a token that will last for a while."""
        wanted = (role, SERVICE if role in SERVICE_ROLES else workspace)
        token, until = self._kept.get(wanted, ("", 0.0))
        if self._clock() >= until:
            made = self.fresh(*wanted)
            token, until = made.token, self._clock() + made.seconds - min(_SPARE_SECONDS, made.seconds / 2)
            self._kept[wanted] = token, until
        return token

    def fresh(self, role: str, workspace: str) -> LoggedIn:
        """Return a new token, which has to come."""
        made = self.attempt(role, SERVICE if role in SERVICE_ROLES else workspace)
        if made is None:
            raise VaultRefused(f"Vault refuses the login in the role {role}. Run `strongroom vault apply` first.")
        return made

    def attempt(
        self, role: str, workspace: str, *, claimed: str | None = None, late: int = 0, forged: bool = False
    ) -> LoggedIn | None:
        """Log in as ``role`` with a JWT for the role ``claimed`` that was signed ``late`` seconds ago."""
        key = load_signing_key(new_signing_key()) if forged else self._key
        jwt = sign_login(key, workspace=workspace, role=claimed or role, now=self._clock() - late)
        return self._vault.log_in(self._mount, role, jwt)


# --- the scratch workspaces


def _prepare(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> Scratch:
    _clear(vault, mounts, logins)

    def make(role: str, workspace: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = vault.attempt("POST", path, logins.token(role, workspace), body)
        if answer.status >= 300:
            raise VaultRefused(
                f"The scratch workspaces can't be made: {role} got a {answer.status} at {path}, where the table allows"
                " it. Run `strongroom vault plan`."
            )
        return answer.data

    ciphertexts = {}
    for workspace in (OURS, OTHER):
        for visibility in VISIBILITIES:
            key = f"{workspace}.{visibility}"
            make("owner", workspace, f"{mounts.transit}/keys/{key}", {"type": KEY_TYPE})
            encrypted = make("owner", workspace, f"{mounts.transit}/encrypt/{key}", {"plaintext": PLAINTEXT})
            ciphertexts[key] = encrypted["ciphertext"]
            for name in (*LOGIN_ROLES, "end"):
                path = f"{mounts.kv}/data/{workspace}/{visibility}/{name}"
                make("owner", workspace, path, {"data": VALUE, "options": {"cas": 0}})
    for name in (*LOGIN_ROLES, "end"):
        make("renew", OURS, f"{mounts.kv}/data/{OURS}/tokens/{name}", {"data": VALUE, "options": {"cas": 0}})
    wrapping = vault.attempt("GET", f"{mounts.transit}/wrapping_key", logins.token("owner", OURS)).data
    wrapped = wrap_key(_SCRATCH_KEY, wrapping.get("public_key", ""))
    for name, key_type, material in (("HMAC", "hmac", _SCRATCH_KEY), ("JWS", "ecdsa-p256", new_signing_key_der())):
        body = {"ciphertext": wrap_key(material, wrapping["public_key"]), "type": key_type, "hash_function": "SHA256"}
        make("owner", OURS, f"{mounts.transit}/keys/{SIGNS}.{name}/import", body)
    signed = make("record", SERVICE, f"{mounts.transit}/sign/_record", {"input": PLAINTEXT})
    return Scratch(ciphertexts, signed["signature"], wrapped)


def _clear(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> list[Cell]:
    """Remove the scratch workspaces, and tell where that failed."""
    answers = []
    for workspace in (OURS, OTHER):
        token = logins.token("owner", workspace)
        for visibility in VISIBILITIES:
            folder = f"{mounts.kv}/metadata/{workspace}/{visibility}"
            for name in vault.attempt("LIST", folder, token).data.get("keys", []):
                answers.append(vault.attempt("DELETE", f"{folder}/{name}", token))
            key = f"{mounts.transit}/keys/{workspace}.{visibility}"
            if vault.attempt("GET", key, token).status == 200:
                vault.attempt("POST", f"{key}/config", token, {"deletion_allowed": True})
                answers.append(vault.attempt("DELETE", key, token))
    token = logins.token("owner", OURS)
    for name in (*LOGIN_ROLES, "renew-new", "end"):
        answers.append(vault.attempt("DELETE", f"{mounts.kv}/metadata/{OURS}/tokens/{name}", token))
    for name in ("HMAC", "JWS", *LOGIN_ROLES):
        key = f"{mounts.transit}/keys/{SIGNS}.{name}"
        if vault.attempt("GET", key, token).status == 200:
            vault.attempt("POST", f"{key}/config", token, {"deletion_allowed": True})
            answers.append(vault.attempt("DELETE", key, token))
    return [
        Cell("owner", "what the scratch workspaces held", "delete", "allowed", "refused", answer.status)
        for answer in answers
        if answer.status >= 300
    ]


# --- what was tried, and what came of it


def _all(
    vault: VaultOperator, logins: _Logins, roles: Iterable[str], tries: Callable[[str], Iterable[Probe]]
) -> Iterator[Cell]:
    for role in roles:
        for one in tries(role):
            answer = vault.attempt(one.method, one.path, logins.token(role, OURS), one.body)
            allowed = is_allowed(role, one.door, one.verb) if one.allowed is None else role in one.allowed
            expected: Verdict = "allowed" if allowed else "refused"
            yield Cell(role, readable(one.door), one.verb, expected, _verdict(answer), answer.status, one.harmless)


def _verdict(answer: VaultResponse) -> Verdict:
    """Refused is a 403 and nothing else: whatever Vault answers besides, it had let the request in."""
    return "refused" if answer.status == 403 else "allowed"


def _bad_logins(logins: _Logins) -> Iterator[Cell]:
    for role in LOGIN_ROLES:
        home = SERVICE if role in SERVICE_ROLES else OURS
        for claimed in LOGIN_ROLES:
            if claimed != role:
                yield _no_token(role, f"with a JWT for {claimed}", logins.attempt(role, home, claimed=claimed))
        yield _no_token(role, "with an expired JWT", logins.attempt(role, home, late=_LONG_AGO + JWT_SECONDS))
        yield _no_token(role, "with a JWT that another key signed", logins.attempt(role, home, forged=True))
        if role in SERVICE_ROLES:
            yield _no_token(role, "for a workspace", logins.attempt(role, OURS))
    yield _no_token("operator", "at all", logins.attempt("operator", OURS))


def _no_token(role: str, how: str, made: LoggedIn | None) -> Cell:
    if made is None:
        return Cell(role, how, "log in", "refused", "refused", 400)
    return Cell(role, how, "log in", "refused", "allowed", 200)


def _odd_workspaces(vault: VaultOperator, mounts: Mounts, logins: _Logins) -> Iterator[Cell]:
    """Try names that would mean more than one workspace, if Vault took them for patterns.

    The login itself may work; OpenBao answers the request with a 400 then, HashiCorp Vault with a 403.
    """
    for name, cause in (
        ("*", PLUS_IN_WORDS),
        ("+", PLUS_IN_WORDS),
        (f"{OTHER[:-1]}*", PLUS_IN_WORDS),
        (f"{OTHER}/../{OTHER}", SLASH_IN_WORDS),
    ):
        made = logins.attempt("mover", name)
        status = vault.attempt("GET", f"{mounts.kv}/data/{OTHER}/masked/owner", made.token).status if made else 403
        found: Verdict = "allowed" if status < 300 else "refused"
        yield Cell("mover", f"a value, for a workspace called {name}", "read", "refused", found, status, cause=cause)


def _grant_cells(
    vault: VaultOperator, mounts: Mounts, logins: _Logins, grants: Sequence[WorkspaceGrant]
) -> Iterator[Cell]:
    """Try each grant in its own role, and in every other role of its workspace and of the next."""
    engines = (vault.read("sys/mounts") or {}) if grants else {}
    for one in grants:
        for path in policy_paths(one.grant.path, engines):
            granted = GrantedPath(one.workspace, path, versioned=path != one.grant.path)
            for role in (grant_role(one.workspace), *LOGIN_ROLES):
                for each in grant_probes(role, granted, mounts):
                    answer = vault.attempt(each.method, each.path, logins.token(role, one.workspace), each.body)
                    expected: Verdict = "allowed" if role in (each.allowed or ()) else "refused"
                    yield Cell(role, each.door, each.verb, expected, _verdict(answer), answer.status, each.harmless)
    for workspace in sorted({one.workspace for one in grants}):
        made = logins.attempt(grant_role(workspace), OURS)
        yield _no_token(grant_role(workspace), "for another workspace", made)


def _tokens(logins: _Logins) -> Iterator[Cell]:
    """Look at what Vault says of the tokens themselves."""
    for role in LOGIN_ROLES:
        made = logins.fresh(role, OURS)
        faults = {
            "a token for more than five minutes": made.seconds > TOKEN_SECONDS or made.seconds <= 0,
            "a token that can be renewed": made.renewable,
            "a token with another policy than its own": made.policies != (f"{PREFIX}{role}",),
        }
        for door, wrong in faults.items():
            yield Cell(role, door, "get", "refused", "allowed" if wrong else "refused", 200)


def _ended_tokens(
    vault: VaultOperator, mounts: Mounts, logins: _Logins, scratch: Scratch, wait: Callable[[float], None]
) -> Iterator[Cell]:
    """Use a token of every role where it may, wait for its end, and use it again."""
    uses = {role: _use(mounts, role, scratch) for role in LOGIN_ROLES}
    tokens = {role: logins.fresh(role, OURS) for role in LOGIN_ROLES}
    for role in LOGIN_ROLES:
        answer = vault.attempt(uses[role].method, uses[role].path, tokens[role].token, uses[role].body)
        yield Cell(role, "with a token before its end", "read", "allowed", _verdict(answer), answer.status)
    wait(max(token.seconds for token in tokens.values()) + 1)
    for role in LOGIN_ROLES:
        answer = vault.attempt(uses[role].method, uses[role].path, tokens[role].token, uses[role].body)
        yield Cell(role, "with a token after its end", "read", "refused", _verdict(answer), answer.status)


def _use(mounts: Mounts, role: str, scratch: Scratch) -> Probe:
    """Return something that a role may do."""
    masked = f"{OURS}.masked"
    mac = {"input": PLAINTEXT, "algorithm": "sha2-256", "key_version": 1}
    uses: Mapping[str, tuple[Method, str, Mapping[str, Any] | None]] = {
        "health": ("GET", f"{mounts.kv}/config", None),
        "record": ("GET", f"{mounts.transit}/keys/_record", None),
        "renew": ("GET", f"{mounts.kv}/data/{OURS}/tokens/end", None),
        "decrypt": ("POST", f"{mounts.transit}/decrypt/{masked}", {"ciphertext": scratch.ciphertexts[masked]}),
        "sign": ("POST", f"{mounts.transit}/hmac/{SIGNS}.HMAC", mac),
    }
    method, path, body = uses.get(role, ("GET", f"{mounts.kv}/data/{OURS}/masked/end", None))
    return Probe("", "", method, path, body)
