"""Imports of files as JSON."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_dump, validate

from app.variables.imports import RESULTS, Import
from app.variables.schemas.fields import requests_field, texts_field
from app.variables.schemas.secrets import WarningSchema
from app.vault import VISIBILITIES
from app.web.body import Input, PlainText, StrictBoolean


class ImportBody(Input):
    """A file whose assignments become secrets, each line for itself."""

    into = Import

    format = fields.String(load_default="dotenv", validate=validate.OneOf(["dotenv"]))
    content = PlainText(
        required=True,
        load_only=True,
        metadata={"description": "A .env file.", "example": "API_TOKEN=at-9f3b2c7e1a5d4860"},
    )
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    allowed_hosts = texts_field(load_default=None, allow_none=True, metadata={"example": ["api.example.com"]})
    allowed_places = texts_field(load_default=None, allow_none=True)
    allowed_requests = requests_field(load_default=None)
    wide = StrictBoolean(load_default=False)
    only_names = fields.List(  # a schema has an ``only`` of its own
        fields.String(),
        data_key="only",
        attribute="only",
        load_default=None,
        allow_none=True,
        metadata={"description": "Leave every other name out."},
    )
    plain = fields.List(
        fields.String(), load_default=list, metadata={"description": "Names that become plain variables."}
    )
    dry_run = StrictBoolean(load_default=False, metadata={"description": "Tell what would be done, and do nothing."})


class ImportedLineSchema(Schema):
    """What became of one assignment."""

    line = fields.Integer(required=True)
    name = fields.String(required=True, metadata={"description": "Empty where there is none that could be read."})
    result = fields.String(required=True, validate=validate.OneOf(RESULTS))
    code = fields.String(required=True, allow_none=True)
    detail = fields.String(required=True, allow_none=True)
    warnings = fields.List(
        fields.Nested(WarningSchema), metadata={"description": "There only where something is odd about the value."}
    )

    @post_dump
    def _leave_out_none(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return data if data["warnings"] else {name: value for name, value in data.items() if name != "warnings"}


class ImportedLines(Schema):
    """What became of each assignment, in the file's order."""

    items = fields.List(fields.Nested(ImportedLineSchema), required=True)
