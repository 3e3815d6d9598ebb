"""Plain variables as JSON."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.variables.service import NewVariable, VariableChanges
from app.variables.validation import VARIABLE_NAME
from app.web.body import FixedField, Input, JsonValue, Patch, PlainText

NAME = validate.Regexp(
    rf"^(?:{VARIABLE_NAME.pattern})\Z", error="Must be 1 to 64 ASCII letters, digits or _, and not begin with a digit."
)
DESCRIPTION = validate.Length(max=2000)


class VariableBody(Input):
    """A new plain variable."""

    into = NewVariable

    name = fields.String(required=True, validate=NAME, metadata={"example": "REGION"})
    value = JsonValue(required=True, allow_none=True, metadata={"example": "eu-central-1"})
    description = PlainText(load_default="", validate=DESCRIPTION)


class VariablePatch(Patch):
    """Changes of a plain variable."""

    into = VariableChanges

    value = JsonValue(allow_none=True)
    description = PlainText(validate=DESCRIPTION)
    name = FixedField()


class VariablePermissionsSchema(Schema):
    """What this caller may do with the variable."""

    edit = fields.Boolean(required=True)
    delete = fields.Boolean(required=True)


class VariableSchema(Schema):
    """A plain variable, with its value."""

    kind = fields.Constant("plain", required=True)
    id = fields.String(required=True)
    name = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "Any JSON."})
    description = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    updated_at = fields.AwareDateTime(required=True)
    updated_by = fields.String(required=True)
    used_in = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Names of API blocks that take its value where a run brings none."},
    )
    permissions = fields.Nested(VariablePermissionsSchema, required=True)
