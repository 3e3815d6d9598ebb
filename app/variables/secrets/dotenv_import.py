"""Making secrets of a .env file: read strictly, planned as a whole, then made one by one.

No message here quotes the file: what is wrong is told by its line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from dotenv.parser import Binding, parse_stream
from sqlalchemy import select

from app.access import Access
from app.kernel.errors import StrongroomError, ValidationFailed, in_body
from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.changes import Event
from app.variables.secrets.creation import NewSecret, rules_for
from app.variables.secrets.queries import Secret
from app.variables.secrets.service import Secrets
from app.variables.secrets.store import require_for
from app.variables.validation import VARIABLE_NAME
from app.vault import Visibility

GREATEST_FILE: Final = 1024 * 1024
_FAULTS_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret of the file, and the line on which it begins."""

    line: int
    name: str
    value: SecretValue


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What every secret of an import is made with."""

    visibility: Visibility = "masked"
    hosts: tuple[str, ...] | None = None
    places: tuple[str, ...] | None = None
    requests: tuple[AllowedRequest, ...] | None = None
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """What would become of one entry: ``told`` says why where it can't be made."""

    fate: Literal["create", "exists", "wrong"]
    entry: Entry
    new: NewSecret = field(repr=False)
    told: str | None = None


def read_dotenv(content: bytes) -> Sequence[Entry]:
    """Read a .env file; a variable in a value (``${OTHER}``) is not looked up, since a secret is what it is.

    Raises:
        ValidationFailed: naming every line that is wrong; nothing of the file can be used then.
    """
    bindings = list(parse_stream(io.StringIO(_decode(content), newline="")))
    faults = dict(_faults(bindings))
    if faults:
        told = {
            in_body("content", line, label=f"line {line}"): [fault]
            for line, fault in sorted(faults.items())[:_FAULTS_TOLD]
        }
        raise ValidationFailed(
            f"The file can't be read (lines that are wrong: {len(faults)}); nothing was done.", errors=told
        )
    return [
        Entry(_line(each), each.key, SecretValue(each.value))
        for each in bindings
        if each.key and each.value is not None
    ]


def _decode(content: bytes) -> str:
    if len(content) > GREATEST_FILE:
        raise ValidationFailed("The file has more than 1 MiB; no .env file has.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValidationFailed(
            f"The file isn't in UTF-8: line {line} has bytes that are none. Save it as UTF-8."
        ) from None
    if "\x00" in text:
        raise ValidationFailed("The file holds NUL characters: it is no text, or in UTF-16. Save it as UTF-8.")
    return text


def _line(binding: Binding) -> int:
    string = binding.original.string
    return binding.original.line + string[: len(string) - len(string.lstrip())].count("\n")


def _faults(bindings: Sequence[Binding]) -> Iterator[tuple[int, str]]:
    seen: dict[str, int] = {}
    for each in bindings:
        line = _line(each)
        if each.error:
            yield line, "Can't be read: a quotation mark is missing, or something follows the closing one."
        elif each.key is None:
            continue
        elif not VARIABLE_NAME.fullmatch(each.key):
            yield line, "Has no name of the form [A-Za-z_][A-Za-z0-9_]{0,63}."
        elif each.value is None:
            yield line, "Has no =."
        elif (first := seen.setdefault(each.key.lower(), line)) != line:
            yield line, f"Has the same name as line {first} (upper and lower case count as one)."


class DotenvImport:
    """Plans and makes the secrets of a .env file; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def plan(self, entries: Sequence[Entry], rules: ImportRules, *, access: Access) -> Sequence[Planned]:
        """Say what would become of each entry; nothing is changed. Raises ``Forbidden``."""
        require_for(access, Event.CREATE)
        query = select(VariableRow.folded_name).where(VariableRow.workspace == access.workspace)
        with self._resources.sessions.read() as session:
            taken = set(session.scalars(query))
        return [self._plan_entry(entry, rules, taken=entry.name.lower() in taken) for entry in entries]

    def _plan_entry(self, entry: Entry, rules: ImportRules, *, taken: bool) -> Planned:
        new = NewSecret(
            name=entry.name,
            value=entry.value,
            visibility=rules.visibility,
            allowed_hosts=rules.hosts,
            allowed_places=rules.places,
            allowed_requests=rules.requests,
            wide=rules.wide,
        )
        if taken:
            return Planned("exists", entry, new)
        try:
            rules_for(new, self._resources.limits)
        except StrongroomError as error:
            return Planned("wrong", entry, new, error.detail)
        return Planned("create", entry, new)

    def create(self, planned: Planned, *, access: Access) -> Secret:
        """Make one secret of the plan, whole or not at all; recorded as ``secret.import``.

        Raises what ``Secrets.create`` does.
        """
        return Secrets(self._resources).create(planned.new, access=access, action="secret.import")
