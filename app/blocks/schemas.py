"""API blocks as JSON."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, pre_dump, validate

from app.audit.chain import Event, Outcome
from app.audit.schemas import EventActor
from app.blocks.service import BLOCK_NAME, AnswerKind, BlockChanges, NewBlock
from app.calls.definition import WrittenCall, as_json
from app.calls.schemas import CallBody
from app.web.body import FixedField, Input, Patch, PlainText
from app.web.paging import PageQuery

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
    name = FixedField()


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

    field = fields.String(required=True, attribute="location", metadata={"example": "/call/headers/0/value"})
    label = fields.String(required=True, attribute="location.label", metadata={"example": "header Authorization"})
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


class CurlBody(Input):
    """A curl command; it is kept nowhere."""

    command = PlainText(required=True, validate=validate.Length(1, 512 * 1024))


class CredentialSchema(Schema):
    """What should become a secret, and where the draft has it already; `value` is null where the command has none."""

    suggested_name = fields.String(required=True)
    place = fields.String(required=True)
    host = fields.String(required=True)
    value = fields.String(required=True, allow_none=True)


class IgnoredOptionSchema(Schema):
    """An option of curl's that the draft doesn't keep."""

    option = fields.String(required=True)
    why = fields.String(required=True)


class CurlDraftSchema(Schema):
    """A draft of a call."""

    call = _Written(required=True, metadata={"type": "object", "description": "As a block takes it; see `CallBody`."})
    credentials = fields.List(fields.Nested(CredentialSchema), required=True)
    ignored = fields.List(fields.Nested(IgnoredOptionSchema), required=True)


class BlockRunSchema(Schema):
    """One run of an API block, as the record has it."""

    call_id = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    actor = fields.Nested(EventActor, required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(get_args(Outcome)))
    status = fields.Integer(required=True, allow_none=True, metadata={"description": "The upstream's, if it answered."})
    elapsed_ms = fields.Float(required=True, allow_none=True)
    redactions = fields.Integer(required=True, allow_none=True)

    @pre_dump
    def _of_event(self, event: Event, **_kwargs: Any) -> dict[str, Any]:
        return {
            "call_id": event.deed_id,
            "at": event.at,
            "actor": {"type": event.actor_type, "id": event.actor_id, "acting_for": event.acting_for},
            "outcome": event.outcome,
            **{name: event.detail.get(name) for name in ("status", "elapsed_ms", "redactions")},
        }


class BlockRunPage(Schema):
    """Some runs, newest first."""

    items = fields.List(fields.Nested(BlockRunSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
