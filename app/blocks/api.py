"""API blocks over JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import request
from flask.views import MethodView
from werkzeug.routing import BaseConverter

from app.access import Permission, require
from app.blocks.runs import BlockRuns
from app.blocks.schemas import (
    BlockBody,
    BlockPage,
    BlockPatch,
    BlockQuery,
    BlockRunPage,
    BlockSchema,
    CurlBody,
    CurlDraftSchema,
)
from app.blocks.service import RESERVED_NAMES, BlockChanges, NewBlock, SavedBlocks
from app.calls.curl_import import draft_of
from app.calls.schemas import (
    CALL_CODES,
    RESOLVE_CODES,
    RULE_CODES,
    AnswerSchema,
    PreviewSchema,
    RunBody,
    answer_of,
    preview_document,
)
from app.resources import Resources
from app.web import context
from app.web.body import ApiBlueprint, confirm_sent, etag, revision_sent
from app.web.fast_path import FastView
from app.web.incoming import Incoming
from app.web.operations import BODY, described
from app.web.paging import PageQuery, cursor, page, position
from app.web.reply import Reply, respond, stream_reply

blueprint = ApiBlueprint("blocks", __name__, url_prefix="/api/v1", description="API blocks")


class _BlockName(BaseConverter):
    """A block's name in a URL; what has a route of its own in its place is none."""

    regex = rf"(?!(?:{'|'.join(RESERVED_NAMES)})\Z)[^/]+"


blueprint.record_once(lambda state: state.app.url_map.converters.update(block=_BlockName))


@blueprint.route("/workspaces/<ws>/blocks")
class Blocks(MethodView):
    """A workspace's saved calls."""

    @described("List API blocks", needs=Permission.BLOCK_READ, codes=("not_found", "validation_failed"))
    @blueprint.arguments(BlockQuery, location="query")
    @blueprint.response(200, BlockPage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        blocks = SavedBlocks(context.resources()).list(
            access=context.access(),
            limit=query["limit"] + 1,
            after=position(query["cursor"], "blocks", str),
            q=query["q"],
        )
        return page(blocks, query["limit"], "blocks", lambda block: block.name)

    @described(
        "Save a new API block", needs=Permission.BLOCK_WRITE, codes=("not_found", "name_taken", *RULE_CODES, *BODY)
    )
    @blueprint.arguments(BlockBody)
    @blueprint.response(201, BlockSchema)
    def post(self, new: NewBlock, ws: str) -> object:
        block = SavedBlocks(context.resources()).create(new, access=context.access())
        return block, 201, {"Location": f"{request.path}/{block.name}"} | etag(block.revision)


@blueprint.route("/workspaces/<ws>/blocks/from-curl")
class FromCurl(MethodView):
    """A draft of a block from a curl command."""

    @described(
        "Draft a call from a curl command",
        needs=Permission.BLOCK_WRITE,
        codes=("not_found", *BODY),
        keyed=False,
    )
    @blueprint.arguments(CurlBody)
    @blueprint.response(200, CurlDraftSchema)
    def post(self, body: dict[str, str], ws: str) -> object:
        """Read the command into a call whose credentials are `{{secrets.NAME}}`; nothing is saved, and the command is
        kept nowhere."""
        require(context.access(), Permission.BLOCK_WRITE)
        return draft_of(body["command"]), 200, {"Cache-Control": "no-store"}


@blueprint.route("/workspaces/<ws>/blocks/<block:block>")
class OneBlock(MethodView):
    """One saved call."""

    @described("Show an API block", needs=Permission.BLOCK_READ, codes=("not_found",))
    @blueprint.response(200, BlockSchema)
    def get(self, ws: str, block: str) -> object:
        shown = SavedBlocks(context.resources()).get(block, access=context.access())
        return shown, 200, etag(shown.revision)

    @described(
        "Change an API block",
        needs=Permission.BLOCK_WRITE,
        codes=("not_found", "immutable", "precondition_failed", "precondition_required", *RULE_CODES, *BODY),
    )
    @blueprint.arguments(BlockPatch)
    @blueprint.response(200, BlockSchema)
    def patch(self, changes: BlockChanges, ws: str, block: str) -> object:
        revision = revision_sent(required=True)
        changed = SavedBlocks(context.resources()).update(block, changes, revision=revision, access=context.access())
        return changed, 200, etag(changed.revision)

    @described(
        "Delete an API block",
        needs=Permission.BLOCK_WRITE,
        codes=("not_found", "in_use", "confirmation_required", "precondition_failed"),
    )
    @blueprint.response(204)
    def delete(self, ws: str, block: str) -> None:
        SavedBlocks(context.resources()).delete(
            block, confirm=confirm_sent(), revision=revision_sent(), access=context.access()
        )


@blueprint.route("/workspaces/<ws>/blocks/<block>/run")
class BlockRun(MethodView):
    """A run of a saved call."""

    @described("Run an API block", needs=Permission.BLOCK_RUN, codes=CALL_CODES)
    @blueprint.arguments(RunBody)
    @blueprint.response(200, AnswerSchema)
    def post(self, body: dict[str, Any], ws: str, block: str) -> object:
        """Make the call and answer with what came back, redacted, or with its captures."""
        return respond(run_block(body, context.incoming(), context.resources(), block=block))


def run_block(body: Mapping[str, Any], incoming: Incoming, resources: Resources, *, block: str) -> Reply:
    """Run a block for a request that was let in.

    Raises:
        NotFound: There is no such block.
        StrongroomError: The call was refused or failed; its code says how.
    """
    runs, variables, access, cache = BlockRuns(resources), body["variables"], incoming.standing, incoming.cache
    if runs.streams(block, access=access, cache=cache):
        is_awaited = incoming.is_awaited
        return stream_reply(runs.stream(block, variables, access=access, cache=cache, is_awaited=is_awaited))
    return answer_of(runs.run(block, variables, access=access, cache=cache))


FAST: Final = (FastView("blocks.BlockRun", RunBody(), run_block),)
"""What the fast path serves, too."""


@blueprint.route("/workspaces/<ws>/blocks/<block>/preview")
class BlockPreview(MethodView):
    """A look at what a run would send."""

    @described("Preview a run of an API block", needs=Permission.BLOCK_READ, codes=RESOLVE_CODES, keyed=False)
    @blueprint.arguments(RunBody)
    @blueprint.response(200, PreviewSchema)
    def post(self, body: dict[str, Any], ws: str, block: str) -> object:
        """Show what would go out and whether it may; no value is read and nothing is sent."""
        return preview_document(
            BlockRuns(context.resources()).preview(block, body["variables"], access=context.access())
        )


@blueprint.route("/workspaces/<ws>/blocks/<block>/runs")
class LastRuns(MethodView):
    """What became of a block's runs."""

    @described(
        "List the last runs of an API block", needs=Permission.BLOCK_READ, codes=("not_found", "validation_failed")
    )
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, BlockRunPage)
    def get(self, query: dict[str, Any], ws: str, block: str) -> object:
        """List how the last runs ended, from the record, newest first."""
        below = position(query["cursor"], "runs", int)
        runs = BlockRuns(context.resources()).last(block, access=context.access(), limit=query["limit"], below=below)
        return {"items": runs.events, "next_cursor": None if runs.below is None else cursor("runs", runs.below)}
