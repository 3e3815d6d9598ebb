"""The record as JSON."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, pre_dump, validate

from app.audit.actions import Action
from app.audit.chain import Event, Outcome
from app.audit.ndjson import as_document
from app.web.body import Moment, PlainText
from app.web.paging import PageQuery


class AuditQuery(PageQuery):
    """How to list events."""

    actor = PlainText(load_default=None, validate=validate.Length(max=128))
    action = fields.String(load_default=None, validate=validate.OneOf(get_args(Action)))
    secret = PlainText(load_default=None, validate=validate.Length(max=64))
    block = PlainText(load_default=None, validate=validate.Length(max=64))
    outcome = fields.String(load_default=None, validate=validate.OneOf(get_args(Outcome)))
    since = Moment(load_default=None, data_key="from")
    until = Moment(load_default=None, data_key="to")


class EventActor(Schema):
    """Who did it."""

    type = fields.String(required=True)
    id = fields.String(required=True, allow_none=True)
    acting_for = fields.String(required=True, allow_none=True)


class EventTarget(Schema):
    """What it was done to."""

    type = fields.String(required=True)
    id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True, allow_none=True)


class EventSchema(Schema):
    """One event."""

    id = fields.String(required=True)
    call_id = fields.String(required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)
    workspace = fields.String(required=True, allow_none=True)
    actor = fields.Nested(EventActor, required=True)
    action = fields.String(required=True)
    target = fields.Nested(EventTarget, required=True)
    outcome = fields.String(required=True)
    detail = fields.Dict(required=True)
    request_id = fields.String(required=True, allow_none=True)
    hash = fields.String(required=True)

    @pre_dump
    def _nest(self, event: Event, **_kwargs: Any) -> dict[str, Any]:
        return as_document(event) | {"at": event.at}


class EventPageSchema(Schema):
    """Some events, newest first."""

    items = fields.List(fields.Nested(EventSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
