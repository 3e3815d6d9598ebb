"""Plain variables: named values (any JSON) that members read and change. They share their name space with secrets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access, Permission, allows, require
from app.audit.actions import Action
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import NotFound
from app.kernel.preconditions import check_revision, require_confirmation
from app.kernel.unset import UNSET, Unset
from app.resources import Resources
from app.variables.models import VariableRow, VariableUseRow
from app.variables.secrets.changes import name_taken
from app.variables.validation import check_size, require_unused
from app.workspaces.service import settings_of


@dataclass(frozen=True, slots=True)
class Variable:
    """A plain variable as somebody with this standing sees it; ``used_in`` names blocks, sorted."""

    id: str
    name: str
    value: object
    description: str
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    revision: int
    used_in: tuple[str, ...]
    permissions: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class NewVariable:
    """What a plain variable is made of."""

    name: str
    value: object
    description: str = ""


@dataclass(frozen=True, slots=True)
class VariableChanges:
    """What an edit changes."""

    value: object | Unset = UNSET
    description: str | Unset = UNSET


class Variables:
    """Makes, shows, changes and deletes plain variables; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._sessions = resources.sessions
        self._clock = resources.clock

    def create(self, new: NewVariable, *, access: Access) -> Variable:
        """Make a plain variable.

        Raises:
            Forbidden: The role may not.
            NameTaken: A variable or secret has the name.
            TooLong: The value is over its greatest length.
        """
        target = Target("variable", uuid.uuid4().hex, new.name)
        with self._record("variable.create", target, access) as deed:
            require(access, Permission.VARIABLE_WRITE)
            check_size(len(_as_stored(new.value)[0].encode()))
            row = self._new_row(new, str(target.id), access=access)
            try:
                with self._sessions.begin() as session:
                    settings_of(str(access.workspace), session)
                    session.add(row)
                    session.flush()
                    used_in = blocks_by_variable([row.name], row.workspace, session)
                    deed.complete(session, self._clock)
            except IntegrityError:
                raise name_taken(new.name) from None
        return as_variable(row, used_in, access=access)

    def _new_row(self, new: NewVariable, variable_id: str, *, access: Access) -> VariableRow:
        now, by = self._clock(), access.actor.name
        value, typed = _as_stored(new.value)
        return VariableRow(
            id=variable_id,
            workspace=access.workspace,
            name=new.name,
            folded_name=new.name.lower(),
            kind="plain",
            description=new.description,
            value=value,
            typed=typed,
            touched_at=now,
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
        )

    def get(self, name: str, *, access: Access) -> Variable:
        """Return one plain variable by its exact name.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such variable, also where the name is a secret's.
        """
        require(access, Permission.VARIABLE_READ)
        with self._sessions.read() as session:
            row = _plain_row(session, access, name)
            return as_variable(row, blocks_by_variable([name], row.workspace, session), access=access)

    def values(self, names: Collection[str], *, access: Access) -> Mapping[str, object]:
        """Return the values of these variables, as far as they are there.

        Raises:
            Forbidden: The role may not.
        """
        require(access, Permission.VARIABLE_READ)
        with self._sessions.read() as session:
            return plain_values(names, access=access, session=session)

    def update(self, name: str, changes: VariableChanges, *, revision: int | None, access: Access) -> Variable:
        """Change a plain variable.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such variable.
            PreconditionFailed: Somebody changed it since this revision.
            TooLong: The value is over its greatest length.
        """
        with self._record("variable.update", Target("variable", None, name[:64]), access) as deed:
            require(access, Permission.VARIABLE_WRITE)
            if changes.value is not UNSET:
                check_size(len(_as_stored(changes.value)[0].encode()))
            with self._sessions.begin() as session:
                row = _plain_row(session, access, name, for_update=True)
                deed.target = Target("variable", row.id, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                wanted = {each: getattr(changes, each) for each in VariableChanges.__slots__}
                changed = {each: value for each, value in wanted.items() if value is not UNSET}
                if changes.description is not UNSET:
                    row.description = changes.description
                if changes.value is not UNSET:
                    row.value, row.typed = _as_stored(changes.value)
                deed.detail["changed"] = sorted(changed)
                row.revision += 1
                row.updated_at, row.updated_by = self._clock(), access.actor.name
                used_in = blocks_by_variable([row.name], row.workspace, session)
                deed.complete(session, self._clock)
            return as_variable(row, used_in, access=access)

    def delete(
        self, name: str, *, confirm: str | None = None, force: bool = False, revision: int | None, access: Access
    ) -> None:
        """Delete a plain variable.

        Args:
            confirm: Its name; asked for with ``force`` alone, and compared wherever it is given.
            force: Delete it although blocks use it.

        Raises:
            Forbidden: The role may not.
            NotFound: There is no such variable.
            ConfirmationRequired: ``confirm`` isn't its name.
            PreconditionFailed: Somebody changed it since this revision.
            InUse: Blocks use it and ``force`` isn't set; ``extra["blocks"]`` names them.
        """
        with self._record("variable.delete", Target("variable", None, name[:64]), access) as deed:
            require(access, Permission.VARIABLE_WRITE)
            with self._sessions.begin() as session:
                row = _plain_row(session, access, name, for_update=True)
                deed.target = Target("variable", row.id, row.name)
                if force or confirm is not None:
                    require_confirmation(confirm, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                if not force:
                    require_unused(row.name, blocks_by_variable([row.name], row.workspace, session).get(row.name, ()))
                session.delete(row)
                deed.complete(session, self._clock)

    def _record(self, action: Action, target: Target, access: Access) -> AbstractContextManager[Deed]:
        return recorded(
            sessions=self._sessions, clock=self._clock, access=access, action=action, target=target, intent=False
        )


def _plain_row(session: Session, access: Access, name: str, *, for_update: bool = False) -> VariableRow:
    query = select(VariableRow).where(
        VariableRow.workspace == access.workspace, VariableRow.kind == "plain", VariableRow.name == name
    )
    row = session.scalar(query.with_for_update() if for_update else query)
    if row is None:
        raise NotFound(f"There is no plain variable {name[:64]}.")
    return row


def _as_stored(value: object) -> tuple[str, bool]:
    """Return the text of a value, and whether it is JSON; a text is itself."""
    return (value, False) if isinstance(value, str) else (json.dumps(value, ensure_ascii=False), True)


def _as_given(text: str | None, typed: bool) -> object:
    return json.loads(text or "null") if typed else text or ""


def as_variable(row: VariableRow, used_in: Mapping[str, Sequence[str]], *, access: Access) -> Variable:
    """Return a row as somebody with this standing sees it; ``used_in`` comes from ``blocks_by_variable``."""
    writes = allows(access, Permission.VARIABLE_WRITE)
    return Variable(
        id=row.id,
        name=row.name,
        value=_as_given(row.value, row.typed),
        description=row.description,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        revision=row.revision,
        used_in=tuple(used_in.get(row.name, ())),
        permissions={"edit": writes, "delete": writes},
    )


def plain_values(names: Collection[str], *, access: Access, session: Session) -> Mapping[str, object]:
    """Return the values of these variables, as far as they are there, for another domain's story in its session."""
    if not names:
        return {}
    query = select(VariableRow.name, VariableRow.value, VariableRow.typed).where(
        VariableRow.workspace == access.workspace, VariableRow.kind == "plain", VariableRow.name.in_(sorted(names))
    )
    return {name: _as_given(value, typed) for name, value, typed in session.execute(query)}


def plain_names(names: Collection[str], *, access: Access, session: Session) -> Set[str]:
    """Return which of these names are plain variables' of the workspace, for another domain's story in its session."""
    if not names:
        return frozenset()
    query = select(VariableRow.name).where(
        VariableRow.workspace == access.workspace, VariableRow.kind == "plain", VariableRow.name.in_(sorted(names))
    )
    return frozenset(session.scalars(query))


def blocks_by_variable(names: Collection[str], workspace: str, session: Session) -> Mapping[str, Sequence[str]]:
    """Return the blocks that use each of these plain variables, sorted; a variable that none uses is left out."""
    found: dict[str, list[str]] = {}
    if names:
        query = select(VariableUseRow.variable_name, VariableUseRow.block).where(
            VariableUseRow.workspace == workspace, VariableUseRow.variable_name.in_(sorted(names))
        )
        for name, block in session.execute(query.order_by(VariableUseRow.block)):
            found.setdefault(name, []).append(block)
    return found


def note_variable_uses(session: Session, *, workspace: str, block: str, variables: Iterable[str]) -> None:
    """Replace what is known of the plain variables that a block uses (none: the block is gone)."""
    session.execute(delete(VariableUseRow).where(VariableUseRow.workspace == workspace, VariableUseRow.block == block))
    session.add_all(
        VariableUseRow(workspace=workspace, variable_name=name, block=block) for name in sorted(set(variables))
    )
