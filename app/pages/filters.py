"""How templates write moments, counts and rights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from app.access import GRANTS, MEMBER_ROLES, Permission, Role
from app.pages.forms import local, plain_words, readable

# Where a host or a name may be broken: behind these.
_PIECES: Final = re.compile(r"[^@._-]*[@._-]+|[^@._-]+")

# What a permission lets somebody do, in words; one for each, which a test insists on.
RIGHTS: Final[Mapping[Permission, str]] = {
    Permission.VARIABLE_READ: "See variables",
    Permission.VARIABLE_WRITE: "Create, change and delete plain variables",
    Permission.SECRET_READ: "See that secrets exist, and where they are used",
    Permission.SECRET_REVEAL: "Look briefly at masked values",
    Permission.SECRET_WRITE: "Create and delete secrets, and set new values",
    Permission.BLOCK_READ: "See API blocks",
    Permission.BLOCK_WRITE: "Create, change and delete API blocks",
    Permission.BLOCK_RUN: "Run API blocks",
    Permission.CALL_AD_HOC: "Try out calls before they are saved",
    Permission.MEMBER_READ: "See members",
    Permission.MEMBER_MANAGE: "Add, change and remove admins and editors",
    Permission.MEMBER_MANAGE_OWNERS: "Add, change and remove owners",
    Permission.AUDIT_READ: "Read the audit trail",
    Permission.TOKEN_MANAGE: "Make and revoke service tokens",
    Permission.WORKSPACE_READ: "See the workspace",
    Permission.WORKSPACE_UPDATE: "Change the workspace's title and settings",
    Permission.WORKSPACE_DELETE: "Delete the workspace",
    Permission.WORKSPACE_CREATE: "Create workspaces",
    Permission.PLATFORM_TOKEN_MANAGE: "Make and revoke platform tokens",
}


def when(moment: datetime | None) -> str:
    """Write a moment as a ``time`` element, in UTC; a script tells how far away it is instead."""
    if moment is None:
        return "never"
    return Markup('<time datetime="{}" data-far>{}</time>').format(_machine(moment), readable(moment))


def exactly(moment: datetime) -> str:
    """Write a moment as a ``time`` element, in UTC, to the second where one points at it."""
    exact = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(_machine(moment), exact, readable(moment))


def _machine(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def breakable(name: str, longer_than: int = 0) -> Markup:
    """Let a host, a name or an address that is long break after its dots, hyphens and the like, and nowhere else."""
    pieces = _PIECES.findall(name) if len(name) > longer_than else [name]
    written = map(Markup, pieces) if isinstance(name, Markup) else pieces
    return Markup("<wbr>").join(written)


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its word: 1 block, 10,000 blocks."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rights() -> list[tuple[str, frozenset[Role]]]:
    """Return what there is to be allowed in a workspace, in words, with the members' roles that allow it."""
    held = {right: frozenset(role for role in MEMBER_ROLES if right in GRANTS[role]) for right in RIGHTS}
    return [(RIGHTS[right], roles) for right, roles in held.items() if roles]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "when": when,
    "exactly": exactly,
    "breakable": breakable,
    "count": count,
    "local": local,
    "plain_words": plain_words,
    "readable": readable,
}
