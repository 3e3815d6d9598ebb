"""What a caller says before a change: which revision they saw, and that they mean it. Pure."""

from __future__ import annotations

from datetime import datetime

from app.kernel.errors import ConfirmationRequired, PreconditionFailed, in_query


def check_revision(wanted: int | None, current: int, *, by: str | None = None, at: datetime | None = None) -> None:
    """Compare the revision that a caller saw with the one in force. Source: RFC 9110, section 13.1.1.

    Args:
        wanted: What the caller saw; None asks for no revision, and 0 for any.
        current: The revision in force.
        by: Who made it, where that is known; told to whoever lost the race.
        at: When it was made, in UTC.

    Raises:
        PreconditionFailed: The caller saw another revision.
    """
    if wanted and wanted != current:
        changed = {"changed_by": by, "changed_at": at.isoformat().replace("+00:00", "Z")} if by and at else {}
        words = f" by {by} at {changed['changed_at']}" if changed else ""
        raise PreconditionFailed(f"It was changed{words} since you read it; read it again.", extra=changed)


def require_confirmation(confirm: str | None, name: str) -> None:
    """Ask for the name of what can't be brought back.

    Raises:
        ConfirmationRequired: ``confirm`` doesn't repeat the name.
    """
    if confirm != name:
        raise ConfirmationRequired(
            f"This can't be undone. Repeat the request with ?confirm={name}.",
            errors={in_query("confirm"): [f"Must be {name}."]},
        )
