"""API blocks and calls over JSON."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask.views import MethodView

from app.access import Permission
from app.blocks import saved, service
from app.blocks.call import parse_call
from app.blocks.saved import BlockChanges, NewBlock
from app.blocks.schemas import (
    AdHocBody,
    AnswerSchema,
    BlockBody,
    BlockPage,
    BlockPatch,
    BlockQuery,
    BlockSchema,
    PreviewSchema,
    RunBody,
    answer,
    shown,
)
from app.blocks.written import WrittenCall
from app.web import context
from app.web.body import ApiBlueprint, confirm_sent, etag, revision_sent
from app.web.describe import BODY, described
from app.web.paging import page, position

blueprint = ApiBlueprint("blocks", __name__, url_prefix="/api/v1", description="API blocks and calls")


_RULE_CODES = (
    "unknown_secret", "one_secret_per_field", "header_not_allowed", "template_not_allowed", "place_not_allowed",
    "destination_not_allowed",
)  # fmt: skip
_RESOLVE_CODES = (
    "not_found", "missing_variable", "value_not_allowed_here", "secret_expired", *_RULE_CODES, *BODY,
)  # fmt: skip
_CALL_CODES = (
    *_RESOLVE_CODES, "too_many_calls", "binding_mismatch", "vault_unavailable", "upstream_unreachable", "upstream_tls",
    "upstream_protocol", "upstream_timeout", "response_not_readable", "response_too_large",
)  # fmt: skip


@blueprint.route("/workspaces/<ws>/blocks")
class Blocks(MethodView):
    """A workspace's saved calls."""

    @described("List API blocks", needs=Permission.BLOCK_READ, codes=("not_found", "validation_failed"))
    @blueprint.arguments(BlockQuery, location="query")
    @blueprint.response(200, BlockPage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        blocks = saved.list_blocks(
            access=context.access(),
            sessions=context.resources().sessions,
            limit=query["limit"] + 1,
            after=position(query["cursor"], "blocks", str),
            q=query["q"],
        )
        return page(blocks, query["limit"], "blocks", lambda block: block.name)

    @described(
        "Save a new API block", needs=Permission.BLOCK_WRITE, codes=("not_found", "name_taken", *_RULE_CODES, *BODY)
    )
    @blueprint.arguments(BlockBody)
    @blueprint.response(201, BlockSchema)
    def post(self, new: NewBlock, ws: str) -> object:
        resources = context.resources()
        block = saved.create_block(new, access=context.access(), sessions=resources.sessions, clock=resources.clock)
        return block, 201, {"Location": f"{request.path}/{block.name}"} | etag(block.revision)


@blueprint.route("/workspaces/<ws>/blocks/<block>")
class OneBlock(MethodView):
    """One saved call."""

    @described("Show an API block", needs=Permission.BLOCK_READ, codes=("not_found",))
    @blueprint.response(200, BlockSchema)
    def get(self, ws: str, block: str) -> object:
        shown = saved.get_block(block, access=context.access(), sessions=context.resources().sessions)
        return shown, 200, etag(shown.revision)

    @described(
        "Change an API block",
        needs=Permission.BLOCK_WRITE,
        codes=("not_found", "immutable", "precondition_failed", "precondition_required", *_RULE_CODES, *BODY),
    )
    @blueprint.arguments(BlockPatch)
    @blueprint.response(200, BlockSchema)
    def patch(self, changes: BlockChanges, ws: str, block: str) -> object:
        resources = context.resources()
        changed = saved.update_block(
            block,
            changes,
            revision=revision_sent(required=True),
            access=context.access(),
            sessions=resources.sessions,
            clock=resources.clock,
        )
        return changed, 200, etag(changed.revision)

    @described(
        "Delete an API block",
        needs=Permission.BLOCK_WRITE,
        codes=("not_found", "confirmation_required", "precondition_failed"),
    )
    @blueprint.response(204)
    def delete(self, ws: str, block: str) -> None:
        resources = context.resources()
        saved.delete_block(
            block,
            confirm=confirm_sent(),
            revision=revision_sent(),
            access=context.access(),
            sessions=resources.sessions,
            clock=resources.clock,
        )


@blueprint.route("/workspaces/<ws>/blocks/<block>/run")
class BlockRun(MethodView):
    """A run of a saved call."""

    @described("Run an API block", needs=Permission.BLOCK_RUN, codes=_CALL_CODES)
    @blueprint.arguments(RunBody)
    @blueprint.response(200, AnswerSchema)
    def post(self, body: dict[str, Any], ws: str, block: str) -> object:
        """Make the call and answer with what came back, redacted, or with its captures."""
        resources = context.resources()
        ran = service.run_block(
            block,
            body["variables"],
            access=context.access(),
            known=context.known(),
            sessions=resources.sessions,
            vault=resources.vault,
            outbound=resources.outbound,
            clock=resources.clock,
            in_flight=resources.in_flight,
        )
        return jsonify(answer(ran))


@blueprint.route("/workspaces/<ws>/blocks/<block>/preview")
class BlockPreview(MethodView):
    """A look at what a run would send."""

    @described("Preview a run of an API block", needs=Permission.BLOCK_READ, codes=_RESOLVE_CODES, keyed=False)
    @blueprint.arguments(RunBody)
    @blueprint.response(200, PreviewSchema)
    def post(self, body: dict[str, Any], ws: str, block: str) -> object:
        """Show what would go out and whether it may; no value is read and nothing is sent."""
        resources = context.resources()
        preview = service.preview_block(
            block,
            body["variables"],
            access=context.access(),
            sessions=resources.sessions,
            outbound=resources.outbound,
            clock=resources.clock,
        )
        return shown(preview)


@blueprint.route("/workspaces/<ws>/calls")
class Calls(MethodView):
    """Calls that come with the request."""

    @described("Make a call", needs=Permission.CALL_AD_HOC, codes=_CALL_CODES)
    @blueprint.arguments(AdHocBody)
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
        return jsonify(answer(ran))


@blueprint.route("/workspaces/<ws>/calls/preview")
class CallPreview(MethodView):
    """A look at what such a call would send."""

    @described("Preview a call", needs=Permission.CALL_AD_HOC, codes=_RESOLVE_CODES, keyed=False)
    @blueprint.arguments(AdHocBody)
    @blueprint.response(200, PreviewSchema)
    def post(self, written: WrittenCall, ws: str) -> object:
        """Show what would go out and whether it may; no value is read and nothing is sent."""
        resources = context.resources()
        preview = service.preview_ad_hoc(
            parse_call(written),
            access=context.access(),
            sessions=resources.sessions,
            outbound=resources.outbound,
            clock=resources.clock,
        )
        return shown(preview)
