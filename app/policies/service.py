"""Vault as code: what differs between the policy files and the live Vault, and making it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.policies.plan import PREFIX, Body, Change, Identity, Kind, Thing, plan, wanted
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
    return plan(things, dict(_live(vault, setup.mounts, things)), prune=prune)


def apply(vault: VaultOperator, setup: Setup, *, prune: bool = False) -> tuple[Change, ...]:
    """Make Vault as it should be and return what was changed; what needs a hand (``by hand``) is left as it is.

    Every file is checked before anything is changed, and doing it twice does nothing the second time. Raises as
    ``see_changes`` does.
    """
    done: list[Change] = []
    if _accessor(vault, setup.mounts) is None:
        # The policies go by the login mount's accessor, which Vault makes up with the mount.
        first = [change for change in see_changes(vault, setup) if change.kind == "login mount"]
        done += _carry_out(vault, _things(setup, _NOT_YET), first, setup.mounts)
    things = _things(setup, _accessor(vault, setup.mounts) or _NOT_YET)
    return (*done, *_carry_out(vault, things, see_changes(vault, setup, prune=prune), setup.mounts))


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


def _live(vault: VaultOperator, mounts: Mounts, things: Sequence[Thing]) -> Iterator[tuple[Identity, Body]]:
    """Read what Vault holds of the things wanted, and whatever else is ours."""
    logins, engines = vault.read("sys/auth") or {}, vault.read("sys/mounts") or {}
    for thing in things:
        body: Body | None = None
        if thing.kind == "login mount":
            body = logins.get(f"{thing.name}/")
        elif thing.kind == "engine mount":
            body = engines.get(f"{thing.name}/")
        elif thing.kind == "audit":
            body = thing.body if vault.read("sys/audit") else None
        elif thing.kind == "policy":
            body = (vault.read(_path(thing, mounts)) or {}).get("policy")
        elif f"{mounts.jwt}/" in logins or thing.kind in ("engine settings", "key"):
            body = vault.read(_path(thing, mounts))
        if body is not None:
            yield (thing.kind, thing.name), body
    yield from _besides(
        vault, mounts, {(thing.kind, thing.name) for thing in things}, has_logins=f"{mounts.jwt}/" in logins
    )


def _besides(
    vault: VaultOperator, mounts: Mounts, known: set[Identity], *, has_logins: bool
) -> Iterator[tuple[Identity, Body]]:
    """Read the policies and roles of ours that nobody wants any more."""
    for name in vault.names("sys/policies/acl"):
        if name.startswith(PREFIX) and ("policy", name) not in known:
            yield ("policy", name), (vault.read(f"sys/policies/acl/{name}") or {}).get("policy", "")
    for name in vault.names(f"auth/{mounts.jwt}/role") if has_logins else ():
        if ("role", name) not in known:
            yield ("role", name), vault.read(f"auth/{mounts.jwt}/role/{name}") or {}


def _carry_out(
    vault: VaultOperator, things: Sequence[Thing], changes: Sequence[Change], mounts: Mounts
) -> Iterator[Change]:
    bodies = {(thing.kind, thing.name): thing for thing in things}
    for change in changes:
        if change.action == "by hand":
            continue
        thing = bodies.get((change.kind, change.name)) or Thing(change.kind, change.name, {})
        if change.action == "delete":
            vault.delete(_path(thing, mounts))
        else:
            vault.write(_path(thing, mounts), _body(thing))
        yield change


def _body(thing: Thing) -> Mapping[str, object]:
    if isinstance(thing.body, str):
        return {"policy": thing.body}
    # operator.hcl lets nobody even say `exportable`; not saying it is what we want.
    return {"type": thing.body["type"]} if thing.kind == "key" else thing.body


def _path(thing: Thing, mounts: Mounts) -> str:
    paths: Mapping[Kind, str] = {
        "login mount": f"sys/auth/{thing.name}",
        "engine mount": f"sys/mounts/{thing.name}",
        "engine settings": f"{thing.name}/config",
        "key": thing.name,
        "login settings": f"auth/{thing.name}/config",
        "policy": f"sys/policies/acl/{thing.name}",
        "role": f"auth/{mounts.jwt}/role/{thing.name}",
    }
    return paths[thing.kind]
