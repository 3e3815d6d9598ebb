"""Calls over JSON."""

from __future__ import annotations

from flask.views import MethodView

from app.access import Permission
from app.calls.definition import AdHocCall
from app.calls.schemas import (
    CALL_CODES,
    RESOLVE_CODES,
    AdHocBody,
    AnswerSchema,
    PreviewSchema,
    answer_of,
    preview_document,
)
from app.calls.service import Calls
from app.calls.template import parse_call
from app.web import context
from app.web.body import ApiBlueprint
from app.web.operations import described
from app.web.streams import hand_over

blueprint = ApiBlueprint("calls", __name__, url_prefix="/api/v1", description="Calls that come with the request")


@blueprint.route("/workspaces/<ws>/calls")
class AdHocCalls(MethodView):
    """Calls that come with the request."""

    @described("Make a call", needs=Permission.CALL_AD_HOC, codes=CALL_CODES)
    @blueprint.arguments(AdHocBody)
    @blueprint.response(200, AnswerSchema)
    def post(self, sent: AdHocCall, ws: str) -> object:
        """Make the call and answer with what came back, redacted."""
        template = parse_call(sent.call, location=sent.location)
        calls = Calls(context.resources())
        if sent.answer == "stream":
            return hand_over(calls.stream(template, access=context.access()))
        return answer_of(calls.make(template, access=context.access()))


@blueprint.route("/workspaces/<ws>/calls/preview")
class CallPreview(MethodView):
    """A look at what such a call would send."""

    @described("Preview a call", needs=Permission.CALL_AD_HOC, codes=RESOLVE_CODES, keyed=False)
    @blueprint.arguments(AdHocBody)
    @blueprint.response(200, PreviewSchema)
    def post(self, sent: AdHocCall, ws: str) -> object:
        """Show what would go out and whether it may; no value is read and nothing is sent."""
        template = parse_call(sent.call, location=sent.location)
        return preview_document(Calls(context.resources()).preview(template, access=context.access()))
