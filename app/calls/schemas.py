"""Calls and their responses as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from marshmallow import Schema, ValidationError, fields, post_load, validate

from app.calls.body_source import read_form_source, read_json_source
from app.calls.captures import Problem
from app.calls.definition import AdHocCall, BodyType, Pair, WrittenCall, WrittenPart
from app.calls.response import answer_body
from app.calls.service import CompletedCall, Preview
from app.calls.template import CALL
from app.kernel.errors import FieldLocation, in_body
from app.outbound.model import Method
from app.telemetry import step
from app.web.body import Input, JsonValue, PlainText, StrictBoolean, StrictNumber
from app.web.operations import BODY
from app.web.reply import Reply, json_reply, mark_answered

RULE_CODES: Final = (
    "unknown_secret",
    "one_secret_per_field",
    "header_not_allowed",
    "template_not_allowed",
    "place_not_allowed",
    "request_not_allowed",
    "destination_not_allowed",
)
RESOLVE_CODES: Final = (
    "not_found",
    "missing_variable",
    "value_not_allowed_here",
    "secret_expired",
    *RULE_CODES,
    *BODY,
)
CALL_CODES: Final = (
    *RESOLVE_CODES,
    "too_many_calls",
    "binding_mismatch",
    "vault_unavailable",
    "reconnect_required",
    "token_unavailable",
    "payload_too_large",
    "upstream_unreachable",
    "upstream_tls",
    "upstream_protocol",
    "upstream_timeout",
    "redirect_refused",
    "response_not_readable",
    "response_too_large",
)
"""What a call may be refused for: by its text alone, once its names are looked up, and when it is made."""

METHODS: Final = get_args(Method)
_NAME = validate.Length(1, 256)
_NO_BODY: Final[Mapping[str, Any]] = {"type": "none", "content": None, "source": None, "content_type": None}
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
    encoding = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(["base64"]))


class AuthBody(Input):
    """How the call signs in."""

    type = fields.String(required=True, validate=validate.OneOf(["none", "basic", "aws4"]))
    username = PlainText(load_default="")
    password = PlainText(load_default="")
    secret = PlainText(
        load_default=None, allow_none=True, metadata={"description": "Of `aws4`: the name of a secret of that type."}
    )

    @post_load
    def _require_secret(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        if data["type"] == "aws4" and data["secret"] is None:
            raise ValidationError("Name a secret of the type aws4.", "secret")
        if data["type"] != "aws4" and data["secret"] is not None:
            raise ValidationError("Allowed only with aws4.", "secret")
        if data["type"] == "aws4" and (data["username"] or data["password"]):
            raise ValidationError("Allowed only with basic.", "username" if data["username"] else "password")
        return data


class BodyBody(Input):
    """What the call sends."""

    type = fields.String(required=True, validate=validate.OneOf(get_args(BodyType)))
    content = fields.Raw(load_default=None, allow_none=True)
    content_type = PlainText(
        load_default=None, allow_none=True, validate=_NAME, metadata={"description": "Of a `base64` body."}
    )
    source = PlainText(
        load_default=None,
        allow_none=True,
        metadata={"description": "Of a `json` or `form` body: the same content as it is spelled. It goes out so."},
    )

    @post_load
    def _content(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        content = data["content"] = _content_of_source(data) if data["source"] is not None else data["content"]
        if data["type"] in ("form", "multipart"):
            data["content"] = _rows(PairBody(many=True) if data["type"] == "form" else PartBody(many=True), content)
        elif data["type"] in ("text", "xml", "base64") and not isinstance(content, str):
            raise ValidationError("Must be text.", "content")
        if data["content_type"] is not None and data["type"] != "base64":
            raise ValidationError("Allowed only in a base64 body; elsewhere set the header.", "content_type")
        return data


def _content_of_source(data: Mapping[str, Any]) -> object:
    """Return the content that a body's source says, which is the content that is given where one is."""
    if data["type"] not in ("json", "form"):
        raise ValidationError("Allowed only in a json or form body.", "source")
    try:
        if data["type"] == "json":
            said: Any = read_json_source(data["source"])
        else:
            said = [{"name": pair.name, "value": pair.value} for pair in read_form_source(data["source"])]
    except ValueError:
        kind = "JSON" if data["type"] == "json" else "a form"
        raise ValidationError(f"It can't be read as {kind}.", "source") from None
    given = data["content"]
    if data["type"] == "form" and isinstance(given, dict):
        given = [{"name": name, "value": value} for name, value in given.items()]
    if given is not None and json.dumps(given, sort_keys=True) != json.dumps(said, sort_keys=True):
        raise ValidationError("It says something else than the content: change both, or leave it out.", "source")
    return said


def _rows(schema: Schema, content: object) -> tuple[object, ...]:
    pairs: Any = [{"name": k, "value": v} for k, v in content.items()] if isinstance(content, dict) else content
    try:
        return tuple(schema.load(pairs or []))
    except ValidationError as error:
        raise ValidationError({"content": error.messages}) from None


class CaptureBody(Input):
    """A part of the answer, by a name of its own."""

    name = PlainText(required=True, validate=_NAME, metadata={"example": "id"})
    path = PlainText(required=True, metadata={"description": "A JSONPath (RFC 9535).", "example": "$.ticket.id"})


class _Value(JsonValue):
    """A variable's value; what a text may hold depends on the field that it fills."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return value if isinstance(value, str) else super()._deserialize(value, attr, data, **kwargs)


class VariablesField(fields.Dict):
    """Values of variables, any JSON, by their names."""

    def __init__(self) -> None:
        super().__init__(
            keys=PlainText(),
            values=_Value(allow_none=True),
            load_default=dict,
            validate=_MANY,
            metadata={"maxProperties": 200},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            # marshmallow tells the faults of a name and of its value apart, by one level more than the body has
            told = {name: [*faults.get("key", ()), *faults.get("value", ())] for name, faults in error.messages.items()}
            raise ValidationError(told) from None


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
    variables = VariablesField()
    timeout_seconds = StrictNumber(load_default=10.0, validate=validate.Range(0, 300, min_inclusive=False))
    follow_redirects = StrictBoolean(load_default=False)

    @post_load
    def _to_call(self, data: dict[str, Any], **_kwargs: object) -> WrittenCall:
        auth, body = data["auth"], data["body"] or _NO_BODY
        return WrittenCall(
            method=data["method"],
            url=data["url"],
            headers=tuple(data["headers"]),
            query=tuple(data["query"]),
            basic=(auth["username"], auth["password"]) if auth and auth["type"] == "basic" else None,
            aws4=auth["secret"] if auth and auth["type"] == "aws4" else None,
            body_type=body["type"],
            content=body["content"],
            source=body["source"],
            content_type=body["content_type"],
            captures=tuple((capture["name"], capture["path"]) for capture in data["captures"]),
            variables=tuple(data["variables"].items()),
            timeout_seconds=data["timeout_seconds"],
            follow_redirects=data["follow_redirects"],
        )


class AdHocBody(CallBody):
    """A call that comes with the request."""

    answer = fields.String(
        load_default="full",
        validate=validate.OneOf(["full", "stream"]),
        metadata={"description": "`stream`: the upstream's own status and body, redacted, as they come."},
    )

    def load(self, data: Any, **kwargs: Any) -> AdHocCall:
        """Take ``{"call": …, "variables": …}`` as well: what a run of a saved block looks like, with the call in it."""
        if not (isinstance(data, dict) and isinstance(data.get("call"), dict) and data.keys() <= {"call", "variables"}):
            return self._ad_hoc(data, in_body(), kwargs)
        beside = {"variables": data["variables"]} if "variables" in data else {}
        try:
            return self._ad_hoc(data["call"] | beside, CALL, kwargs)
        except ValidationError as error:
            raise ValidationError(_within_call(error.normalized_messages(), beside)) from None

    def _ad_hoc(self, data: Any, location: FieldLocation, options: dict[str, Any]) -> AdHocCall:
        call: WrittenCall = super().load(data, **options)
        kind = data.get("answer", "full")
        if kind == "stream" and call.captures:
            raise ValidationError({"captures": ["A streamed answer has no captures."]})
        return AdHocCall(call, location, kind)


def _within_call(messages: Mapping[str, Any], beside: Mapping[str, object]) -> dict[str, Any]:
    own = {name: told for name, told in messages.items() if name not in beside}
    return {name: told for name, told in messages.items() if name in beside} | ({"call": own} if own else {})


class RunBody(Input):
    """What a run of a saved block is given."""

    variables = VariablesField()


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
    captures = fields.Dict(
        required=True,
        metadata={"description": "By their names; an integer beyond 2^53 is a string, what wasn't found is null."},
    )
    capture_problems = fields.Dict(
        values=fields.String(validate=validate.OneOf(get_args(Problem))),
        metadata={"description": "Why a capture is null; there only where one found nothing."},
    )
    redactions = fields.Integer(required=True)
    elapsed_ms = fields.Float(required=True)


def answer_of(call: CompletedCall) -> Reply:
    """Return the answer to the client that a call was made for."""
    return mark_answered(json_reply(answer(call)), call_id=call.call_id, status=call.response.status)


def answer(call: CompletedCall) -> dict[str, object]:
    """Return what the client gets of a call."""
    response = call.response
    told: dict[str, object] = {
        "call_id": call.call_id,
        "status": response.status,
        "captures": call.captures,
        "redactions": response.redactions,
        "elapsed_ms": response.elapsed_ms,
    }
    if call.capture_problems:
        told["capture_problems"] = call.capture_problems
    if not call.captures_only:
        with step("answer"):
            told |= {"headers": _headers(response.headers), "body": answer_body(response)}
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


def preview_document(preview: Preview) -> dict[str, object]:
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
