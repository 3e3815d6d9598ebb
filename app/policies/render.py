"""From a policy file to the text that Vault gets. Pure.

A file holds ``path`` blocks with ``capabilities`` and perhaps lists of parameters, and the placeholders
``@@ACCESSOR@@``, ``@@KV@@``, ``@@TRANSIT@@`` and ``@@JWT@@``. It may grant less than the table of the design, never
more: who edits a file by mistake learns it here and not from an incident. Source: Vault docs, "Policies".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.kernel.errors import ServiceError
from app.vault import VISIBILITIES
from app.vault.options import Mounts

ROLES: Final = ("admin", "editor", "health", "mover", "operator", "owner", "record", "runtime")
"""One policy file each; all but ``operator`` are Vault roles to log in with."""

WORKSPACE: Final = "{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}"

CAPABILITIES: Final = frozenset({"create", "read", "update", "delete", "list", "patch", "sudo", "deny"})
_PARAMETER_LISTS: Final = frozenset({"allowed_parameters", "denied_parameters", "required_parameters"})

Grants = Mapping[str, frozenset[str]]


class PolicyFileWrong(ServiceError):
    """A policy file can't be used as it stands."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """One ``path`` block: what may be done there, and the parameters that may be sent."""

    path: str
    capabilities: frozenset[str]
    allowed_parameters: frozenset[str] | None = field(default=None)


# --- the table


def _caps(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _both(pattern: str, words: str) -> dict[str, frozenset[str]]:
    return {pattern.format(ws=WORKSPACE, v=visibility): _caps(words) for visibility in VISIBILITIES}


def _one(pattern: str, words: str) -> dict[str, frozenset[str]]:
    return {pattern.format(ws=WORKSPACE): _caps(words)}


_WRITER: Final[Grants] = {
    **_one("@@KV@@/data/{ws}/masked/+", "create update read delete"),
    **_one("@@KV@@/data/{ws}/restricted/+", "create update delete"),
    **_both("@@KV@@/metadata/{ws}/{v}/", "list"),
    **_both("@@KV@@/metadata/{ws}/{v}/+", "create read update delete"),
    **_both("@@KV@@/undelete/{ws}/{v}/+", "update"),
    **_both("@@KV@@/destroy/{ws}/{v}/+", "update"),
    **_both("@@TRANSIT@@/encrypt/{ws}.{v}", "update"),
    **_one("@@TRANSIT@@/decrypt/{ws}.masked", "update"),
    **_both("@@TRANSIT@@/keys/{ws}.{v}", "read"),
    **_both("@@TRANSIT@@/keys/{ws}.{v}/rotate", "update"),
}
_READER: Final[Grants] = {
    **_both("@@KV@@/data/{ws}/{v}/+", "read"),
    **_both("@@TRANSIT@@/decrypt/{ws}.{v}", "update"),
}

TABLE: Final[Mapping[str, Grants]] = {
    "owner": {
        **_WRITER,
        # Vault asks for "update" to make a key, since it doesn't look first whether there is one.
        **_both("@@TRANSIT@@/keys/{ws}.{v}", "create update read delete"),
        **_both("@@TRANSIT@@/keys/{ws}.{v}/config", "update"),
    },
    "admin": _WRITER,
    "editor": {
        **_one("@@KV@@/data/{ws}/masked/+", "read"),
        **_one("@@TRANSIT@@/decrypt/{ws}.masked", "update"),
    },
    "runtime": _READER,
    "mover": {**_READER, **_both("@@TRANSIT@@/rewrap/{ws}.{v}", "update")},
    "record": {
        **_one("@@TRANSIT@@/sign/_record", "update"),
        **_one("@@TRANSIT@@/verify/_record", "update"),
        **_one("@@TRANSIT@@/keys/_record", "read"),
    },
    "health": {
        **_one("@@KV@@/config", "read"),
        **_one("@@TRANSIT@@/keys/_record", "read"),
    },
    "operator": {
        **_one("sys/mounts", "read"),
        **_one("sys/mounts/@@KV@@", "create update"),
        **_one("sys/mounts/@@KV@@/tune", "update"),
        **_one("sys/mounts/@@TRANSIT@@", "create update"),
        **_one("sys/mounts/@@TRANSIT@@/tune", "update"),
        **_one("@@KV@@/config", "create update read"),
        **_one("@@TRANSIT@@/keys/_record", "create update read"),
        **_one("sys/auth", "read"),
        **_one("sys/auth/@@JWT@@", "create update sudo"),
        **_one("sys/auth/@@JWT@@/tune", "update sudo"),
        **_one("auth/@@JWT@@/config", "create update read"),
        **_one("auth/@@JWT@@/role", "list"),
        **_one("auth/@@JWT@@/role/+", "create update read delete"),
        **_one("sys/policies/acl", "list"),
        **_one("sys/policies/acl/strongroom-*", "create update read delete"),
        **_one("sys/audit", "read sudo"),
        **_one("auth/token/revoke-self", "update"),
    },
}
"""What each role may do at most (design, section 3), by the path as it stands in the files."""

_KEY_SETTINGS: Final[Mapping[str, frozenset[str]]] = {
    **{path: frozenset({"type"}) for path in _both("@@TRANSIT@@/keys/{ws}.{v}", "")},
    **{path: frozenset({"deletion_allowed"}) for path in _both("@@TRANSIT@@/keys/{ws}.{v}/config", "")},
    "@@TRANSIT@@/keys/_record": frozenset({"type"}),
}
"""Where a write could make a key exportable: the parameters that may be sent at most."""


# --- the file


def render(role: str, text: str, *, accessor: str, mounts: Mounts) -> str:
    """Check a file and fill it in.

    Raises:
        PolicyFileWrong: for an unknown placeholder, a syntax error, or more than the role's row of the table.
    """
    check(role, text)
    values = {"ACCESSOR": accessor, "KV": mounts.kv, "TRANSIT": mounts.transit, "JWT": mounts.jwt}
    return re.sub(r"@@([A-Z]+)@@", lambda found: values[found[1]], text)


def check(role: str, text: str) -> None:
    """Do nothing where the file is in order and within the table.

    Raises:
        PolicyFileWrong: naming the file and what is wrong.
    """
    unknown = sorted(set(re.findall(r"@@.*?@@|@@", text)) - {"@@ACCESSOR@@", "@@KV@@", "@@TRANSIT@@", "@@JWT@@"})
    if unknown:
        raise PolicyFileWrong(f"{role}.hcl has an unknown placeholder: {unknown[0]}")
    table = TABLE[role]
    seen = set()
    for rule in parse(role, text):
        if rule.path in seen:
            raise PolicyFileWrong(f'{role}.hcl has path "{rule.path}" twice.')
        seen.add(rule.path)
        excess = sorted(rule.capabilities - table.get(rule.path, frozenset()) - {"deny"})
        if excess:
            raise PolicyFileWrong(f'{role}.hcl grants more than the table: {", ".join(excess)} on "{rule.path}".')
        settable = _KEY_SETTINGS.get(rule.path)
        if settable is None or not rule.capabilities & {"create", "update"}:
            continue
        if rule.allowed_parameters is None or not rule.allowed_parameters <= settable:
            names = ", ".join(sorted(settable))
            raise PolicyFileWrong(f'{role}.hcl must bound the parameters of "{rule.path}" to {names}.')


# --- the language: the part of HCL that a policy needs


_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*|//[^\n]*)|(?P<line>\n)|(?P<text>"(?:[^"\\\n]|\\["\\])*")|(?P<mark>[{}\[\],=])"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*|-?\d+)"""
)


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str
    line: int


class _Reader:
    """The pieces of a file, one after the other."""

    def __init__(self, role: str, text: str) -> None:
        self._role = role
        self._pieces = list(self._cut(text))
        self._next = 0

    def _cut(self, text: str) -> Iterator[_Piece]:
        at, line = 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise PolicyFileWrong(f"{self._role}.hcl, line {line}: not understood.")
            kind = found.lastgroup or ""
            if kind == "line":
                line += 1
            elif kind == "text":
                yield _Piece(kind, re.sub(r"\\(.)", r"\1", found[0][1:-1]), line)
            elif kind != "space":
                yield _Piece(kind, found[0], line)
            at = found.end()

    @property
    def ended(self) -> bool:
        return self._next == len(self._pieces)

    def at(self, mark: str) -> bool:
        """Tell whether this mark comes next, and step over it if so."""
        there = not self.ended and self._pieces[self._next].kind == "mark" and self._pieces[self._next].text == mark
        self._next += there
        return there

    def take(self, *kinds: str, text: str | None = None) -> str:
        """Return the next piece, which must be of one of these kinds."""
        piece = None if self.ended else self._pieces[self._next]
        if piece is None or piece.kind not in kinds or (text is not None and piece.text != text):
            wanted = text or " or ".join(kinds)
            where = f"line {piece.line}" if piece else "the end"
            raise PolicyFileWrong(f"{self._role}.hcl, {where}: {wanted} expected.")
        self._next += 1
        return piece.text


def parse(role: str, text: str) -> list[PathRule]:
    """Read the ``path`` blocks of a file.

    Raises:
        PolicyFileWrong: with the line, for whatever isn't exactly such blocks.
    """
    reader = _Reader(role, text)
    rules = []
    while not reader.ended:
        reader.take("word", text="path")
        rules.append(_rule(role, reader))
    return rules


def _rule(role: str, reader: _Reader) -> PathRule:
    path = reader.take("text")
    capabilities: frozenset[str] | None = None
    allowed = None
    reader.take("mark", text="{")
    while not reader.at("}"):
        name = reader.take("word")
        reader.take("mark", text="=")
        if name == "capabilities":
            capabilities = frozenset(_strings(reader))
        elif name in _PARAMETER_LISTS:
            names = frozenset(_parameters(reader)) if name != "required_parameters" else frozenset(_strings(reader))
            allowed = names if name == "allowed_parameters" else allowed
        else:
            raise PolicyFileWrong(f'{role}.hcl, path "{path}": {name} is nothing that a policy of ours has.')
    if capabilities is None or not capabilities <= CAPABILITIES:
        raise PolicyFileWrong(f'{role}.hcl, path "{path}": capabilities must be a list of words that Vault knows.')
    return PathRule(path, capabilities, allowed)


def _strings(reader: _Reader) -> Iterator[str]:
    reader.take("mark", text="[")
    while not reader.at("]"):
        yield reader.take("text", "word")
        if not reader.at(","):
            reader.take("mark", text="]")
            return


def _parameters(reader: _Reader) -> Iterator[str]:
    reader.take("mark", text="{")
    while not reader.at("}"):
        yield reader.take("text", "word")
        reader.take("mark", text="=")
        list(_strings(reader))
        reader.at(",")
