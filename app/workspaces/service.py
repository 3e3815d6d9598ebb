"""Workspaces: creating, changing and deleting them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import Row, Table, bindparam, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import OPERATOR, Access, Permission, Principal, Role, require
from app.audit.service import Target, recorded
from app.db import Sessions
from app.identity.users import check_user_id, ensure_user
from app.kernel.errors import NameTaken, NotFound, StrongroomError, ValidationFailed, VaultError, in_body
from app.kernel.preconditions import check_revision, require_confirmation
from app.kernel.unset import UNSET, Unset
from app.resources import Resources
from app.vault import Engine
from app.workspaces.models import MemberRow, WorkspaceRow

WORKSPACE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,62}")
Purge = Callable[["Workspace"], None]
# Longer than creating a workspace can take, so that a row that is still pending then is one whose process died.
_CREATED_WITHIN: Final = timedelta(minutes=2)
# Written once, and of plain columns: whoever isn't in the cache yet is asked for by them.
_WORKSPACES: Final = cast(Table, WorkspaceRow.__table__)
ACTIVE: Final = select(_WORKSPACES).where(_WORKSPACES.c.name == bindparam("workspace"), _WORKSPACES.c.state == "active")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as its members see it."""

    name: str
    title: str
    engine: Engine
    refuse_expired: bool
    state: str
    revision: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """What a workspace is made of; ``owner`` is for a platform token that asks for itself."""

    name: str
    title: str | None = None
    engine: Engine = "kv"
    refuse_expired: bool = False
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class WorkspaceChanges:
    """What an edit changes."""

    title: str | Unset = UNSET
    refuse_expired: bool | Unset = UNSET


class Workspaces:
    """Creates, changes and deletes workspaces; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._sessions = resources.sessions
        self._clock = resources.clock

    def create(self, new: NewWorkspace, *, principal: Principal, request_id: str | None = None) -> Workspace:
        """Create a workspace with one owner: the user who asks or is acted for, or ``new.owner``.

        Raises:
            Forbidden: Only the platform creates workspaces.
            NameTaken: The name was given before, even if that workspace is deleted.
            ValidationFailed: There is nobody to own it, or two owners are named.
            VaultUnavailable: Vault could not be prepared; the name is free again.
        """
        access = Access(principal.actor, new.name, _creating_role(principal), request_id=request_id)
        with self._record("workspace.create", access, intent=True) as deed:
            require(access, Permission.WORKSPACE_CREATE)
            owner = _first_owner(new, principal)
            row = self._insert(new, owner, principal.actor.name)
            try:
                self._resources.vault.prepare_workspace(new.name, new.engine, role="owner")
            except VaultError:
                with self._sessions.begin() as session:
                    _drop_pending(session, row)
                raise
            with self._sessions.begin() as session:
                row = _still_pending(session, row)
                row.state = "active"
                deed.detail |= {"engine": new.engine, "owner": owner}
                deed.complete(session, self._clock)
        return _as_workspace(row)

    def _insert(self, new: NewWorkspace, owner: str, by: str) -> WorkspaceRow:
        now = self._clock()
        row = WorkspaceRow(
            name=new.name,
            title=new.title or new.name,
            engine=new.engine,
            refuse_expired=new.refuse_expired,
            state="pending",
            revision=1,
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
        )
        member = MemberRow(
            workspace=new.name, user_id=owner, role=Role.OWNER.value, revision=1, added_at=now, added_by=by
        )
        try:
            with self._sessions.begin() as session:
                _drop_stale_pending(session, new.name, now=now)
                ensure_user(session, owner, now=now)
                session.add(row)
                session.flush()
                session.add(member)
        except IntegrityError:
            raise _name_taken(new.name) from None
        return row

    def list(
        self, *, principal: Principal, limit: int, after: str | None = None, offset: int = 0
    ) -> Sequence[Workspace]:
        """List the workspaces that an actor is something in, by name; the platform sees that each exists.

        Args:
            after: The name after which the list goes on.
            offset: How many to leave out, where the list is asked for by the number of a page.

        Raises:
            Forbidden: A runtime token sees none: it runs blocks and reads nothing.
        """
        query = select(WorkspaceRow).where(WorkspaceRow.state == "active").order_by(WorkspaceRow.name)
        query = query.offset(offset).limit(limit)
        if principal.user is not None:
            query = query.join(MemberRow, MemberRow.workspace == WorkspaceRow.name).where(
                MemberRow.user_id == principal.user
            )
        elif principal.role is not Role.PLATFORM:
            require(Access(principal.actor, principal.workspace, principal.role), Permission.WORKSPACE_READ)
            query = query.where(WorkspaceRow.name == principal.workspace)
        if after is not None:
            query = query.where(WorkspaceRow.name > after)
        with self._sessions.read() as session:
            return [_as_workspace(row) for row in session.scalars(query)]

    def get(self, *, access: Access) -> Workspace:
        """Return the workspace that ``access`` stands in.

        Raises:
            Forbidden: The actor may not read it.
            NotFound: It is gone.
        """
        require(access, Permission.WORKSPACE_READ)
        with self._sessions.read() as session:
            return _as_workspace(active_row(session, access))

    def update(self, changes: WorkspaceChanges, *, revision: int | None, access: Access) -> Workspace:
        """Change a workspace's title or settings.

        Raises:
            Forbidden: Only owners do.
            NotFound: It is gone.
            PreconditionFailed: ``revision`` isn't the one in force.
        """
        with self._record("workspace.update", access) as deed:
            require(access, Permission.WORKSPACE_UPDATE)
            with self._sessions.begin() as session:
                row = active_row(session, access, for_update=True)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                for name in ("title", "refuse_expired"):
                    if (value := getattr(changes, name)) is not UNSET:
                        setattr(row, name, value)
                        deed.detail[name] = value
                row.revision += 1
                row.updated_at, row.updated_by = self._clock(), access.actor.name
                deed.complete(session, self._clock)
            return _as_workspace(row)

    def delete(
        self, *, confirm: str | None, revision: int | None = None, access: Access, purges: Sequence[Purge]
    ) -> None:
        """Delete a workspace with all that is in it; its record stays.

        From the moment the row says ``deleting`` nobody can enter; the purges, each of which may run as often as it
        takes, do the rest, and ``finish_deletions`` goes on where this was broken off.

        Args:
            confirm: The workspace's name, repeated.

        Raises:
            Forbidden: Only owners do.
            ConfirmationRequired: ``confirm`` doesn't repeat the name.
            PreconditionFailed: ``revision`` isn't the one in force.
            VaultUnavailable: Something is still to be purged.
        """
        with self._record("workspace.delete", access, intent=True) as deed:
            require(access, Permission.WORKSPACE_DELETE)
            require_confirmation(confirm, str(access.workspace))
            with self._sessions.begin() as session:
                row = active_row(session, access, for_update=True)
                check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
                row.state = "deleting"
                row.revision += 1
                row.updated_at, row.updated_by = self._clock(), access.actor.name
                workspace = _as_workspace(row)
            _purge(workspace, purges, sessions=self._sessions)
            deed.detail["engine"] = workspace.engine

    def _record(
        self,
        action: Literal["workspace.create", "workspace.update", "workspace.delete"],
        access: Access,
        *,
        intent: bool = False,
    ) -> recorded:
        return recorded(
            sessions=self._sessions,
            clock=self._clock,
            access=access,
            action=action,
            target=Target("workspace", access.workspace, access.workspace),
            intent=intent,
        )


def _creating_role(principal: Principal) -> Role | None:
    # A user for whom the platform acts makes a workspace with the platform's right, and owns it.
    by_platform = principal.role is Role.PLATFORM or (principal.actor.type == "token" and principal.actor.acting_for)
    return Role.PLATFORM if by_platform or principal.actor == OPERATOR else principal.role


def _first_owner(new: NewWorkspace, principal: Principal) -> str:
    if principal.user and new.owner and new.owner != principal.user:
        raise ValidationFailed(
            "The user acted for owns the workspace; name no other.",
            errors={in_body("owner"): ["Must be the user acted for."]},
        )
    owner = new.owner or principal.user
    if owner is None:
        raise ValidationFailed(
            "A workspace needs an owner: name one, or act for one.",
            errors={in_body("owner"): ["Missing data for required field."]},
        )
    check_user_id(owner, field=in_body("owner"))
    return owner


def _drop_stale_pending(session: Session, name: str, *, now: datetime) -> None:
    # A workspace whose creation was broken off never was one: nobody could enter it, and Vault holds no value of it.
    row = session.get(WorkspaceRow, name, with_for_update=True)
    if row is not None and row.state == "pending" and row.created_at <= now - _CREATED_WITHIN:
        _drop_pending(session, row)


def _drop_pending(session: Session, row: WorkspaceRow) -> None:
    mine = (WorkspaceRow.name == row.name, WorkspaceRow.state == "pending", WorkspaceRow.created_at == row.created_at)
    if session.scalar(select(WorkspaceRow.name).where(*mine).with_for_update()) is not None:
        session.execute(delete(MemberRow).where(MemberRow.workspace == row.name))
        session.execute(delete(WorkspaceRow).where(*mine))


def _still_pending(session: Session, row: WorkspaceRow) -> WorkspaceRow:
    """Return the row that was inserted, unless it took so long that somebody else was given the name."""
    current = session.get(WorkspaceRow, row.name, with_for_update=True)
    if current is None or current.state != "pending" or current.created_at != row.created_at:
        raise _name_taken(row.name)
    return current


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"The name {name} was used before; a workspace's name is never used again.")


def settings_of(workspace: str, session: Session) -> Workspace:
    """Return a workspace for another domain's own story, in its session. Raises ``NotFound``."""
    row = session.execute(ACTIVE, {"workspace": workspace}).first()
    if row is None:
        raise NotFound("There is no such workspace.")
    return _as_workspace(row)


def find_workspace(workspace: str, session: Session) -> Workspace:
    """Return a workspace whatever became of it, for what has to be mended. Raises ``NotFound``."""
    row = session.get(WorkspaceRow, workspace)
    if row is None:
        raise NotFound("There is no such workspace.")
    return _as_workspace(row)


def lock_workspace(workspace: str, session: Session) -> None:
    """Have a workspace's deletion begin before this transaction, or after it. Raises ``NotFound``."""
    query = select(WorkspaceRow.state).where(WorkspaceRow.name == workspace)
    if session.scalar(query.with_for_update(read=True)) != "active":
        raise NotFound("There is no such workspace.")


def list_names(*, sessions: Sessions) -> Sequence[str]:
    """List the names that were ever given, for the service's own use."""
    with sessions.read() as session:
        return session.scalars(select(WorkspaceRow.name).order_by(WorkspaceRow.name)).all()


def require_workspace(name: str, *, sessions: Sessions) -> None:
    """Raise ``NotFound`` where there is no such workspace."""
    with sessions.read() as session:
        settings_of(name, session)


def finish_deletions(*, sessions: Sessions, purges: Sequence[Purge]) -> Sequence[str]:
    """Go on with every deletion that was broken off; returns the names of the workspaces that are gone now."""
    with sessions.read() as session:
        rows = session.scalars(select(WorkspaceRow).where(WorkspaceRow.state == "deleting")).all()
    finished = []
    for row in rows:
        try:
            _purge(_as_workspace(row), purges, sessions=sessions)
        except StrongroomError:
            continue  # Vault is away; the next round goes on
        finished.append(row.name)
    return finished


def _purge(workspace: Workspace, purges: Sequence[Purge], *, sessions: Sessions) -> None:
    for purge in purges:
        purge(workspace)
    with sessions.begin() as session:
        session.execute(delete(MemberRow).where(MemberRow.workspace == workspace.name))
        row = session.get_one(WorkspaceRow, workspace.name)
        row.state, row.title = "deleted", row.name


def active_row(session: Session, access: Access, *, for_update: bool = False) -> WorkspaceRow:
    """Return the row of the workspace that ``access`` stands in. Raises ``NotFound`` where it is gone."""
    row = session.get(WorkspaceRow, access.workspace, with_for_update=for_update)
    if row is None or row.state != "active":
        raise NotFound("There is no such workspace.")
    return row


def _as_workspace(row: WorkspaceRow | Row[Any]) -> Workspace:
    return Workspace(**{name: getattr(row, name) for name in Workspace.__slots__})
