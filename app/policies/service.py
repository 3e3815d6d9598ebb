"""Vault as code: what differs between the policy files and the live Vault, and making it so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from app.kernel.errors import ServiceError
from app.policies.grants import InvalidGrantsFile, WorkspaceGrant, grant_policies, parse_grants
from app.policies.hcl import InvalidPolicyFile
from app.policies.plan import (
    AUDITED,
    PREFIX,
    Body,
    Change,
    Identity,
    Kind,
    Plan,
    Thing,
    is_grant,
    login_settings,
    plan,
    vault_path,
    wanted_things,
)
from app.policies.render import render
from app.policies.table import ROLES
from app.vault.keys import load_signing_key, new_signing_key, public_key, read_or_make, replace_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server
from app.vault.recovery import operator_token
from app.vault.roles import SERVICE, SERVICE_ROLES
from app.vault.tokens import sign_login
from app.vault.transport import unavailable

_NOT_YET: Final = "accessor-of-the-mount-to-be-made"

_TELL_AT_MOST: Final = 5

PRUNE_AT_MOST: Final = 5
"""More deletions at once look like a wrong setting, and have to be allowed by their number."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What Vault is to be set up with: the mounts, the policy files by role, and the public keys that logins are
    checked with (PEM; two while the signing key is being changed).

    ``namespaced``: inside a namespace nobody sees the audit devices. ``workspaces`` are
    those that there are; None where nobody can tell.
    """

    mounts: Mounts
    files: Mapping[str, str]
    public_keys: Sequence[str]
    namespaced: bool = False
    grants: tuple[WorkspaceGrant, ...] = ()
    workspaces: frozenset[str] | None = None


class PlanRefused(ServiceError):
    """The plan isn't one to carry out; nothing was changed."""


class ChangeNotKept(ServiceError):
    """Vault answered that it did what it was told, and left it as it was."""


def read_files(folder: Path) -> Mapping[str, str]:
    """Read the policy files of a folder, by role.

    Raises:
        InvalidPolicyFile: where one is missing, or one is there that nothing uses.
    """
    files = {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.hcl"))}
    missing, unknown = sorted(set(ROLES) - set(files)), sorted(set(files) - set(ROLES))
    if missing:
        raise InvalidPolicyFile(f"{folder} lacks {missing[0]}.hcl.")
    if unknown:
        raise InvalidPolicyFile(f"{folder} has {unknown[0]}.hcl, which belongs to no role.")
    return files


def read_grants(file: Path, *, mounts: Mounts) -> tuple[WorkspaceGrant, ...]:
    """Read the operators' grants; none where there is no such file.

    Raises:
        InvalidGrantsFile: it can't be used.
    """
    try:
        return parse_grants(file.read_text(encoding="utf-8"), mounts=mounts)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError):
        raise InvalidGrantsFile(f"{file} can't be read.") from None


def find_changes(vault: VaultOperator, setup: Setup, *, prune: bool = False) -> Plan:
    """Tell what differs, and change nothing.

    Raises:
        InvalidPolicyFile: where a file can't be used.
        VaultRefused, VaultUnavailable: where the operator's token or Vault can't.
    """
    accessor = _accessor(vault, setup.mounts)
    granted = grant_policies(setup.grants, vault.read("sys/mounts") or {}, known=setup.workspaces)
    things = _things(setup, accessor or _NOT_YET, granted.texts)
    seen = plan(things, _live(vault, setup.mounts, things), prune=prune)
    outdated = vault.version_warning()
    return replace(seen, warnings=(*([] if outdated is None else [outdated]), *granted.warnings))


def apply(
    vault: VaultOperator,
    setup: Setup,
    *,
    prune: bool = False,
    prune_at_most: int = PRUNE_AT_MOST,
    agreed: Plan | None = None,
) -> tuple[Change, ...]:
    """Make Vault as it should be and return what was changed; what needs a hand is left as it is.

    Every file is checked before anything is changed, and doing it twice does nothing the second time. ``agreed`` is
    the plan that somebody said yes to: another one isn't carried out.

    Raises:
        PlanRefused: where a mount is somebody else's, the plan isn't the agreed one, or prunes more than it may.
        ChangeNotKept: where Vault left something as it was.
        InvalidPolicyFile, VaultRefused, VaultUnavailable: as ``find_changes``.
    """
    seen = find_changes(vault, setup, prune=prune)
    _guard(seen, agreed, prune_at_most)
    granted = grant_policies(setup.grants, vault.read("sys/mounts") or {}).texts
    done: list[Change] = []
    if _accessor(vault, setup.mounts) is None:
        # The policies go by the login mount's accessor, which Vault makes up with the mount.
        first = [change for change in seen.changes if change.kind == "login mount"]
        done += _carry_out(vault, setup.mounts, _things(setup, _NOT_YET, granted), first)
        seen = find_changes(vault, setup, prune=prune)
    things = _things(setup, read_accessor(vault, setup), granted)
    done += _carry_out(vault, setup.mounts, things, seen.changes)
    _look_again(vault, setup, done)
    return tuple(done)


def apply_embedded(folder: Path, address: str, setup: Setup) -> tuple[Change, ...]:
    """Apply to the embedded Vault whose folder this is, with an operator's token made for the purpose."""
    policy = export(setup, accessor=_NOT_YET)["operator"]
    with operator_token(folder, address, policy) as token, VaultOperator(Server(address), token) as vault:
        return apply(vault, setup)


def export(setup: Setup, *, accessor: str) -> Mapping[str, str]:
    """Return the policies filled in, by role, for teams that manage Vault with other tools."""
    return {
        role: render(role, text, accessor=accessor, mounts=setup.mounts) for role, text in sorted(setup.files.items())
    }


def needs_accessor(setup: Setup) -> bool:
    """Tell whether any of the files goes by the login mount's accessor."""
    return any("@@ACCESSOR@@" in text for text in setup.files.values())


def read_accessor(vault: VaultOperator, setup: Setup) -> str:
    """Return the accessor of the login mount, which ``export`` fills in.

    Raises:
        InvalidPolicyFile: where the mount isn't there yet.
    """
    accessor = _accessor(vault, setup.mounts)
    if accessor is None:
        raise InvalidPolicyFile("The login mount isn't there yet. Run `strongroom vault apply`, or make it, first.")
    return accessor


def rotate_signing_key(vault: VaultOperator, mounts: Mounts, file: Path, *, wait: Callable[[], None]) -> None:
    """Put a new key in the place of the one that signs logins; no login fails meanwhile.

    Vault takes both while ``wait`` lasts, which has to be longer than a login may be under way. Cut off, it leaves
    either key in the file and Vault taking that one; ``apply`` or another rotation tidies up.

    Raises:
        ServiceError: where the file can't be read or replaced.
        VaultRefused, VaultUnavailable: The operator's token doesn't reach so far, or Vault can't.
    """
    new = new_signing_key()
    old = file.read_bytes()
    _accept(vault, mounts, [old, new])
    replace_key(file, new)
    wait()
    _accept(vault, mounts, [new], no_longer=[old])


def add_signing_key(vault: VaultOperator, mounts: Mounts, file: Path, out: Path) -> None:
    """Make a further key in ``out``, and have Vault take it besides the one in ``file``. One that is there is used.

    Raises:
        ServiceError: A file can't be read or written.
        VaultRefused, VaultUnavailable: The operator's token doesn't reach so far, or Vault can't.
    """
    _accept(vault, mounts, [file.read_bytes(), read_or_make(out)])


def _accept(vault: VaultOperator, mounts: Mounts, keys: Sequence[bytes], *, no_longer: Sequence[bytes] = ()) -> None:
    """Have Vault take what these keys sign, and see that it does.

    A login under way while the settings are written can leave Vault with what it made of the older ones to check
    signatures with, until they are written once more. So what counts is whom it lets in.
    """
    path = vault_path("login settings", mounts.jwt, mounts=mounts)
    for _ in range(_TELL_AT_MOST):
        vault.write(path, login_settings([public_key(key) for key in keys]))
        if all(_opens(vault, mounts, key) for key in keys) and not any(_opens(vault, mounts, key) for key in no_longer):
            return
    raise unavailable("Vault still checks logins with other keys than those it was given. Run this again.")


def _opens(vault: VaultOperator, mounts: Mounts, key: bytes) -> bool:
    role = SERVICE_ROLES[0]
    jwt = sign_login(load_signing_key(key), workspace=SERVICE, role=role, now=time.time())
    return vault.log_in(mounts.jwt, role, jwt) is not None


# --- in order of use from here on


def _look_again(vault: VaultOperator, setup: Setup, done: Sequence[Change]) -> None:
    """See that Vault took what it was told: it answers 204 to a tuning that it leaves as it was, too."""
    told = {(change.kind, change.name) for change in done if change.action == "update"}
    left = (
        [change for change in find_changes(vault, setup).changes if (change.kind, change.name) in told] if told else []
    )
    if left:
        names = ", ".join(f"{change.kind} {change.name}" for change in left)
        raise ChangeNotKept(
            f"Vault accepted these changes and didn't make them: {names}; all else was done. `strongroom vault plan`"
            " shows what differs. Before 1.21 Vault can't take allowed_response_headers back."
        )


def _guard(seen: Plan, agreed: Plan | None, prune_at_most: int) -> None:
    if seen.strangers:
        raise PlanRefused(f"The mount {seen.strangers[0]} is of another type, so it is somebody else's. Name another.")
    if agreed is not None and agreed != seen:
        raise PlanRefused("Vault was changed since the plan was made. Look at the new one.")
    deletions = sum(change.action == "delete" and not is_grant(change.kind, change.name) for change in seen.changes)
    if deletions > prune_at_most:
        raise PlanRefused(
            f"This would delete {deletions} things, more than {prune_at_most}. Is STRONGROOM_JWT_MOUNT ours alone?"
        )


def _accessor(vault: VaultOperator, mounts: Mounts) -> str | None:
    mount = (vault.read("sys/auth") or {}).get(f"{mounts.jwt}/")
    return None if mount is None else str(mount["accessor"])


def _things(setup: Setup, accessor: str, grants: Mapping[str, str]) -> tuple[Thing, ...]:
    policies = export(setup, accessor=accessor)
    return wanted_things(
        mounts=setup.mounts,
        public_keys=setup.public_keys,
        policies=policies,
        grants=grants,
        audited=not setup.namespaced,
    )


def _live(vault: VaultOperator, mounts: Mounts, things: Sequence[Thing]) -> Mapping[Identity, Body]:
    """Read what Vault holds of the things wanted, and whatever else is ours."""
    tables = {"login mount": vault.read("sys/auth") or {}, "engine mount": vault.read("sys/mounts") or {}}
    live: dict[Identity, Body] = {}
    for thing in things:
        if thing.kind in tables:
            body = tables[thing.kind].get(f"{thing.name}/")
        else:
            body = _body(thing.kind, vault.read(vault_path(thing.kind, thing.name, mounts=mounts)))
        if body:
            live[thing.kind, thing.name] = body
    policies = [name for name in vault.names("sys/policies/acl") if name.startswith(PREFIX)]
    others: list[Identity] = [("policy", name) for name in policies]
    others += [("role", name) for name in vault.names(f"auth/{mounts.jwt}/role")]
    for kind, name in others:
        if (kind, name) not in {(thing.kind, thing.name) for thing in things}:
            live[kind, name] = _body(kind, vault.read(vault_path(kind, name, mounts=mounts))) or ""
    return live


def _body(kind: Kind, data: Mapping[str, Any] | None) -> Body | None:
    if kind == "policy":
        beside = [f"# kept beside the text: {name} = {data[name]}\n" for name in _BESIDE if data and data.get(name)]
        return "".join([(data or {}).get("policy") or "", *beside]) or None
    if kind == "audit":
        return AUDITED if data else None
    return data


_BESIDE: Final = (
    "expiration",
    "cas_required",
    "allow_wildcards_in_identity_templates",
    "allow_slashes_in_identity_templates",
)
"""What OpenBao keeps beside a policy's text. A policy with an end is gone then, and a wildcard reaches further."""


def _carry_out(
    vault: VaultOperator, mounts: Mounts, things: Sequence[Thing], changes: Sequence[Change]
) -> Iterator[Change]:
    bodies = {(thing.kind, thing.name): thing.body for thing in things}
    for change in changes:
        path = vault_path(change.kind, change.name, mounts=mounts)
        if change.action == "delete":
            vault.delete(path)
        else:
            # Twice, for the reason that ``_accept`` tells; nobody has the keys at hand here to see whom it lets in.
            for _ in range(2 if change.kind == "login settings" else 1):
                written, body = _request(change, path, bodies[change.kind, change.name])
                vault.write(written, {**body, **_check_and_set(vault, change, path)})
        yield change


def _check_and_set(vault: VaultOperator, change: Change, path: str) -> Mapping[str, Any]:
    """Return the version to name where OpenBao wants one. A write that names no more than the text undoes the rest."""
    held = vault.read(path) if change.kind == "policy" and change.action == "update" else None
    return {"cas": held["version"]} if held and held.get("cas_required") else {}


def _request(change: Change, path: str, body: Body) -> tuple[str, Mapping[str, Any]]:
    """Return where to write what."""
    if isinstance(body, str):
        return path, {"policy": body}
    if change.kind == "key":
        # Of its facts only the type may be sent; the rest is what Vault does by itself, and is looked at afterwards.
        return path, {"type": body["type"]}
    if change.kind in ("login mount", "engine mount") and change.action == "update":
        tuning: Any = body["config"]
        return f"{path}/tune", {"description": body["description"], **tuning}
    return path, body
