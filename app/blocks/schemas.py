"""Calls and their answers as JSON."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate

from app.blocks.call import Pair, WrittenCall, WrittenPart
from app.web.body import Input, PlainText

METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_NAME = validate.Length(1, 256)
_MANY = validate.Length(max=200)


class PairBody(Input):
    """A name and a value; the value may hold templates."""

    into = Pair

    name = PlainText(required=True, validate=_NAME)
    value = fields.String(required=True)


class PartBody(Input):
    """One part of a multipart body."""

    into = WrittenPart

    name = PlainText(required=True, validate=_NAME)
    value = PlainText(required=True)
    filename = PlainText(load_default=None, allow_none=True, validate=_NAME)
    content_type = PlainText(load_default=None, allow_none=True, validate=_NAME)


class AuthBody(Input):
    """How the call signs in."""

    type = fields.String(required=True, validate=validate.OneOf(["none", "basic"]))
    username = PlainText(load_default="")
    password = PlainText(load_default="")


class BodyBody(Input):
    """What the call sends."""

    type = fields.String(required=True, validate=validate.OneOf(["none", "json", "form", "text", "multipart"]))
    content = fields.Raw(load_default=None, allow_none=True)

    @post_load
    def _content(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        content = data["content"]
        if data["type"] in ("form", "multipart"):
            schema: Schema = PairBody(many=True) if data["type"] == "form" else PartBody(many=True)
            pairs = [{"name": k, "value": v} for k, v in content.items()] if isinstance(content, dict) else content
            data["content"] = tuple(schema.load(pairs or []))
        elif data["type"] == "text" and not isinstance(content, str):
            raise ValidationError("Must be text.", "content")
        return data


class CallBody(Input):
    """A call."""

    method = fields.String(load_default="GET", validate=validate.OneOf(METHODS), metadata={"example": "POST"})
    url = PlainText(
        required=True, validate=validate.Length(1, 8192), metadata={"example": "https://api.example.com/v2/tickets"}
    )
    headers = fields.List(fields.Nested(PairBody), load_default=list, validate=_MANY)
    query = fields.List(fields.Nested(PairBody), load_default=list, validate=_MANY)
    auth = fields.Nested(AuthBody, load_default=None, allow_none=True)
    body = fields.Nested(BodyBody, load_default=None, allow_none=True)
    variables = fields.Dict(keys=PlainText(), values=fields.String(), load_default=dict, validate=_MANY)
    timeout_seconds = fields.Float(load_default=10.0, validate=validate.Range(0, 60, min_inclusive=False))
    follow_redirects = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        validate=validate.Equal(False, error="Redirects aren't followed yet."),
    )

    @pre_load
    def _unwrap(self, data: Any, **_kwargs: object) -> Any:
        """Take ``{"call": …, "variables": …}`` as well: what a run of a saved block looks like, with the call in it."""
        if isinstance(data, dict) and isinstance(data.get("call"), dict) and data.keys() <= {"call", "variables"}:
            return data["call"] | ({"variables": data["variables"]} if "variables" in data else {})
        return data

    @post_load
    def _written(self, data: dict[str, Any], **_kwargs: object) -> WrittenCall:
        auth, body = data["auth"], data["body"] or {"type": "none", "content": None}
        return WrittenCall(
            method=data["method"],
            url=data["url"],
            headers=tuple(data["headers"]),
            query=tuple(data["query"]),
            basic=(auth["username"], auth["password"]) if auth and auth["type"] == "basic" else None,
            body_type=body["type"],
            content=body["content"],
            variables=tuple(data["variables"].items()),
            timeout_seconds=data["timeout_seconds"],
            follow_redirects=data["follow_redirects"],
        )


class HeaderSchema(Schema):
    """A header of the upstream's answer."""

    name = fields.String(required=True)
    value = fields.String(required=True)


class AnswerBodySchema(Schema):
    """The body of the upstream's answer, redacted."""

    type = fields.String(required=True, validate=validate.OneOf(["json", "text", "base64"]))
    content = fields.Raw(required=True, allow_none=True)


class AnswerSchema(Schema):
    """What came of a call."""

    call_id = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"description": "The upstream's."})
    headers = fields.List(fields.Nested(HeaderSchema), required=True)
    body = fields.Nested(AnswerBodySchema, required=True)
    captures = fields.Dict(required=True)
    redactions = fields.Integer(required=True)
    elapsed_ms = fields.Float(required=True)
