"""A workspace's members: who gets in, with what role; adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Select, Table, bindparam, func, select
from sqlalchemy.orm import Session

from app.access import MEMBER_ROLES, Access, Permission, Principal, Role, require
from app.audit.actions import Action
from app.audit.service import Target, recorded
from app.db import Sessions, VersionedCache
from app.identity.users import check_user_id, ensure_user, revoke_tokens_made_by
from app.kernel.clock import Clock
from app.kernel.errors import LastOwner, NotFound, PreconditionFailed, ValidationFailed, in_body
from app.kernel.preconditions import check_revision, require_confirmation
from app.workspaces.models import MemberRow, WorkspaceRow
from app.workspaces.service import ACTIVE, active_row

# Written once, and of plain columns: whoever isn't in the cache yet is asked for by them.
_WORKSPACES: Final = cast(Table, WorkspaceRow.__table__)
_MEMBERS: Final = cast(Table, MemberRow.__table__)
_ROLE_OF: Final = (
    select(_MEMBERS.c.role)
    .join(_WORKSPACES)
    .where(_MEMBERS.c.workspace == bindparam("workspace"), _MEMBERS.c.user_id == bindparam("user"))
    .where(_WORKSPACES.c.state == "active")
)


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
        NotFound: There is no such workspace, or it is none of this actor's; both are told alike.
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
        return principal.role if session.execute(ACTIVE, {"workspace": workspace}).first() else None
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


def _narrow(q: str | None, access: Access) -> Select[MemberRow]:
    query = select(MemberRow).where(MemberRow.workspace == access.workspace)
    return query.where(MemberRow.user_id.icontains(q, autoescape=True)) if q else query


class Members:
    """Adds, changes and removes a workspace's members; bound to the database and the clock."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def list(
        self, *, access: Access, limit: int, after: str | None = None, offset: int = 0, q: str | None = None
    ) -> Sequence[Member]:
        """List a workspace's members by user id.

        Args:
            offset: How many to leave out, where the list is asked for by the number of a page.
            q: A part of the user id, whatever its case.

        Raises:
            Forbidden: The actor may not read members.
        """
        require(access, Permission.MEMBER_READ)
        query = _narrow(q, access).offset(offset)
        if after is not None:
            query = query.where(MemberRow.user_id > after)
        with self._sessions.read() as session:
            return [_as_member(row) for row in session.scalars(query.order_by(MemberRow.user_id).limit(limit))]

    def count(self, *, access: Access, q: str | None = None) -> int:
        """Return how many members ``list`` lists altogether."""
        require(access, Permission.MEMBER_READ)
        with self._sessions.read() as session:
            return session.scalar(select(func.count()).select_from(_narrow(q, access).subquery())) or 0

    def get(self, user: str, *, access: Access) -> Member:
        """Return one member.

        Raises:
            Forbidden: The actor may not read members.
            NotFound: The user is no member.
        """
        require(access, Permission.MEMBER_READ)
        with self._sessions.read() as session:
            return _as_member(_member_row(session, access, user))

    def put(self, user: str, role: Role, *, revision: int | None = None, access: Access) -> tuple[Member, bool]:
        """Add a member or change their role; who becomes an editor loses the tokens they made.

        Returns:
            The member, and whether they are new.

        Raises:
            Forbidden: The actor may not, or is an admin and it is about an owner.
            LastOwner: The workspace would be left without an owner.
            PreconditionFailed: ``revision`` isn't the one in force.
            ValidationFailed: This is no user's id, or no member's role.
        """
        with self._sessions.read() as session:
            existing = session.get(MemberRow, (access.workspace, user))
        with self._record("member.change" if existing else "member.add", user, access) as deed:
            _require_over(access, existing.role if existing else None, role)
            check_user_id(user)
            deed.detail["role"] = role.value
            with self._sessions.begin() as session:
                active_row(session, access, for_update=True)  # of two owners who leave at once, one stays
                row = session.get(MemberRow, (access.workspace, user))
                added = row is None
                deed.action = "member.add" if added else "member.change"
                if row is None:
                    if revision is not None:
                        raise PreconditionFailed("This member isn't there any more.")
                    row = _add_member(session, user, role, access=access, now=self._clock())
                else:
                    _check_member(revision, row)
                    _change_role(session, row, role, access=access, now=self._clock())
                deed.complete(session, self._clock)
            return _as_member(row), added

    def remove(self, user: str, *, confirm: str | None, revision: int | None = None, access: Access) -> None:
        """Remove a member, and revoke the tokens they made.

        Args:
            confirm: The member's id, repeated.

        Raises:
            Forbidden: The actor may not, or is an admin and it is about an owner.
            NotFound: The user is no member.
            LastOwner: The workspace would be left without an owner.
            ConfirmationRequired: ``confirm`` doesn't repeat the id.
            PreconditionFailed: ``revision`` isn't the one in force.
        """
        with self._record("member.remove", user, access) as deed:
            require(access, Permission.MEMBER_MANAGE)
            with self._sessions.begin() as session:
                active_row(session, access, for_update=True)
                row = _member_row(session, access, user)
                _require_over(access, row.role, None)
                require_confirmation(confirm, user)
                _check_member(revision, row)
                if row.role == Role.OWNER.value:
                    _require_another_owner(session, access, user)
                revoke_tokens_made_by(session, user, workspace=access.workspace, now=self._clock())
                session.delete(row)
                deed.complete(session, self._clock)

    def _record(self, action: Action, user: str, access: Access) -> recorded:
        return recorded(
            sessions=self._sessions,
            clock=self._clock,
            access=access,
            action=action,
            target=Target("member", user[:128], user[:128]),
            intent=False,
        )


def _add_member(session: Session, user: str, role: Role, *, access: Access, now: datetime) -> MemberRow:
    ensure_user(session, user, now=now)
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
        revoke_tokens_made_by(session, row.user_id, workspace=access.workspace, now=now)
    row.role = role.value
    row.revision += 1
    row.changed_at, row.changed_by = now, access.actor.name


def _require_over(access: Access, role_now: str | None, role_then: Role | None) -> None:
    require(access, Permission.MEMBER_MANAGE)
    if role_then is not None and role_then not in MEMBER_ROLES:
        raise ValidationFailed(
            "A member is owner, admin or editor.", errors={in_body("role"): ["Must be one of: owner, admin, editor."]}
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


def _member_row(session: Session, access: Access, user: str) -> MemberRow:
    row = session.get(MemberRow, (access.workspace, user))
    if row is None:
        raise NotFound("There is no such member.")
    return row


def _as_member(row: MemberRow) -> Member:
    return Member(row.user_id, Role(row.role), row.revision, row.added_at, row.added_by)
