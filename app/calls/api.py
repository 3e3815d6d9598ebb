"""Calls over JSON."""

from __future__ import annotations

from typing import Final

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
from app.resources import Resources
from app.web import context
from app.web.body import ApiBlueprint
from app.web.fast_path import FastView
from app.web.incoming import Incoming
from app.web.operations import described
from app.web.reply import Reply, respond, stream_reply

blueprint = ApiBlueprint("calls", __name__, url_prefix="/api/v1", description="Calls that come with the request")


@blueprint.route("/workspaces/<ws>/calls")
class AdHocCalls(MethodView):
    """Calls that come with the request."""

    @described("Make a call", needs=Permission.CALL_AD_HOC, codes=CALL_CODES)
    @blueprint.arguments(AdHocBody)
    @blueprint.response(200, AnswerSchema)
    def post(self, sent: AdHocCall, ws: str) -> object:
        """Make the call and answer with what came back, redacted."""
        return respond(make_call(sent, context.incoming(), context.resources()))


def make_call(sent: AdHocCall, incoming: Incoming, resources: Resources) -> Reply:
    """Make a call that came with a request that was let in.

    Raises:
        ValidationFailed: The body is no call.
        StrongroomError: The call was refused or failed; its code says how.
    """
    template, calls, access = parse_call(sent.call, location=sent.location), Calls(resources), incoming.standing
    if sent.answer == "stream":
        return stream_reply(calls.stream(template, access=access, is_awaited=incoming.is_awaited))
    return answer_of(calls.make(template, access=access))


FAST: Final = (FastView("calls.AdHocCalls", AdHocBody(), make_call),)
"""What the fast path serves, too."""


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
