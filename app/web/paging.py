"""Cursors: where a list goes on. Opaque, bound to their list, and stable while rows come and go."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from marshmallow import fields, validate

from app.kernel.errors import ValidationFailed, in_query
from app.web.body import Input, is_text

T = TypeVar("T")
LIMIT_DEFAULT: Final = 50
LIMIT_GREATEST: Final = 200
_NUMBER_GREATEST: Final = 2**63 - 1
_WRITTEN: Final = "^[A-Za-z0-9_-]+$"
_NOT_OURS: Final = "Not a cursor of this list."


class PageQuery(Input):
    """``limit`` and ``cursor``, which every list takes."""

    limit = fields.Integer(
        load_default=LIMIT_DEFAULT,
        validate=validate.Range(1, LIMIT_GREATEST),
        metadata={"description": "How many at most."},
    )
    cursor = fields.String(
        load_default=None,
        validate=(validate.Length(1, 1024), validate.Regexp(_WRITTEN, error=_NOT_OURS)),
        metadata={"description": "`next_cursor` of the page before."},
    )


def page(rows: Sequence[T], limit: int, list_name: str, position: Callable[[T], object]) -> dict[str, Any]:
    """Make a page of rows that were asked for with ``limit + 1``: the one too many tells that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {"items": shown, "next_cursor": cursor(list_name, position(shown[-1])) if more else None}


def cursor(list_name: str, position: object) -> str:
    """Write a position in a list as a cursor."""
    return base64.urlsafe_b64encode(json.dumps([list_name, position]).encode()).decode().rstrip("=")


def position(text: str | None, list_name: str, kind: type[T]) -> T | None:
    """Read a cursor. Raises ``ValidationFailed`` where it isn't one of this list."""
    if text is None:
        return None
    try:
        name, where = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, TypeError, RecursionError):
        name, where = None, None
    if name != list_name or not isinstance(where, kind) or not _can_be_looked_for(where):
        raise _foreign()
    return where


def moment_and_name(text: str | None, list_name: str) -> tuple[datetime, str] | None:
    """Read a cursor that holds a moment and a name. Raises ``ValidationFailed`` where it isn't one of this list."""
    where = position(text, list_name, list)
    if where is None:
        return None
    try:
        moment, name = where
        return datetime.fromisoformat(moment).astimezone(UTC), name
    except (ValueError, OverflowError):
        raise _foreign() from None


def _can_be_looked_for(where: object) -> bool:
    # Anybody can write a cursor, and a database can't even be asked for some texts and numbers.
    if isinstance(where, list):
        return all(isinstance(each, str) and is_text(each) for each in where)
    if isinstance(where, str):
        return is_text(where)
    return type(where) is int and 0 <= where <= _NUMBER_GREATEST


def _foreign() -> ValidationFailed:
    return ValidationFailed(
        "The cursor doesn't belong to this list.",
        errors={in_query("cursor"): [_NOT_OURS]},
    )
