"""The record as JSON."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, pre_dump, validate

from app.audit.chain import Event
from app.web.body import PlainText
from app.web.paging import PageQuery


class AuditQuery(PageQuery):
    """How to list events."""

    actor = PlainText(load_default=None, validate=validate.Length(max=128))
    action = PlainText(load_default=None, validate=validate.Length(max=32))
    secret = PlainText(load_default=None, validate=validate.Length(max=64))
    block = PlainText(load_default=None, validate=validate.Length(max=64))
    outcome = fields.String(
        load_default=None, validate=validate.OneOf(["intended", "done", "refused", "failed", "unknown"])
    )
    since = fields.AwareDateTime(load_default=None, data_key="from")
    until = fields.AwareDateTime(load_default=None, data_key="to")


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
    def _nested(self, event: Event, **_kwargs: Any) -> dict[str, Any]:
        return {
            "id": event.id,
            "call_id": event.deed_id if event.action == "call.run" else None,
            "at": event.at,
            "workspace": event.workspace,
            "actor": {"type": event.actor_type, "id": event.actor_id, "acting_for": event.acting_for},
            "action": event.action,
            "target": {"type": event.target_type, "id": event.target_id, "name": event.target_name},
            "outcome": event.outcome,
            "detail": dict(event.detail),
            "request_id": event.request_id,
            "hash": event.hash,
        }


class EventPageSchema(Schema):
    """Some events, newest first."""

    items = fields.List(fields.Nested(EventSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
