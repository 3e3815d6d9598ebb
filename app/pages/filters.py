"""How templates write moments, counts and rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from app.access import Permission
from app.pages.forms import local

# What a permission lets somebody do, in words; one for each, which a test insists on.
RIGHTS: Final[Mapping[Permission, str]] = {
    Permission.VARIABLE_READ: "see variables",
    Permission.VARIABLE_WRITE: "create, change and delete plain variables",
    Permission.SECRET_READ: "see that secrets exist, and where they are used",
    Permission.SECRET_REVEAL: "look briefly at masked values",
    Permission.SECRET_WRITE: "create and delete secrets, and set new values",
    Permission.BLOCK_READ: "see API blocks",
    Permission.BLOCK_WRITE: "create, change and delete API blocks",
    Permission.BLOCK_RUN: "run API blocks",
    Permission.CALL_AD_HOC: "try out calls before they are saved",
    Permission.MEMBER_READ: "see members",
    Permission.MEMBER_MANAGE: "add, change and remove admins and editors",
    Permission.MEMBER_MANAGE_OWNERS: "add, change and remove owners",
    Permission.AUDIT_READ: "read the audit trail",
    Permission.TOKEN_MANAGE: "make and revoke service tokens",
    Permission.WORKSPACE_READ: "see the workspace",
    Permission.WORKSPACE_UPDATE: "change the workspace's title and settings",
    Permission.WORKSPACE_DELETE: "delete the workspace",
    Permission.WORKSPACE_CREATE: "create workspaces",
    Permission.PLATFORM_TOKEN_MANAGE: "make and revoke platform tokens",
}


def when(moment: datetime | None) -> str:
    """Write a moment as a ``time`` element, in UTC; a script writes how long ago it was."""
    if moment is None:
        return "never"
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M")
    )


def breakable(host: str) -> Markup:
    """Let a long host break after its dots, and nowhere else."""
    return Markup(".<wbr>").join(host.split("."))


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its word: 1 block, 10,000 blocks."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rights(permissions: frozenset[Permission]) -> list[str]:
    """Return what permissions let somebody do, in the order of the table above."""
    return [words for permission, words in RIGHTS.items() if permission in permissions]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "when": when,
    "breakable": breakable,
    "count": count,
    "rights": rights,
    "local": local,
}
