"""The operators' grants: which workspace may use which value that Vault already has. Pure.

The file is TOML, a list of ``[[grant]]`` with ``workspace``, ``path``, ``fields`` and ``hosts`` (design, section 12).
Each workspace that has any gets a Vault role ``grant-<workspace>`` and a policy with just those paths.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.kernel.errors import ServiceError, StrongroomError
from app.outbound.hosts import normalise_patterns
from app.vault import Grant
from app.vault.grant_text import comment_of
from app.vault.options import Mounts
from app.vault.paths import WORKSPACE
from app.vault.roles import grant_role

_KEYS: Final = frozenset({"workspace", "path", "fields", "hosts"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_.@:~=, -]+")
_NEVER: Final = ("sys", "auth", "identity", "cubbyhole")
_KV: Final = ("kv", "generic")


class InvalidGrantsFile(ServiceError):
    """The file of grants can't be used as it stands; nothing is applied."""


@dataclass(frozen=True, slots=True)
class WorkspaceGrant:
    """One entry of the file."""

    workspace: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class GrantPolicies:
    """What the grants come to: the policies' texts by workspace, and what an operator should know."""

    texts: Mapping[str, str]
    warnings: tuple[str, ...]


def parse_grants(text: str, *, mounts: Mounts) -> tuple[WorkspaceGrant, ...]:
    """Read the file.

    Raises:
        InvalidGrantsFile: naming the entry and what is wrong with it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidGrantsFile(f"The file of grants isn't TOML: {error}.") from None
    unknown = sorted(set(document) - {"grant"})
    entries = document.get("grant", [])
    if unknown or not isinstance(entries, list):
        raise InvalidGrantsFile(f"The file of grants may have [[grant]] and nothing else{_list_first(unknown)}.")
    found: dict[tuple[str, str], WorkspaceGrant] = {}
    for number, entry in enumerate(entries, 1):
        one = _entry(f"Grant {number}", entry, mounts)
        if (one.workspace, one.grant.path) in found:
            raise InvalidGrantsFile(f"Grant {number}: {one.workspace} has the path {one.grant.path} twice.")
        found[one.workspace, one.grant.path] = one
    return tuple(found[key] for key in sorted(found))


def grant_policies(
    grants: Sequence[WorkspaceGrant], engines: Mapping[str, Mapping[str, Any]], *, known: frozenset[str] | None = None
) -> GrantPolicies:
    """Make the policies.

    Args:
        engines: what ``sys/mounts`` says.
        known: the workspaces that there are; None where nobody can tell.

    Raises:
        InvalidGrantsFile: a path leads to an engine that isn't KV.
    """
    warnings: list[str] = []
    blocks: dict[str, list[str]] = {}
    for one in grants:
        paths = policy_paths(one.grant.path, engines)
        if len(paths) > 1:
            warnings.append(f"The path {one.grant.path} leads to no mount: the policy names both forms of it.")
        lines = [comment_of(one.grant), *(f'path "{path}" {{\n  capabilities = ["read"]\n}}\n' for path in paths)]
        blocks.setdefault(one.workspace, []).append("\n".join(lines))
    missing = sorted(set(blocks) - known) if known is not None else []
    warnings += [f"There is no workspace {workspace}: its grants wait for it." for workspace in missing]
    texts = {workspace: _policy(workspace, parts) for workspace, parts in sorted(blocks.items())}
    return GrantPolicies(texts, tuple(dict.fromkeys(warnings)))


def policy_paths(path: str, engines: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Return what the policy of a grant names: one path, or both forms of it where no mount is there (yet).

    Raises:
        InvalidGrantsFile: the path leads to an engine that isn't KV.
    """
    mount = max((name.strip("/") for name in engines if path.startswith(name)), key=len, default=None)
    if mount is None:
        first, _, rest = path.partition("/")
        return [path, f"{first}/data/{rest}"]
    engine, rest = engines[f"{mount}/"], path.removeprefix(f"{mount}/")
    if engine.get("type") not in _KV:
        raise InvalidGrantsFile(f"The path {path} leads to an engine that isn't KV ({engine.get('type')}).")
    versioned = (engine.get("options") or {}).get("version") == "2"
    return [f"{mount}/data/{rest}" if versioned else path]


def _policy(workspace: str, parts: Sequence[str]) -> str:
    own = f"sys/policies/acl/strongroom-{grant_role(workspace)}"
    head = f'# What was granted, as the service reads it.\npath "{own}" {{\n  capabilities = ["read"]\n}}\n'
    return "\n".join([head, *parts])


def _entry(where: str, entry: object, mounts: Mounts) -> WorkspaceGrant:
    if not isinstance(entry, dict):
        raise InvalidGrantsFile(f"{where} isn't a table.")
    unknown, missing = sorted(set(entry) - _KEYS), sorted(_KEYS - set(entry))
    if unknown:
        raise InvalidGrantsFile(f"{where} has an unknown key{_list_first(unknown)}.")
    if missing:
        raise InvalidGrantsFile(f"{where} lacks {', '.join(missing)}.")
    workspace, path = entry["workspace"], entry["path"]
    if not isinstance(workspace, str) or not WORKSPACE.fullmatch(workspace):
        raise InvalidGrantsFile(f"{where}: workspace must be a workspace's name.")
    fields, hosts = _strings(where, "fields", entry), _strings(where, "hosts", entry)
    return WorkspaceGrant(workspace, Grant(_path(where, path, mounts), fields, _hosts(where, hosts)))


def _path(where: str, path: object, mounts: Mounts) -> str:
    if not isinstance(path, str):
        raise InvalidGrantsFile(f"{where}: path must be text.")
    segments = path.split("/")
    if len(segments) < 2 or not all(_SEGMENT.fullmatch(one) and one not in (".", "..") for one in segments):
        raise InvalidGrantsFile(
            f"{where}: the path {path!r} must be a mount and a path in it, without +, *, {{{{, }}}}, .., // or a slash"
            " at its ends."
        )
    if segments[0] in _NEVER:
        raise InvalidGrantsFile(f"{where}: nothing in {segments[0]}/ can be granted.")
    if any(path.startswith(f"{mount}/") for mount in (mounts.kv, mounts.transit)):
        raise InvalidGrantsFile(f"{where}: {path} lies in a mount of Strongroom's own.")
    return path


def _strings(where: str, name: str, entry: Mapping[str, object]) -> tuple[str, ...]:
    values = entry[name]
    if not isinstance(values, list) or not values or not all(isinstance(one, str) and one for one in values):
        raise InvalidGrantsFile(f"{where}: {name} must be a list of texts, and not an empty one.")
    return tuple(sorted({str(one) for one in values}))


def _hosts(where: str, hosts: Sequence[str]) -> tuple[str, ...]:
    try:
        patterns = normalise_patterns(hosts, any_host_allowed=False)
    except StrongroomError as error:
        raise InvalidGrantsFile(f"{where}: hosts: {error.detail}") from None
    return patterns


def _list_first(names: Sequence[str]) -> str:
    return f": {names[0]}" if names else ""
