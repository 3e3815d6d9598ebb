"""Who may do what: roles, permissions and the one table that joins them (design, section 2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

from app.kernel.errors import Forbidden


class Role(StrEnum):
    """What somebody is in a workspace; ``PLATFORM`` belongs to no workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    RUNTIME = "runtime"
    PLATFORM = "platform"


MEMBER_ROLES: Final = (Role.OWNER, Role.ADMIN, Role.EDITOR)


class Permission(StrEnum):
    """One thing that may be done, as ``scope:action``; a 403 names the one that was missing."""

    WORKSPACE_CREATE = "workspace:create"
    WORKSPACE_READ = "workspace:read"
    WORKSPACE_UPDATE = "workspace:update"
    WORKSPACE_DELETE = "workspace:delete"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    MEMBER_MANAGE_OWNERS = "member:manage_owners"
    VARIABLE_READ = "variable:read"
    VARIABLE_WRITE = "variable:write"
    SECRET_READ = "secret:read"
    SECRET_REVEAL = "secret:reveal"
    SECRET_WRITE = "secret:write"
    BLOCK_READ = "block:read"
    BLOCK_WRITE = "block:write"
    BLOCK_RUN = "block:run"
    CALL_AD_HOC = "call:ad_hoc"
    AUDIT_READ = "audit:read"
    TOKEN_MANAGE = "token:manage"
    PLATFORM_TOKEN_MANAGE = "platform_token:manage"


_EDITOR = frozenset(
    {
        Permission.WORKSPACE_READ,
        Permission.MEMBER_READ,
        Permission.VARIABLE_READ,
        Permission.VARIABLE_WRITE,
        Permission.SECRET_READ,
        Permission.SECRET_REVEAL,
        Permission.BLOCK_READ,
        Permission.BLOCK_WRITE,
        Permission.BLOCK_RUN,
        Permission.CALL_AD_HOC,
    }
)
_ADMIN = _EDITOR | {
    Permission.SECRET_WRITE,
    Permission.AUDIT_READ,
    Permission.TOKEN_MANAGE,
    Permission.MEMBER_MANAGE,
}
_OWNER = _ADMIN | {
    Permission.MEMBER_MANAGE_OWNERS,
    Permission.WORKSPACE_UPDATE,
    Permission.WORKSPACE_DELETE,
}

GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: _OWNER,
    Role.ADMIN: _ADMIN,
    Role.EDITOR: _EDITOR,
    Role.RUNTIME: frozenset({Permission.BLOCK_RUN}),
    Role.PLATFORM: frozenset(
        {
            Permission.WORKSPACE_CREATE,
            Permission.WORKSPACE_READ,
            Permission.TOKEN_MANAGE,
            Permission.PLATFORM_TOKEN_MANAGE,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user who signed in, or a service token, which may act for a user."""

    type: Literal["user", "token", "operator"]
    id: str
    acting_for: str | None = None

    @property
    def name(self) -> str:
        """The one whose name stands behind what is done: the user acted for, else the actor."""
        return self.acting_for or self.id


OPERATOR: Final = Actor(type="operator", id="operator")


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who proved who they are, before it is known which workspace they want.

    A user, or a platform token that acts for one, gets the role from the membership; a workspace's own token brings
    its role along; a platform token that acts for itself has ``Role.PLATFORM`` and no workspace.
    """

    actor: Actor
    role: Role | None = None
    workspace: str | None = None
    ad_hoc: bool = False

    @property
    def user(self) -> str | None:
        """The user whose memberships count, if any."""
        return self.actor.id if self.actor.type == "user" else self.actor.acting_for


@dataclass(frozen=True, slots=True)
class Access:
    """An actor's standing for one request: in one workspace, or (``workspace`` is None) in the service as a whole.

    ``ad_hoc`` is what a runtime token was made with; it is the one right that a token carries and a role doesn't.
    ``request_id`` joins what is done to the log and the record. ``mark`` is called with the cursor of the transaction
    that records a deed, and the deed's id, before it is recorded; it raises where the deed must not be done.
    """

    actor: Actor
    workspace: str | None
    role: Role | None
    ad_hoc: bool = False
    request_id: str | None = None
    mark: Callable[[Any, str], None] | None = field(default=None, compare=False, repr=False)

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything this actor may do here."""
        if self.role is None:
            return frozenset()
        granted = GRANTS[self.role]
        return granted | {Permission.CALL_AD_HOC} if self.ad_hoc else granted


def allows(access: Access, permission: Permission) -> bool:
    """Tell whether the table grants the permission."""
    return permission in access.permissions


def require(access: Access, permission: Permission) -> None:
    """Do nothing where the table grants the permission.

    Raises:
        Forbidden: naming the permission that is missing.
    """
    if not allows(access, permission):
        raise Forbidden(
            f"This needs the permission {permission.value}, which your role doesn't have.",
            extra={"action": permission.value},
        )
