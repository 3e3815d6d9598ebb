"""Calls over JSON."""

from __future__ import annotations

from flask.views import MethodView

from app.access import Permission
from app.blocks import service
from app.blocks.answer import answer_body
from app.blocks.call import WrittenCall, parse_call
from app.blocks.schemas import AnswerSchema, CallBody
from app.blocks.service import Ran
from app.web import context
from app.web.body import ApiBlueprint
from app.web.describe import BODY, described

blueprint = ApiBlueprint("blocks", __name__, url_prefix="/api/v1", description="API blocks and calls")

_CALL_CODES = (
    "not_found", "unknown_secret", "missing_variable", "one_secret_per_field", "header_not_allowed",
    "template_not_allowed", "value_not_allowed_here", "place_not_allowed", "destination_not_allowed",
    "secret_expired", "too_many_calls", "binding_mismatch", "vault_unavailable", "upstream_unreachable",
    "upstream_tls", "upstream_protocol",
    "upstream_timeout", "response_not_readable", "response_too_large", *BODY,
)  # fmt: skip


@blueprint.route("/workspaces/<ws>/calls")
class Calls(MethodView):
    """Calls that come with the request."""

    @described("Make a call", needs=Permission.CALL_AD_HOC, codes=_CALL_CODES)
    @blueprint.arguments(CallBody)
    @blueprint.response(200, AnswerSchema)
    def post(self, written: WrittenCall, ws: str) -> object:
        """Make the call and answer with what came back, redacted."""
        resources = context.resources()
        ran = service.run_ad_hoc(
            parse_call(written),
            access=context.access(),
            sessions=resources.sessions,
            vault=resources.vault,
            outbound=resources.outbound,
            clock=resources.clock,
            in_flight=resources.in_flight,
        )
        return answer(ran), 200, {"Cache-Control": "no-store"}


def answer(ran: Ran) -> dict[str, object]:
    """Return what the client gets of a call."""
    reply = ran.reply
    return {
        "call_id": ran.call_id,
        "status": reply.status,
        "headers": [{"name": name, "value": value} for name, value in reply.headers],
        "body": answer_body(reply),
        "captures": {},
        "redactions": reply.redactions,
        "elapsed_ms": reply.elapsed_ms,
    }
