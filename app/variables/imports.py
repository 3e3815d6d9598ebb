"""Making secrets, and plain variables, of a .env file: each line for itself.

No message here quotes the file: what is wrong is told by its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

from sqlalchemy import select

from app.access import Access
from app.kernel.errors import CallerError, StrongroomError, ValidationFailed, in_body
from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.resources import Resources
from app.variables.dotenv import Assignment, read_dotenv
from app.variables.models import VariableRow
from app.variables.secrets.changes import ChangeEvent
from app.variables.secrets.creation import NewSecret, rules_for
from app.variables.secrets.queries import ValueWarning, warnings_of
from app.variables.secrets.service import Secrets
from app.variables.secrets.store import require_for
from app.variables.service import NewVariable, Variables
from app.variables.validation import check_size, normalise_hosts
from app.vault import Visibility

Result = Literal["created", "exists", "skipped", "refused"]
RESULTS: Final = get_args(Result)


@dataclass(frozen=True, slots=True)
class Import:
    """What is imported, and how: ``only`` these names, those of ``plain`` as plain variables."""

    content: str = field(repr=False)
    visibility: Visibility = "masked"
    allowed_hosts: tuple[str, ...] | None = None
    allowed_places: tuple[str, ...] | None = None
    allowed_requests: tuple[AllowedRequest, ...] | None = None
    wide: bool = False
    only: tuple[str, ...] | None = None
    plain: tuple[str, ...] = ()
    dry_run: bool = False
    format: Literal["dotenv"] = "dotenv"


@dataclass(frozen=True, slots=True)
class ImportedLine:
    """What became of one assignment, or would in a dry run.

    A code and a sentence stand there where it wasn't made; warnings where it was, and its value is odd.
    """

    line: int
    name: str
    result: Result
    code: str | None = None
    detail: str | None = None
    warnings: tuple[ValueWarning, ...] = ()


class Imports:
    """Makes secrets and variables of files; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def run(self, wanted: Import, *, access: Access) -> Sequence[ImportedLine]:
        """Make of each assignment a secret or a plain variable, each whole or not at all, recorded one by one.

        Where Vault or the record can't be reached, no further one is tried.

        Raises:
            Forbidden: The role may not.
            ValidationFailed: The file can't be read at all, or a name that is asked for isn't in it.
            AllowedHostsRequired, AllowedHostsTooWide: No secret could be made so.
        """
        require_for(access, ChangeEvent.CREATE)
        assignments = read_dotenv(wanted.content, plain=wanted.plain)
        _require_names(assignments, wanted)
        if any(each.value is not None for each in assignments):
            normalise_hosts(wanted.allowed_hosts, wanted.visibility, wide=wanted.wide)
        return list(self._lines(assignments, wanted, access=access))

    def _lines(self, assignments: Sequence[Assignment], wanted: Import, *, access: Access) -> Iterator[ImportedLine]:
        taken, stopped = self._names_in_use(access), None
        for each in assignments:
            told = _verdict(each, wanted, taken=each.name.lower() in taken)
            if told is None and stopped is not None:
                told = ImportedLine(each.line, each.name, "refused", stopped.code, f"Not tried. {stopped.detail}")
            if told is None:
                try:
                    self._make(each, wanted, access=access)
                    warnings = () if each.value is None else warnings_of(each.value)
                    told = ImportedLine(each.line, each.name, "created", warnings=warnings)
                except StrongroomError as refused:
                    told = _refusal(each, refused)
                    stopped = None if isinstance(refused, CallerError) else refused
            yield told

    def _names_in_use(self, access: Access) -> set[str]:
        query = select(VariableRow.folded_name).where(VariableRow.workspace == access.workspace)
        with self._resources.sessions.read() as session:
            return set(session.scalars(query))

    def _make(self, each: Assignment, wanted: Import, *, access: Access) -> None:
        if each.plain is not None:
            check_size(len(each.plain.encode()))
            if not wanted.dry_run:
                Variables(self._resources).create(NewVariable(each.name, each.plain), access=access)
            return
        new = NewSecret(
            name=each.name,
            value=cast(SecretValue, each.value),
            visibility=wanted.visibility,
            allowed_hosts=wanted.allowed_hosts,
            allowed_places=wanted.allowed_places,
            allowed_requests=wanted.allowed_requests,
            wide=wanted.wide,
        )
        rules_for(new, self._resources.limits)
        if not wanted.dry_run:
            Secrets(self._resources).create(new, access=access, action="secret.import")


def _require_names(assignments: Sequence[Assignment], wanted: Import) -> None:
    """Raise ``ValidationFailed`` where a name that is asked for isn't in the file."""
    known = {each.name for each in assignments}
    errors = {
        in_body(field, index): [f"The file assigns no {name[:64]}."]
        for field, names in (("only", wanted.only or ()), ("plain", wanted.plain))
        for index, name in enumerate(names)
        if name not in known
    }
    if errors:
        raise ValidationFailed("The file lacks a name that is asked for; nothing was done.", errors=errors)


def _verdict(each: Assignment, wanted: Import, *, taken: bool) -> ImportedLine | None:
    """Say what becomes of an assignment that nothing is made of; None for one that may be made."""
    if wanted.only is not None and each.name not in wanted.only:
        return ImportedLine(each.line, each.name, "skipped", detail="Isn't among the names asked for.")
    if each.fault is not None:
        return ImportedLine(each.line, each.name, "refused", ValidationFailed.code, each.fault)
    if each.empty:
        return ImportedLine(each.line, each.name, "skipped", detail="Is empty.")
    if taken:
        return ImportedLine(each.line, each.name, "exists", detail="It exists already, and stays as it is.")
    return None


def _refusal(each: Assignment, refused: StrongroomError) -> ImportedLine:
    result: Result = "exists" if refused.code == "name_taken" else "refused"
    return ImportedLine(each.line, each.name, result, refused.code, refused.detail)
