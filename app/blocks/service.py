"""Saved API blocks: making, listing, changing and deleting them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, cast

from sqlalchemy import Select, Table, Text, bindparam, delete, func, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access, Permission, allows, require
from app.audit.actions import Action
from app.audit.service import Deed, Target, recorded
from app.blocks.models import BlockRow
from app.calls.definition import WrittenCall, as_json, from_json
from app.calls.requirements import BlockProblem, needed_secrets, problems_of, unreadable
from app.calls.template import CallTemplate, parse_call
from app.db import Sessions
from app.kernel.errors import InUse, NameTaken, NotFound, StrongroomError, ValidationFailed, in_body
from app.kernel.preconditions import check_revision, require_confirmation
from app.kernel.unset import UNSET, Unset
from app.resources import Resources
from app.variables.secrets.references import UsableSecret, note_uses, secrets_checked_by, usable_secrets, uses_of_any
from app.variables.service import note_variable_uses, plain_names
from app.workspaces.service import settings_of

BLOCK_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
RESERVED_NAMES: Final = ("from-curl",)
"""What stands in the place of a block's name in a URL and is none."""
_KEPT_CHARACTERS: Final = 16 * 1024
_BLOCKS: Final = cast(Table, BlockRow.__table__)
_RUNNABLE: Final = select(_BLOCKS.c.id, _BLOCKS.c.answer, sql_cast(_BLOCKS.c.call, Text).label("call")).where(
    _BLOCKS.c.workspace == bindparam("workspace"), _BLOCKS.c.name == bindparam("name")
)
AnswerKind = Literal["full", "captures", "stream"]


@dataclass(frozen=True, slots=True)
class Block:
    """A block as somebody with this standing sees it; ``uses`` names its secrets, sorted."""

    id: str
    name: str
    title: str
    call: WrittenCall
    answer: AnswerKind
    uses: tuple[str, ...]
    problems: tuple[BlockProblem, ...]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    revision: int
    permissions: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class NewBlock:
    """What a block is made of; with an empty title it goes by its name."""

    name: str
    title: str
    call: WrittenCall
    answer: AnswerKind = "full"


@dataclass(frozen=True, slots=True)
class BlockChanges:
    """What an edit changes; the call as a whole."""

    title: str | Unset = UNSET
    call: WrittenCall | Unset = UNSET
    answer: AnswerKind | Unset = UNSET


class SavedBlocks:
    """A workspace's saved blocks; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._sessions, self._clock = resources.sessions, resources.clock

    def create(self, new: NewBlock, *, access: Access) -> Block:
        """Save a new block.

        Raises:
            Forbidden, NameTaken, UnknownSecret, PlaceNotAllowed, and whatever ``parse_call`` does.
            ValidationFailed: The name is reserved, or a stream has captures.
        """
        _refuse_reserved(new.name)
        template = parse_call(new.call)
        _refuse_captures_of_stream(new.answer, new.call)
        target = Target("block", uuid.uuid4().hex, new.name)
        with self._record(access, "block.create", target) as deed:
            require(access, Permission.BLOCK_WRITE)
            row = _new_row(new, target, access=access, now=self._clock())
            with self._sessions.begin() as session:
                session.add(row)
                try:
                    session.flush()
                except IntegrityError:
                    raise NameTaken(
                        f"There is a block {new.name} already.", errors={in_body("name"): ["Is taken."]}
                    ) from None
                secrets = _take_call(row, template, deed, session=session)
                plain = plain_names(template.workspace_variables, access=access, session=session)
                deed.complete(session, self._clock)
        return _as_block(row, template, secrets, plain, access=access)

    def list(
        self, *, access: Access, limit: int, after: str | None = None, offset: int = 0, q: str | None = None
    ) -> Sequence[Block]:
        """List a workspace's blocks by name.

        Args:
            offset: How many to leave out, where the list is asked for by the number of a page.
            q: Words for names, titles, URLs and secrets, in any order and case.
        """
        require(access, Permission.BLOCK_READ)
        query = _narrow(q, access).order_by(BlockRow.name).offset(offset).limit(limit)
        if after is not None:
            query = query.where(BlockRow.name > after)
        with self._sessions.read() as session:
            return _as_blocks(session.scalars(query).all(), access=access, session=session)

    def count(self, *, access: Access, q: str | None = None) -> int:
        """Return how many blocks ``list`` lists altogether."""
        require(access, Permission.BLOCK_READ)
        with self._sessions.read() as session:
            return session.scalar(select(func.count()).select_from(_narrow(q, access).subquery())) or 0

    def get(self, name: str, *, access: Access) -> Block:
        """Return one block. Raises ``NotFound``."""
        require(access, Permission.BLOCK_READ)
        with self._sessions.read() as session:
            return _as_blocks([block_row(session, access, name)], access=access, session=session)[0]

    def update(self, name: str, changes: BlockChanges, *, revision: int | None, access: Access) -> Block:
        """Change a block.

        Raises:
            Forbidden, NotFound, PreconditionFailed, UnknownSecret, PlaceNotAllowed, and whatever ``parse_call`` does.
        """
        template = None if changes.call is UNSET else parse_call(changes.call)
        with self._record(access, "block.update", Target("block", None, name[:64])) as deed:
            require(access, Permission.BLOCK_WRITE)
            with self._sessions.begin() as session:
                row = block_row(session, access, name, for_update=True)
                deed.target = Target("block", row.id, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                deed.detail["changed"] = sorted(
                    field for field in BlockChanges.__slots__ if getattr(changes, field) is not UNSET
                )
                if template is not None:
                    _take_call(row, template, deed, session=session)
                if changes.title is not UNSET:
                    row.title = changes.title or row.name
                if changes.answer is not UNSET:
                    row.answer = changes.answer
                _refuse_captures_of_stream(row.answer, from_json(row.call))
                row.revision += 1
                row.updated_at, row.updated_by = self._clock(), access.actor.name
                deed.complete(session, self._clock)
                return _as_blocks([row], access=access, session=session)[0]

    def delete(self, name: str, *, confirm: str | None, revision: int | None, access: Access) -> None:
        """Delete a block.

        Raises:
            InUse: New values of a secret are tried with it; ``extra["secrets"]`` names them.
            Forbidden, NotFound, ConfirmationRequired, PreconditionFailed
        """
        with self._record(access, "block.delete", Target("block", None, name[:64])) as deed:
            require(access, Permission.BLOCK_WRITE)
            with self._sessions.begin() as session:
                row = block_row(session, access, name, for_update=True)
                deed.target = Target("block", row.id, row.name)
                require_confirmation(confirm, row.name)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                _require_no_check(row, session)
                note_uses(session, workspace=row.workspace, block=row.name, secrets=())
                note_variable_uses(session, workspace=row.workspace, block=row.name, variables=())
                session.delete(row)
                deed.complete(session, self._clock)

    def _record(self, access: Access, action: Action, target: Target) -> AbstractContextManager[Deed]:
        return recorded(
            sessions=self._sessions, clock=self._clock, access=access, action=action, target=target, intent=False
        )


def _refuse_reserved(name: str) -> None:
    if name in RESERVED_NAMES:
        raise ValidationFailed(f"{name} is reserved.", errors={in_body("name"): ["Is reserved."]})


def _refuse_captures_of_stream(answer: str, call: WrittenCall) -> None:
    if answer == "stream" and call.captures:
        raise ValidationFailed(
            "A streamed answer has no captures.",
            errors={in_body("call").member("captures"): ["A streamed answer has no captures."]},
        )


def _new_row(new: NewBlock, target: Target, *, access: Access, now: datetime) -> BlockRow:
    return BlockRow(
        workspace=access.workspace,
        name=new.name,
        id=target.id,
        title=new.title or new.name,
        call=as_json(new.call),
        answer=new.answer,
        revision=1,
        created_at=now,
        created_by=access.actor.name,
        updated_at=now,
        updated_by=access.actor.name,
    )


def _take_call(row: BlockRow, template: CallTemplate, deed: Deed, *, session: Session) -> Mapping[str, UsableSecret]:
    """Check a call that is about to be saved, and note what it uses."""
    deed.detail |= {"host": template.origin.host, "port": template.origin.port, "secrets": list(template.secrets)}
    workspace = settings_of(row.workspace, session)
    secrets = needed_secrets(template, workspace=workspace, session=session, hold=True)
    row.call = as_json(template.written)
    note_uses(session, workspace=row.workspace, block=row.name, secrets=secrets)
    variables = template.workspace_variables
    note_variable_uses(session, workspace=row.workspace, block=row.name, variables=variables)
    return secrets


def _narrow(q: str | None, access: Access) -> Select[BlockRow]:
    query = _of_workspace(access)
    for word in (q or "").split():
        looked_in = (BlockRow.name, BlockRow.title, BlockRow.call["url"].as_string())
        uses = BlockRow.name.in_(uses_of_any(word, str(access.workspace)))
        query = query.where(or_(uses, *(column.icontains(word, autoescape=True) for column in looked_in)))
    return query


def _require_no_check(row: BlockRow, session: Session) -> None:
    checked = secrets_checked_by(row.name, row.workspace, session)
    if checked:
        raise InUse(
            f"New values of {', '.join(checked)} are checked with this block. Give them another check, or none, first.",
            extra={"secrets": list(checked)},
        )


def purge_blocks(workspace: str, *, sessions: Sessions) -> None:
    """Delete every block of a workspace that is being deleted."""
    with sessions.begin() as session:
        session.execute(delete(BlockRow).where(BlockRow.workspace == workspace))


def block_row(session: Session, access: Access, name: str, *, for_update: bool = False) -> BlockRow:
    """Return a block's row. Raises ``NotFound``."""
    query = _of_workspace(access).where(BlockRow.name == name)
    row = session.scalar(query.with_for_update() if for_update else query)
    if row is None:
        raise _no_block(name)
    return row


@dataclass(frozen=True, slots=True)
class Runnable:
    """What a run needs of a block."""

    id: str
    template: CallTemplate
    captures_only: bool
    streams: bool


def runnable(session: Session, access: Access, name: str) -> Runnable:
    """Return a block to be run. Raises ``NotFound``, and what ``parse_call`` does."""
    row = session.execute(_RUNNABLE, {"workspace": access.workspace, "name": name}).first()
    if row is None:
        raise _no_block(name)
    parse = _parsed_before if len(row.call) <= _KEPT_CHARACTERS else _parse
    return Runnable(row.id, parse(row.call), captures_only=row.answer == "captures", streams=row.answer == "stream")


def _parse(call: str) -> CallTemplate:
    return parse_call(from_json(json.loads(call)))


# By the text itself, since a call that was changed is another text: what is remembered of the database goes with any
# change, and most are of something else.
_parsed_before: Final = lru_cache(maxsize=1024)(_parse)


def _no_block(name: str) -> NotFound:
    return NotFound(f"There is no block {name[:64]}.")


def _of_workspace(access: Access) -> Select[BlockRow]:
    return select(BlockRow).where(BlockRow.workspace == access.workspace)


def _as_blocks(rows: Iterable[BlockRow], *, access: Access, session: Session) -> Sequence[Block]:
    """Return rows as somebody with this standing sees them, their secrets and variables looked up in a query each."""
    read = [(row, _read(row)) for row in rows]
    templates = [template for _, template in read if isinstance(template, CallTemplate)]
    names = {name for template in templates for name in template.secrets}
    workspace = settings_of(str(access.workspace), session)
    secrets = usable_secrets(names, workspace=workspace, session=session)
    variables = {name for template in templates for name in template.workspace_variables}
    plain = plain_names(variables, access=access, session=session)
    return [_as_block(row, template, secrets, plain, access=access) for row, template in read]


def _read(row: BlockRow) -> CallTemplate | StrongroomError:
    try:
        return parse_call(from_json(row.call))
    except StrongroomError as refused:  # the rules became stricter since it was saved
        return refused


def _as_block(
    row: BlockRow,
    read: CallTemplate | StrongroomError,
    secrets: Mapping[str, UsableSecret],
    plain: Set[str],
    *,
    access: Access,
) -> Block:
    writes = allows(access, Permission.BLOCK_WRITE)
    return Block(
        id=row.id,
        name=row.name,
        title=row.title,
        call=from_json(row.call),
        answer=cast(AnswerKind, row.answer),
        uses=() if isinstance(read, StrongroomError) else read.secrets,
        problems=unreadable(read) if isinstance(read, StrongroomError) else problems_of(read, secrets, plain),
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        revision=row.revision,
        permissions={"run": allows(access, Permission.BLOCK_RUN), "edit": writes, "delete": writes},
    )
