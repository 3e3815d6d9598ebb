"""What each operation says of itself in the OpenAPI document: a summary, who may call it, its problem codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from marshmallow import Schema, fields

from app.access import GRANTS, Permission, Role
from app.web.errors import STATUS

F = TypeVar("F", bound=Callable[..., Any])

EVERYWHERE: Final = ("unauthenticated", "rate_limited", "record_unavailable", "internal_error")
BODY: Final = ("malformed_json", "unsupported_media_type", "payload_too_large", "validation_failed")


class Problem(Schema):
    """RFC 9457."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    party = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


def described(
    summary: str, *, needs: Permission | None = None, codes: tuple[str, ...] = (), public: bool = False
) -> Callable[[F], F]:
    """Describe a view: its summary, the roles that may call it (from the table that decides) and its problem codes."""
    everywhere = ("internal_error",) if public else EVERYWHERE
    refused = ("forbidden",) if needs else ()
    problems: dict[int, list[str]] = {}
    for code in sorted({*everywhere, *refused, *codes}):
        problems.setdefault(STATUS[code], []).append(code)
    roles = [role.value for role in Role if needs and needs in GRANTS[role]]
    told = f"Needs `{needs.value}`: {', '.join(roles)}." if needs else ""

    def mark(view: F) -> F:
        view._apidoc = getattr(view, "_apidoc", {})  # type: ignore[attr-defined]
        view._apidoc.setdefault("manual_doc", {}).update(  # type: ignore[attr-defined]
            {
                "summary": summary,
                "description": told,
                "x-roles": roles,
                "x-permission": needs.value if needs else None,
                "responses": {
                    str(status): {
                        "description": ", ".join(f"`{code}`" for code in names),
                        "content": {"application/problem+json": {"schema": Problem}},
                    }
                    for status, names in problems.items()
                },
            }
            | ({"security": []} if public else {})
        )
        return view

    return mark
