"""Workspaces, members and the caller themself as JSON."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, post_dump, validate

from app.access import MEMBER_ROLES, Role
from app.vault import Engine
from app.web.body import FixedField, Input, Patch, PlainText, StrictBoolean
from app.workspaces.service import WORKSPACE_NAME, NewWorkspace, WorkspaceChanges

_NAME = validate.Regexp(
    rf"^(?:{WORKSPACE_NAME.pattern})\Z", error="Must be 2 to 63 of a to z, 0 to 9 and -, and begin with a letter."
)


class WorkspaceBody(Input):
    """A new workspace."""

    into = NewWorkspace

    name = fields.String(required=True, validate=_NAME, metadata={"example": "acme"})
    title = PlainText(
        load_default=None, allow_none=True, validate=validate.Length(1, 128), metadata={"example": "Acme"}
    )
    engine = fields.String(load_default="kv", validate=validate.OneOf(get_args(Engine)))
    refuse_expired = StrictBoolean(load_default=False)
    owner = PlainText(load_default=None, allow_none=True, metadata={"example": "ada@example.com"})


class WorkspacePatch(Patch):
    """Changes of a workspace."""

    into = WorkspaceChanges

    title = PlainText(validate=validate.Length(1, 128))
    refuse_expired = StrictBoolean()
    name = FixedField()
    engine = FixedField()


class WorkspaceSchema(Schema):
    """A workspace."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    engine = fields.String(required=True)
    refuse_expired = fields.Boolean(required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    updated_at = fields.AwareDateTime(required=True)
    updated_by = fields.String(required=True)


class WorkspacePage(Schema):
    """Some workspaces, by name."""

    items = fields.List(fields.Nested(WorkspaceSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class MemberBody(Input):
    """A member's role."""

    role = fields.Enum(
        Role,
        by_value=True,
        required=True,
        metadata={"example": "editor", "enum": [role.value for role in MEMBER_ROLES]},
    )


class MemberSchema(Schema):
    """A member."""

    user = fields.String(required=True)
    role = fields.Enum(Role, by_value=True, required=True)
    added_at = fields.AwareDateTime(required=True)
    added_by = fields.String(required=True)


class MemberPage(Schema):
    """Some members, by user id."""

    items = fields.List(fields.Nested(MemberSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class ActorSchema(Schema):
    """Who acts."""

    type = fields.String(required=True, validate=validate.OneOf(["user", "token", "operator"]))
    id = fields.String(required=True)
    acting_for = fields.String(required=True, allow_none=True)


class StandingSchema(Schema):
    """A workspace that the caller is something in."""

    name = fields.String(required=True, attribute="workspace")
    role = fields.Enum(Role, by_value=True, required=True)
    permissions = fields.List(fields.String(), required=True)

    @post_dump
    def _sort(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        data["permissions"].sort()
        return data


class MeSchema(Schema):
    """The caller."""

    actor = fields.Nested(ActorSchema, required=True)
    workspaces = fields.List(fields.Nested(StandingSchema), required=True)
