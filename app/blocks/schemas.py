"""API blocks, calls and their answers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate

from app.blocks.answer import answer_body
from app.blocks.saved import BLOCK_NAME, AnswerKind, BlockChanges, NewBlock
from app.blocks.service import Preview, Ran
from app.blocks.written import BodyType, Pair, WrittenCall, WrittenPart, as_json
from app.outbound import Method
from app.telemetry import step
from app.web.body import Fixed, Input, Number, Patch, PlainText, Truth
from app.web.paging import PageQuery

METHODS: Final = get_args(Method)
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

    type = fields.String(required=True, validate=validate.OneOf(get_args(BodyType)))
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


class CaptureBody(Input):
    """A part of the answer, by a name of its own."""

    name = PlainText(required=True, validate=_NAME, metadata={"example": "id"})
    path = PlainText(required=True, metadata={"description": "A JSONPath (RFC 9535).", "example": "$.ticket.id"})


def _variables() -> fields.Dict:
    return fields.Dict(keys=PlainText(), values=fields.String(), load_default=dict, validate=_MANY)


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
    captures = fields.List(fields.Nested(CaptureBody), load_default=list, validate=_MANY)
    variables = _variables()
    timeout_seconds = Number(load_default=10.0, validate=validate.Range(0, 60, min_inclusive=False))
    follow_redirects = Truth(load_default=False)

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
            captures=tuple((capture["name"], capture["path"]) for capture in data["captures"]),
            variables=tuple(data["variables"].items()),
            timeout_seconds=data["timeout_seconds"],
            follow_redirects=data["follow_redirects"],
        )


class AdHocBody(CallBody):
    """A call that comes with the request."""

    @pre_load
    def _unwrap(self, data: Any, **_kwargs: object) -> Any:
        """Take ``{"call": …, "variables": …}`` as well: what a run of a saved block looks like, with the call in it."""
        if isinstance(data, dict) and isinstance(data.get("call"), dict) and data.keys() <= {"call", "variables"}:
            return data["call"] | ({"variables": data["variables"]} if "variables" in data else {})
        return data


class RunBody(Input):
    """What a run of a saved block is given."""

    variables = _variables()


_BLOCK_NAME = validate.Regexp(
    rf"^(?:{BLOCK_NAME.pattern})\Z", error="Must be 1 to 63 of a to z, 0 to 9 and -, and begin with a letter."
)
_TITLE = validate.Length(max=128)
_ANSWER = validate.OneOf(get_args(AnswerKind))


class BlockBody(Input):
    """A new API block."""

    into = NewBlock

    name = fields.String(required=True, validate=_BLOCK_NAME, metadata={"example": "create-ticket"})
    title = PlainText(load_default="", validate=_TITLE, metadata={"example": "Create a ticket"})
    call = fields.Nested(CallBody, required=True)
    answer = fields.String(load_default="full", validate=_ANSWER)


class BlockPatch(Patch):
    """Changes of an API block; a call as a whole."""

    into = BlockChanges

    title = PlainText(validate=_TITLE)
    call = fields.Nested(CallBody)
    answer = fields.String(validate=_ANSWER)
    name = Fixed()


class BlockQuery(PageQuery):
    """How to list API blocks."""

    q = PlainText(
        load_default=None,
        validate=validate.Length(max=100),
        metadata={"description": "Looked for in names and titles."},
    )


class _Written(fields.Field[WrittenCall]):
    """A call as its author wrote it."""

    def _serialize(self, value: WrittenCall | None, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else as_json(value)


class BlockProblemSchema(Schema):
    """Why a field would be refused in a run."""

    field = fields.String(required=True, metadata={"example": "header Authorization"})
    code = fields.String(required=True, metadata={"example": "unknown_secret"})
    detail = fields.String(required=True, attribute="sentence")


class BlockPermissionsSchema(Schema):
    """What this caller may do with the block."""

    run = fields.Boolean(required=True)
    edit = fields.Boolean(required=True)
    delete = fields.Boolean(required=True)


class BlockSchema(Schema):
    """An API block."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    title = fields.String(required=True)
    call = _Written(required=True, metadata={"type": "object", "description": "As it was saved; see `CallBody`."})
    answer = fields.String(required=True, validate=_ANSWER)
    uses = fields.List(fields.String(), required=True, metadata={"description": "Names of secrets."})
    problems = fields.List(fields.Nested(BlockProblemSchema), required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    updated_at = fields.AwareDateTime(required=True)
    updated_by = fields.String(required=True)
    permissions = fields.Nested(BlockPermissionsSchema, required=True)


class BlockPage(Schema):
    """Some API blocks, by name."""

    items = fields.List(fields.Nested(BlockSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class HeaderSchema(Schema):
    """A header of the upstream's answer."""

    name = fields.String(required=True)
    value = fields.String(required=True)


class AnswerBodySchema(Schema):
    """The body of the upstream's answer, redacted."""

    type = fields.String(required=True, validate=validate.OneOf(["json", "text", "base64"]))
    content = fields.Raw(required=True, allow_none=True)


class AnswerSchema(Schema):
    """What came of a call; headers and body are left out where a block answers captures only."""

    call_id = fields.String(required=True)
    status = fields.Integer(required=True, metadata={"description": "The upstream's."})
    headers = fields.List(fields.Nested(HeaderSchema))
    body = fields.Nested(AnswerBodySchema)
    captures = fields.Dict(required=True)
    redactions = fields.Integer(required=True)
    elapsed_ms = fields.Float(required=True)


def answer(ran: Ran) -> dict[str, object]:
    """Return what the client gets of a call."""
    reply = ran.reply
    told: dict[str, object] = {
        "call_id": ran.call_id,
        "status": reply.status,
        "captures": ran.captures,
        "redactions": reply.redactions,
        "elapsed_ms": reply.elapsed_ms,
    }
    if not ran.captures_only:
        with step("answer"):
            told |= {"headers": _headers(reply.headers), "body": answer_body(reply)}
    return told


class DestinationSchema(Schema):
    """Where a call would go, and whether it may."""

    allowed = fields.Boolean(required=True)
    host = fields.String(required=True)
    port = fields.Integer(required=True)
    addresses = fields.List(fields.String(), required=True, metadata={"description": "Only where it may."})
    reason = fields.String(required=True, allow_none=True)


class PreviewSchema(Schema):
    """A call as it would go out, with `[secret:NAME]` in a value's place."""

    method = fields.String(required=True)
    url = fields.String(required=True)
    headers = fields.List(fields.Nested(HeaderSchema), required=True)
    body = fields.String(required=True, allow_none=True)
    destination = fields.Nested(DestinationSchema, required=True)


def shown(preview: Preview) -> dict[str, object]:
    """Return what the client gets of a preview."""
    return {
        "method": preview.method,
        "url": preview.url,
        "headers": _headers(preview.headers),
        "body": preview.body,
        "destination": preview.destination,
    }


def _headers(headers: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
