"""The record over JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request
from flask.views import MethodView
from werkzeug.datastructures import MIMEAccept

from app.access import Permission
from app.audit import export, service
from app.audit.schemas import AuditQuery, EventPageSchema
from app.audit.service import Filters
from app.kernel.errors import ValidationFailed, in_query
from app.web import context
from app.web.body import ApiBlueprint
from app.web.operations import described
from app.web.paging import cursor, position

_EXPORTS: Final[dict[str, export.Format]] = {"application/x-ndjson": "ndjson", "text/csv": "csv"}

blueprint = ApiBlueprint("audit", __name__, url_prefix="/api/v1", description="The record")


@blueprint.route("/workspaces/<ws>/audit")
class Audit(MethodView):
    """A workspace's record."""

    @described(
        "List the record, newest first; with `Accept: application/x-ndjson` or `text/csv`, export all of it",
        needs=Permission.AUDIT_READ,
        codes=("not_found", "validation_failed"),
    )
    @blueprint.arguments(AuditQuery, location="query")
    @blueprint.response(200, EventPageSchema)
    def get(self, query: dict[str, Any], ws: str) -> object:
        # A type's parameters (`; charset=utf-8`) ask for nothing else than the type.
        asked = MIMEAccept([(each.partition(";")[0].strip(), quality) for each, quality in request.accept_mimetypes])
        wanted = asked.best_match(["application/json", *_EXPORTS])
        return self._export(query, wanted) if wanted in _EXPORTS else self._page(query)

    def _export(self, query: dict[str, Any], wanted: str) -> Response:
        if query.pop("cursor") is not None:
            raise ValidationFailed(
                "An export has no pages.", errors={in_query("cursor"): ["Use this with a list only."]}
            )
        del query["limit"]
        resources = context.resources()
        pieces = export.export_events(
            Filters(**query),
            _EXPORTS[wanted],
            access=context.access(),
            sessions=resources.sessions,
            vault=resources.vault,
            clock=resources.clock,
        )
        return Response(pieces, content_type=f"{wanted}; charset=utf-8")

    def _page(self, query: dict[str, Any]) -> object:
        resources = context.resources()
        limit, below = query.pop("limit"), position(query.pop("cursor"), "audit", int)
        events = service.list_events(
            Filters(**query),
            access=context.access(),
            sessions=resources.sessions,
            limit=limit,
            below=below,
        )
        return {
            "items": events.events,
            "next_cursor": None if events.below is None else cursor("audit", events.below),
        }
