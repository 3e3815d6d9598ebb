"""Tokens as JSON."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.access import Role
from app.identity.tokens import NewToken
from app.web.body import Input, Moment, PlainText, StrictBoolean


class TokenBody(Input):
    """A new token."""

    into = NewToken

    role = fields.Enum(
        Role, by_value=True, required=True, metadata={"example": "runtime", "enum": ["runtime", "editor", "admin"]}
    )
    label = PlainText(load_default="", validate=validate.Length(max=128), metadata={"example": "flow-runner"})
    expires_at = Moment(load_default=None, allow_none=True, metadata={"example": "2030-01-01T00:00:00Z"})
    ad_hoc = StrictBoolean(load_default=False)


class PlatformTokenBody(TokenBody):
    """A new token for the back-end."""

    role = fields.Enum(Role, by_value=True, required=True, metadata={"example": "platform", "enum": ["platform"]})


class TokenSchema(Schema):
    """A token, without what proves it."""

    id = fields.String(required=True)
    role = fields.Enum(Role, by_value=True, required=True)
    label = fields.String(required=True)
    ad_hoc = fields.Boolean(required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    last_used_at = fields.AwareDateTime(required=True, allow_none=True)
    revoked_at = fields.AwareDateTime(required=True, allow_none=True)


class IssuedTokenSchema(TokenSchema):
    """A token at the one moment when it is told whole."""

    token = fields.String(
        metadata={"description": "Told this once and never again: a repeat under an Idempotency-Key leaves it out."}
    )


class TokenPage(Schema):
    """Some tokens, oldest first."""

    items = fields.List(fields.Nested(TokenSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
