"""Vault as code: what differs between the policy files and the live Vault, and making it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.policies.plan import AUDITED, PREFIX, Body, Change, Identity, Kind, Thing, plan, vault_path, wanted
from app.policies.render import ROLES, PolicyFileWrong, render
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server
from app.vault.recovery import operator_token

_NOT_YET: Final = "accessor-of-the-mount-to-be-made"


@dataclass(frozen=True, slots=True)
class Setup:
    """What Vault is to be set up with: the mounts, the policy files by role, and the public keys that logins are
    checked with (PEM; two while the signing key is being changed).
    """

    mounts: Mounts
    files: Mapping[str, str]
    public_keys: Sequence[str]


def read_files(folder: Path) -> Mapping[str, str]:
    """Read the policy files of a folder, by role.

    Raises:
        PolicyFileWrong: where one is missing, or one is there that nothing uses.
    """
    files = {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.hcl"))}
    missing, unknown = sorted(set(ROLES) - set(files)), sorted(set(files) - set(ROLES))
    if missing:
        raise PolicyFileWrong(f"{folder} lacks {missing[0]}.hcl.")
    if unknown:
        raise PolicyFileWrong(f"{folder} has {unknown[0]}.hcl, which is no role's.")
    return files


def see_changes(vault: VaultOperator, setup: Setup, *, prune: bool = False) -> tuple[Change, ...]:
    """Tell what differs, and change nothing.

    Raises:
        PolicyFileWrong: where a file can't be used.
        VaultRefused, VaultUnavailable: where the operator's token or Vault can't.
    """
    accessor = _accessor(vault, setup.mounts)
    things = _things(setup, accessor or _NOT_YET)
    return plan(things, _live(vault, setup.mounts, things), prune=prune)


def apply(vault: VaultOperator, setup: Setup, *, prune: bool = False) -> tuple[Change, ...]:
    """Make Vault as it should be and return what was changed; what needs a hand (``by hand``) is left as it is.

    Every file is checked before anything is changed, and doing it twice does nothing the second time. Raises as
    ``see_changes`` does.
    """
    done: list[Change] = []
    if _accessor(vault, setup.mounts) is None:
        # The policies go by the login mount's accessor, which Vault makes up with the mount.
        first = [change for change in see_changes(vault, setup) if change.kind == "login mount"]
        done += _carry_out(vault, setup.mounts, _things(setup, _NOT_YET), first)
    things = _things(setup, read_accessor(vault, setup))
    return (*done, *_carry_out(vault, setup.mounts, things, see_changes(vault, setup, prune=prune)))


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


def read_accessor(vault: VaultOperator, setup: Setup) -> str:
    """Return the accessor of the login mount, which ``export`` fills in.

    Raises:
        PolicyFileWrong: where the mount isn't there yet.
    """
    accessor = _accessor(vault, setup.mounts)
    if accessor is None:
        raise PolicyFileWrong("The login mount isn't there yet. Run `strongroom vault apply`, or make it, first.")
    return accessor


# --- in order of use from here on


def _accessor(vault: VaultOperator, mounts: Mounts) -> str | None:
    mount = (vault.read("sys/auth") or {}).get(f"{mounts.jwt}/")
    return None if mount is None else str(mount["accessor"])


def _things(setup: Setup, accessor: str) -> tuple[Thing, ...]:
    return wanted(mounts=setup.mounts, public_keys=setup.public_keys, policies=export(setup, accessor=accessor))


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
        return (data or {}).get("policy")
    if kind == "audit":
        return AUDITED if data else None
    return data


def _carry_out(
    vault: VaultOperator, mounts: Mounts, things: Sequence[Thing], changes: Sequence[Change]
) -> Iterator[Change]:
    bodies = {(thing.kind, thing.name): thing.body for thing in things}
    for change in changes:
        path = vault_path(change.kind, change.name, mounts=mounts)
        if change.action == "by hand":
            continue
        if change.action == "delete":
            vault.delete(path)
        else:
            vault.write(path, _request(change.kind, bodies[change.kind, change.name]))
        yield change


def _request(kind: Kind, body: Body) -> Mapping[str, object]:
    if isinstance(body, str):
        return {"policy": body}
    # Of a key's facts only the type may be sent; the rest is what Vault does by itself, and is looked at afterwards.
    return {"type": body["type"]} if kind == "key" else body
