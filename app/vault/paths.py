"""Which path in Vault a secret has. Pure.

::

    <kv>/data/<workspace>/masked/<NAME>
    <kv>/data/<workspace>/restricted/<NAME>
    <kv>/data/<workspace>/tokens/<NAME>
    <kv>/data/_record/<chain>
    <transit>/keys/<workspace>.masked
    <transit>/keys/<workspace>.restricted
    <transit>/keys/<workspace>.sign.<NAME>
    <transit>/keys/_record

The visibility is part of the path and of the key's name, so that a policy can tell the two apart. A workspace's name
and a secret's hold no character that means something in a path, a policy or a transit key's name; what is no such
name never becomes part of a path.
"""

from __future__ import annotations

import re
from typing import Final

from app.kernel.errors import ValidationFailed, in_body
from app.vault import VISIBILITIES, SecretAddress, Visibility

WORKSPACE: Final = re.compile(r"[a-z][a-z0-9-]{1,62}")
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
RECORD_KEY: Final = "_record"
_SERVICE_CHAIN: Final = "_service"


def checked_workspace(workspace: str) -> str:
    """Return the name if it can be a workspace's.

    Raises:
        ValidationFailed: where it can't, so that no wildcard and no slash gets into a path or a login.
    """
    if not WORKSPACE.fullmatch(workspace):
        raise ValidationFailed(
            "This isn't a workspace's name.", errors={in_body("workspace"): ["Must be a workspace's name."]}
        )
    return workspace


def chain_entry(chain: str) -> str:
    """Return the path inside the KV mount of the newest checkpoint of a chain of the record.

    Args:
        chain: A workspace's name; empty for the service's own chain.

    Raises:
        ValidationFailed: where it is neither.
    """
    return f"{RECORD_KEY}/{checked_workspace(chain) if chain else _SERVICE_CHAIN}"


def chain_of_entry(name: str) -> str | None:
    """Return the chain whose checkpoint an entry is; None for an entry that isn't one."""
    if name == _SERVICE_CHAIN:
        return ""
    return name if WORKSPACE.fullmatch(name) else None


def folder(workspace: str, visibility: Visibility) -> str:
    """Return the folder, inside the KV mount, of a workspace's secrets of one visibility.

    Raises:
        ValidationFailed: There is no such visibility, or no workspace can have this name.
    """
    if visibility not in VISIBILITIES:
        raise ValidationFailed(
            "A secret is masked or restricted.", errors={in_body("visibility"): ["Must be masked or restricted."]}
        )
    return f"{checked_workspace(workspace)}/{visibility}"


def entry(address: SecretAddress) -> str:
    """Return a secret's path inside the KV mount.

    Raises:
        ValidationFailed: where a part of the address can't be one.
    """
    return f"{folder(address.workspace, address.visibility)}/{_checked_name(address)}"


def key_name(workspace: str, visibility: Visibility) -> str:
    """Return the name of a workspace's transit key for one visibility."""
    return folder(workspace, visibility).replace("/", ".")


def tokens_entry(address: SecretAddress) -> str:
    """Return the path inside the KV mount of what an OAuth 2.0 secret was given.

    Raises:
        ValidationFailed: A part of the address can't be one.
    """
    return f"{checked_workspace(address.workspace)}/tokens/{_checked_name(address)}"


def signing_key_name(address: SecretAddress) -> str:
    """Return the name of a secret's imported transit key.

    Raises:
        ValidationFailed: A part of the address can't be one.
    """
    return f"{checked_workspace(address.workspace)}.sign.{_checked_name(address)}"


def _checked_name(address: SecretAddress) -> str:
    if not NAME.fullmatch(address.name):
        raise ValidationFailed("This isn't a secret's name.", errors={in_body("name"): ["Must be a secret's name."]})
    return address.name
