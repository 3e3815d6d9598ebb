"""Workspaces and members: who gets in, with what role; making, changing and deleting them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import Row, Table, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import MEMBER_ROLES, OPERATOR, Access, Permission, Principal, Role, require
from app.audit.service import Action, Deed, Target, recorded
from app.db import Sessions, VersionedCache
from app.identity.service import check_user_id, know_user, revoke_tokens_of
from app.kernel.clock import Clock
from app.kernel.errors import (
    ConfirmationRequired,
    LastOwner,
    NameTaken,
    NotFound,
    PreconditionFailed,
    StrongroomError,
    ValidationFailed,
    VaultError,
    in_body,
    in_query,
)
from app.kernel.unset import UNSET, Unset
from app.vault import Engine, Vault
from app.workspaces.models import MemberRow, WorkspaceRow

WORKSPACE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,62}")
Purge = Callable[["Workspace"], None]
# Longer than the making of a workspace can take, so that a row that is still pending then is one whose process died.
_MADE_WITHIN: Final = timedelta(minutes=2)
# Made once, and of plain columns: whoever isn't remembered yet is asked for by them.
_WORKSPACES: Final = cast(Table, WorkspaceRow.__table__)
_MEMBERS: Final = cast(Table, MemberRow.__table__)
_ACTIVE: Final = select(_WORKSPACES).where(
    _WORKSPACES.c.name == bindparam("workspace"), _WORKSPACES.c.state == "active"
)
_ROLE_OF: Final = (
    select(_MEMBERS.c.role)
    .join(_WORKSPACES)
    .where(_MEMBERS.c.workspace == bindparam("workspace"), _MEMBERS.c.user_id == bindparam("user"))
    .where(_WORKSPACES.c.state == "active")
)


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


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a workspace."""

    user: str
    role: Role
    revision: int
    added_at: datetime
    added_by: str


def enter(principal: Principal, workspace: str, *, request_id: str | None, cache: VersionedCache) -> Access:
    """Find an actor's standing in a workspace.

    Raises:
        NotFound: there is no such workspace, or it is none of this actor's; both are told alike.
    """
    key = ("role", principal.user, principal.role, principal.workspace, workspace)
    role = cache.get(key, lambda session: _role_in(session, principal, workspace))
    if role is None:
        raise NotFound("There is no such workspace.")
    return Access(principal.actor, workspace, role, principal.ad_hoc, request_id)


def _role_in(session: Session, principal: Principal, workspace: str) -> Role | None:
    if principal.user is None:
        if principal.role is not Role.PLATFORM and principal.workspace != workspace:
            return None
        return principal.role if session.execute(_ACTIVE, {"workspace": workspace}).first() else None
    role = session.execute(_ROLE_OF, {"workspace": workspace, "user": principal.user}).scalar()
    return Role(role) if role else None


def standings(
    principal: Principal, *, request_id: str | None, cache: VersionedCache, sessions: Sessions
) -> Sequence[Access]:
    """List every workspace that an actor is something in, by name; nothing for a platform token of its own."""
    if principal.user is None:
        if principal.workspace is None:
            return []
        try:
            return [enter(principal, principal.workspace, request_id=request_id, cache=cache)]
        except NotFound:
            return []
    query = (
        select(MemberRow.workspace, MemberRow.role)
        .join(WorkspaceRow, WorkspaceRow.name == MemberRow.workspace)
        .where(MemberRow.user_id == principal.user, WorkspaceRow.state == "active")
        .order_by(MemberRow.workspace)
    )
    with sessions.read() as session:
        return [
            Access(principal.actor, workspace, Role(role), principal.ad_hoc, request_id)
            for workspace, role in session.execute(query)
        ]


def create_workspace(
    new: NewWorkspace, *, principal: Principal, request_id: str | None, sessions: Sessions, vault: Vault, clock: Clock
) -> Workspace:
    """Make a workspace with one owner: the user who asks or is acted for, or ``new.owner``.

    Raises:
        Forbidden: only the platform makes workspaces.
        NameTaken: the name was given before, even if that workspace is deleted.
        ValidationFailed: there is nobody to own it, or two owners are named.
    """
    asking = Access(principal.actor, new.name, _creating_role(principal), request_id=request_id)
    with recorded(
        sessions=sessions, clock=clock, access=asking, action="workspace.create",
        target=Target("workspace", new.name, new.name),
    ) as deed:  # fmt: skip
        require(asking, Permission.WORKSPACE_CREATE)
        owner = _first_owner(new, principal)
        row = _insert_workspace(new, owner, principal.actor.name, sessions=sessions, clock=clock)
        try:
            vault.prepare_workspace(new.name, new.engine, role="owner")
        except VaultError:
            with sessions.begin() as session:
                _drop_pending(session, row)
            raise
        with sessions.begin() as session:
            row = _still_pending(session, row)
            row.state = "active"
            deed.detail |= {"engine": new.engine, "owner": owner}
            deed.done(session, clock)
    return _as_workspace(row)


def _creating_role(principal: Principal) -> Role | None:
    # A user for whom the platform acts makes a workspace with the platform's right, and owns it.
    by_platform = principal.role is Role.PLATFORM or (principal.actor.type == "token" and principal.actor.acting_for)
    return Role.PLATFORM if by_platform or principal.actor == OPERATOR else principal.role


def _first_owner(new: NewWorkspace, principal: Principal) -> str:
    if principal.user and new.owner and new.owner != principal.user:
        raise ValidationFailed(
            "The user acted for owns the workspace; name no other.",
            errors={in_body("owner"): ["Is the user acted for."]},
        )
    owner = new.owner or principal.user
    if owner is None:
        raise ValidationFailed(
            "A workspace needs an owner: name one, or act for one.",
            errors={in_body("owner"): ["Missing data for required field."]},
        )
    check_user_id(owner, field=in_body("owner"))
    return owner


def _insert_workspace(new: NewWorkspace, owner: str, by: str, *, sessions: Sessions, clock: Clock) -> WorkspaceRow:
    now = clock()
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
    try:
        with sessions.begin() as session:
            _give_way(session, new.name, now=now)
            know_user(session, owner, now=now)
            session.add(row)
            session.flush()
            session.add(
                MemberRow(
                    workspace=new.name, user_id=owner, role=Role.OWNER.value, revision=1, added_at=now, added_by=by
                )
            )
    except IntegrityError:
        raise _name_given(new.name) from None
    return row


def _give_way(session: Session, name: str, *, now: datetime) -> None:
    # A workspace whose making was broken off never was one: nobody could enter it, and Vault holds no value of it.
    row = session.get(WorkspaceRow, name, with_for_update=True)
    if row is not None and row.state == "pending" and row.created_at <= now - _MADE_WITHIN:
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
        raise _name_given(row.name)
    return current


def _name_given(name: str) -> NameTaken:
    return NameTaken(f"The name {name} was given before; a workspace's name is given once.")


def list_workspaces(
    *, principal: Principal, sessions: Sessions, limit: int, after: str | None = None
) -> Sequence[Workspace]:
    """List the workspaces that an actor is something in, by name; the platform sees that each exists.

    A runtime token sees none: it runs blocks and reads nothing.
    """
    query = select(WorkspaceRow).where(WorkspaceRow.state == "active").order_by(WorkspaceRow.name).limit(limit)
    if principal.user is not None:
        query = query.join(MemberRow, MemberRow.workspace == WorkspaceRow.name).where(
            MemberRow.user_id == principal.user
        )
    elif principal.role is not Role.PLATFORM:
        require(Access(principal.actor, principal.workspace, principal.role), Permission.WORKSPACE_READ)
        query = query.where(WorkspaceRow.name == principal.workspace)
    if after is not None:
        query = query.where(WorkspaceRow.name > after)
    with sessions.read() as session:
        return [_as_workspace(row) for row in session.scalars(query)]


def get_workspace(*, access: Access, sessions: Sessions) -> Workspace:
    """Return the workspace that ``access`` stands in."""
    require(access, Permission.WORKSPACE_READ)
    with sessions.read() as session:
        return _as_workspace(_active(session, access))


def settings_of(workspace: str, session: Session) -> Workspace:
    """Return a workspace for another domain's own story, in its session. Raises ``NotFound``."""
    row = session.execute(_ACTIVE, {"workspace": workspace}).first()
    if row is None:
        raise NotFound("There is no such workspace.")
    return _as_workspace(row)


def find_workspace(workspace: str, session: Session) -> Workspace:
    """Return a workspace whatever became of it, for what has to be mended. Raises ``NotFound``."""
    row = session.get(WorkspaceRow, workspace)
    if row is None:
        raise NotFound("There is no such workspace.")
    return _as_workspace(row)


def hold_workspace(workspace: str, session: Session) -> None:
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


def update_workspace(
    changes: WorkspaceChanges, *, revision: int | None, access: Access, sessions: Sessions, clock: Clock
) -> Workspace:
    """Change a workspace's title or settings. Raises ``PreconditionFailed`` where ``revision`` isn't the newest."""
    with _recorded(access, "workspace.update", clock=clock, sessions=sessions) as deed:
        require(access, Permission.WORKSPACE_UPDATE)
        with sessions.begin() as session:
            row = _active(session, access, for_update=True)
            check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
            for name in ("title", "refuse_expired"):
                if (value := getattr(changes, name)) is not UNSET:
                    setattr(row, name, value)
                    deed.detail[name] = value
            row.revision += 1
            row.updated_at, row.updated_by = clock(), access.actor.name
            deed.done(session, clock)
        return _as_workspace(row)


def delete_workspace(
    *,
    confirm: str | None,
    revision: int | None = None,
    access: Access,
    sessions: Sessions,
    clock: Clock,
    purges: Sequence[Purge],
) -> None:
    """Delete a workspace with all that is in it; its record stays.

    From the moment the row says ``deleting`` nobody can enter; the purges, each of which may run as often as it
    takes, do the rest, and ``finish_deletions`` goes on where this was broken off.
    """
    with _recorded(access, "workspace.delete", clock=clock, sessions=sessions, intent=True) as deed:
        require(access, Permission.WORKSPACE_DELETE)
        require_confirmation(confirm, str(access.workspace))
        with sessions.begin() as session:
            row = _active(session, access, for_update=True)
            check_revision(revision, row.revision, by=row.updated_by, at=row.updated_at)
            row.state = "deleting"
            row.revision += 1
            row.updated_at, row.updated_by = clock(), access.actor.name
            workspace = _as_workspace(row)
        _purge(workspace, purges, sessions=sessions)
        deed.detail["engine"] = workspace.engine


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


def list_members(*, access: Access, sessions: Sessions, limit: int, after: str | None = None) -> Sequence[Member]:
    """List a workspace's members by user id."""
    require(access, Permission.MEMBER_READ)
    query = select(MemberRow).where(MemberRow.workspace == access.workspace).order_by(MemberRow.user_id).limit(limit)
    if after is not None:
        query = query.where(MemberRow.user_id > after)
    with sessions.read() as session:
        return [_as_member(row) for row in session.scalars(query)]


def get_member(user: str, *, access: Access, sessions: Sessions) -> Member:
    """Return one member. Raises ``NotFound``."""
    require(access, Permission.MEMBER_READ)
    with sessions.read() as session:
        return _as_member(_member(session, access, user))


def put_member(
    user: str, role: Role, *, revision: int | None = None, access: Access, sessions: Sessions, clock: Clock
) -> tuple[Member, bool]:
    """Add a member or change their role; tells whether they are new.

    Raises:
        Forbidden: an admin gives or takes no owner's role.
        LastOwner: the workspace would be left without an owner.
    """
    with sessions.read() as session:
        existing = session.get(MemberRow, (access.workspace, user))
    action: Action = "member.change" if existing else "member.add"
    with recorded(
        sessions=sessions,
        clock=clock,
        access=access,
        action=action,
        target=Target("member", user[:128], user[:128]),
        intent=False,
    ) as deed:
        _require_over(access, existing.role if existing else None, role)
        check_user_id(user)
        deed.detail["role"] = role.value
        with sessions.begin() as session:
            _hold_members(session, access)
            row = session.get(MemberRow, (access.workspace, user))
            added = row is None
            deed.action = "member.add" if added else "member.change"
            if row is None:
                if revision is not None:
                    raise PreconditionFailed("This member isn't there any more.")
                row = _add_member(session, user, role, access=access, now=clock())
            else:
                _check_member(revision, row)
                _change_role(session, row, role, access=access, now=clock())
            deed.done(session, clock)
        return _as_member(row), added


def _add_member(session: Session, user: str, role: Role, *, access: Access, now: datetime) -> MemberRow:
    know_user(session, user, now=now)
    row = MemberRow(
        workspace=access.workspace, user_id=user, role=role.value, revision=1, added_at=now, added_by=access.actor.name
    )
    session.add(row)
    return row


def _change_role(session: Session, row: MemberRow, role: Role, *, access: Access, now: datetime) -> None:
    _require_over(access, row.role, role)
    if row.role == Role.OWNER.value and role is not Role.OWNER:
        _require_another_owner(session, access, row.user_id)
    if role is Role.EDITOR and row.role != role.value:
        revoke_tokens_of(session, row.user_id, str(access.workspace), now=now)
    row.role = role.value
    row.revision += 1
    row.changed_at, row.changed_by = now, access.actor.name


def remove_member(
    user: str, *, confirm: str | None, revision: int | None = None, access: Access, sessions: Sessions, clock: Clock
) -> None:
    """Remove a member, and revoke the tokens they made.

    Raises:
        Forbidden, NotFound, LastOwner, ConfirmationRequired, PreconditionFailed
    """
    with recorded(
        sessions=sessions, clock=clock, access=access, action="member.remove",
        target=Target("member", user[:128], user[:128]), intent=False,
    ) as deed:  # fmt: skip
        require(access, Permission.MEMBER_MANAGE)
        with sessions.begin() as session:
            _hold_members(session, access)
            row = _member(session, access, user)
            _require_over(access, row.role, None)
            require_confirmation(confirm, user)
            _check_member(revision, row)
            if row.role == Role.OWNER.value:
                _require_another_owner(session, access, user)
            revoke_tokens_of(session, user, str(access.workspace), now=clock())
            session.delete(row)
            deed.done(session, clock)


def _hold_members(session: Session, access: Access) -> None:
    """Have changes of a workspace's members wait for each other: of two owners who leave at once, one stays."""
    _active(session, access, for_update=True)


def _require_over(access: Access, role_now: str | None, role_then: Role | None) -> None:
    require(access, Permission.MEMBER_MANAGE)
    if role_then is not None and role_then not in MEMBER_ROLES:
        raise ValidationFailed(
            "A member is owner, admin or editor.",
            errors={in_body("role"): ["One of: owner, admin, editor."]},
        )
    if Role.OWNER.value in (role_now, role_then):
        require(access, Permission.MEMBER_MANAGE_OWNERS)


def _require_another_owner(session: Session, access: Access, user: str) -> None:
    others = session.scalar(
        select(func.count())
        .select_from(MemberRow)
        .where(MemberRow.workspace == access.workspace, MemberRow.role == "owner", MemberRow.user_id != user)
    )
    if not others:
        raise LastOwner("A workspace always keeps at least one owner; make somebody else an owner first.")


def _check_member(revision: int | None, row: MemberRow) -> None:
    check_revision(revision, row.revision, by=row.changed_by or row.added_by, at=row.changed_at or row.added_at)


def check_revision(wanted: int | None, current: int, *, by: str | None = None, at: datetime | None = None) -> None:
    """Raise ``PreconditionFailed`` where the caller saw another revision; it tells who changed it and when.

    None asks for no revision, and 0 for any.
    """
    if wanted and wanted != current:
        changed = {"changed_by": by, "changed_at": at.isoformat().replace("+00:00", "Z")} if by and at else {}
        told = f" by {by} at {changed['changed_at']}" if changed else ""
        raise PreconditionFailed(f"It was changed{told} since you read it; read it again.", extra=changed)


def require_confirmation(confirm: str | None, name: str) -> None:
    """Raise ``ConfirmationRequired`` where ``confirm`` doesn't repeat the name."""
    if confirm != name:
        raise ConfirmationRequired(
            f"This can't be brought back. Say ?confirm={name} to go on.",
            errors={in_query("confirm"): [f"Must be {name}."]},
        )


def _recorded(
    access: Access,
    action: Literal["workspace.update", "workspace.delete"],
    *,
    clock: Clock,
    sessions: Sessions,
    intent: bool = False,
) -> AbstractContextManager[Deed]:
    target = Target("workspace", access.workspace, access.workspace)
    return recorded(sessions=sessions, clock=clock, access=access, action=action, target=target, intent=intent)


def _active(session: Session, access: Access, *, for_update: bool = False) -> WorkspaceRow:
    row = session.get(WorkspaceRow, access.workspace, with_for_update=for_update)
    if row is None or row.state != "active":
        raise NotFound("There is no such workspace.")
    return row


def _member(session: Session, access: Access, user: str) -> MemberRow:
    row = session.get(MemberRow, (access.workspace, user))
    if row is None:
        raise NotFound("There is no such member.")
    return row


def _as_workspace(row: WorkspaceRow | Row[Any]) -> Workspace:
    return Workspace(**{name: getattr(row, name) for name in Workspace.__slots__})


def _as_member(row: MemberRow) -> Member:
    return Member(row.user_id, Role(row.role), row.revision, row.added_at, row.added_by)
