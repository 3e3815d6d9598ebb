"""The part of HCL that a policy file of ours may have. Pure.

Vault takes more, and takes it silently: of an attribute that stands twice in a block OpenBao grants the union. So
whatever isn't exactly one ``path`` block after the other, each attribute and parameter once, is refused with its line.
Source: Vault docs, "Policies".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from app.kernel.errors import ServiceError

CAPABILITIES: Final = frozenset({"create", "read", "update", "delete", "list", "patch", "sudo", "deny"})


class InvalidPolicyFile(ServiceError):
    """A policy file can't be used as it stands."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """One ``path`` block: what may be done there, and with which parameters.

    ``allowed_parameters`` maps a parameter to the values it may have, none meaning any; None means any parameter.
    """

    path: str
    capabilities: frozenset[str]
    allowed_parameters: Mapping[str, frozenset[str]] | None = None
    required_parameters: frozenset[str] = field(default=frozenset())


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
                raise InvalidPolicyFile(f"{self._role}.hcl, line {line}: not understood.")
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
            raise InvalidPolicyFile(f"{self._role}.hcl, {where}: {wanted} expected.")
        self._next += 1
        return piece.text


def parse(role: str, text: str) -> list[PathRule]:
    """Read the ``path`` blocks of a file.

    Raises:
        InvalidPolicyFile: with the line, for whatever isn't exactly such blocks, each path once.
    """
    reader = _Reader(role, text)
    rules: dict[str, PathRule] = {}
    while not reader.ended:
        reader.take("word", text="path")
        rule = _rule(role, reader)
        # Vault leaves out a slash at the beginning, so two paths that differ in it alone are one.
        if rule.path.lstrip("/") in rules:
            raise InvalidPolicyFile(f'{role}.hcl has path "{rule.path}" twice.')
        rules[rule.path.lstrip("/")] = rule
    return list(rules.values())


def _rule(role: str, reader: _Reader) -> PathRule:
    path = reader.take("text")
    where = f'{role}.hcl, path "{path}"'
    found: dict[str, object] = {}
    reader.take("mark", text="{")
    while not reader.at("}"):
        name = reader.take("word")
        reader.take("mark", text="=")
        if name in found:
            raise InvalidPolicyFile(f"{where}: {name} stands twice. OpenBao would grant what both say.")
        if name not in _ATTRIBUTES:
            raise InvalidPolicyFile(f"{where}: {name} can't stand in a policy here.")
        found[name] = _ATTRIBUTES[name](where, reader)
    capabilities = found.get("capabilities")
    if not isinstance(capabilities, frozenset) or not capabilities <= CAPABILITIES:
        raise InvalidPolicyFile(f"{where}: capabilities must be a list of words that Vault knows.")
    allowed, required = found.get("allowed_parameters"), found.get("required_parameters", frozenset())
    return PathRule(
        path,
        capabilities,
        allowed if isinstance(allowed, Mapping) else None,
        required if isinstance(required, frozenset) else frozenset(),
    )


def _words(where: str, reader: _Reader) -> frozenset[str]:
    words = list(_strings(reader))
    if len(set(words)) < len(words):
        raise InvalidPolicyFile(f"{where}: a word stands twice in a list.")
    return frozenset(words)


def _strings(reader: _Reader) -> Iterator[str]:
    reader.take("mark", text="[")
    while not reader.at("]"):
        yield reader.take("text", "word")
        if not reader.at(","):
            reader.take("mark", text="]")
            return


def _parameters(where: str, reader: _Reader) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    reader.take("mark", text="{")
    while not reader.at("}"):
        # Vault compares parameters whatever their case.
        name = reader.take("text", "word").lower()
        if name in found:
            raise InvalidPolicyFile(f"{where}: the parameter {name} stands twice.")
        reader.take("mark", text="=")
        found[name] = _words(where, reader)
        reader.at(",")
    return MappingProxyType(found)


_ATTRIBUTES: Final[Mapping[str, Callable[[str, _Reader], object]]] = {
    "capabilities": _words,
    "allowed_parameters": _parameters,
    "required_parameters": _words,
}
