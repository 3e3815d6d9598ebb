"""The record over JSON."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.access import Permission
from app.audit import service
from app.audit.schemas import AuditQuery, EventPageSchema
from app.audit.service import Filters
from app.web import context
from app.web.body import ApiBlueprint
from app.web.describe import described
from app.web.paging import cursor, position

blueprint = ApiBlueprint("audit", __name__, url_prefix="/api/v1", description="The record")


@blueprint.route("/workspaces/<ws>/audit")
class Audit(MethodView):
    """A workspace's record."""

    @described("List the record, newest first", needs=Permission.AUDIT_READ, codes=("not_found", "validation_failed"))
    @blueprint.arguments(AuditQuery, location="query")
    @blueprint.response(200, EventPageSchema)
    def get(self, query: dict[str, Any], ws: str) -> object:
        resources = context.resources()
        limit, below = query.pop("limit"), position(query.pop("cursor"), "audit", int)
        events = service.list_events(
            Filters(**query),
            access=context.access(),
            sessions=resources.sessions,
            clock=resources.clock,
            limit=limit,
            below=below,
        )
        return {
            "items": events.events,
            "next_cursor": None if events.below is None else cursor("audit", events.below),
        }
