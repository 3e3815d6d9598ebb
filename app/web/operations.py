"""What each operation says of itself in the OpenAPI document: a summary, who may call it, its problem codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args

from flask import Request, current_app
from marshmallow import INCLUDE, Schema, fields, validate

from app.access import GRANTS, Permission, Role
from app.kernel.errors import Party
from app.web.errors import STATUS

F = TypeVar("F", bound=Callable[..., Any])

# ``forbidden`` and ``validation_failed`` come of a Strongroom-Act-As that may not be, or names nobody.
EVERYWHERE: Final = (
    "unauthenticated",
    "forbidden",
    "validation_failed",
    "rate_limited",
    "record_unavailable",
    "internal_error",
)
BODY: Final = ("malformed_json", "unsupported_media_type", "payload_too_large", "validation_failed")
KEYED: Final = ("conflict", "idempotency_key_reused", "payload_too_large")


class Problem(Schema):
    """RFC 9457; some codes bring further members along, such as `action`, `reason`, `blocks` or `changed_by`."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    party = fields.String(required=True, validate=validate.OneOf(get_args(Party)))
    request_id = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


@dataclass(frozen=True, slots=True)
class Declared:
    """What a view says of itself; ``keyed`` where it takes an Idempotency-Key.

    ``told_once`` names the members of its answer that a repeat leaves out.
    """

    summary: str
    needs: Permission | None = None
    codes: tuple[str, ...] = ()
    keyed: bool = False
    told_once: tuple[str, ...] = ()

    @property
    def problems(self) -> dict[int, list[str]]:
        """The codes of every problem it may answer with, by status."""
        keyed = KEYED if self.keyed else ()
        found: dict[int, list[str]] = {}
        for code in sorted({*EVERYWHERE, *keyed, *self.codes}):
            found.setdefault(STATUS[code], []).append(code)
        return found

    @property
    def roles(self) -> list[str]:
        """The roles that may call it, from the table that decides; none where it asks for no permission."""
        return [role.value for role in Role if self.needs and self.needs in GRANTS[role]]


def described(
    summary: str,
    *,
    needs: Permission | None = None,
    codes: tuple[str, ...] = (),
    keyed: bool | None = None,
    told_once: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Describe a view: its summary, the permission that it needs, and its problem codes.

    Every POST takes an Idempotency-Key unless ``keyed`` says otherwise.
    """

    def mark(view: F) -> F:
        takes_key = view.__name__ == "post" if keyed is None else keyed
        view._declared = Declared(summary, needs, codes, takes_key, told_once)  # type: ignore[attr-defined]
        return view

    return mark


def declaration_for(request: Request) -> Declared | None:
    """Return what the view that answers this request says of itself."""
    return declaration_of(current_app.view_functions.get(request.endpoint or ""), request.method)


def declaration_of(view: Callable[..., Any] | None, method: str) -> Declared | None:
    """Return what a view says of itself for this HTTP method, None where it says nothing."""
    return getattr(getattr(getattr(view, "view_class", None), method.lower(), None), "_declared", None)
