"""Service tokens over JSON: a workspace's under its name, the platform's at the top."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask.views import MethodView

from app.access import Access, Permission
from app.audit.chain import rfc3339
from app.identity.schemas import IssuedTokenSchema, PlatformTokenBody, TokenBody, TokenPage, TokenSchema
from app.identity.tokens import NewToken, Tokens
from app.web import context
from app.web.body import ApiBlueprint
from app.web.operations import BODY, described
from app.web.paging import PageQuery, moment_and_name, page

blueprint = ApiBlueprint("tokens", __name__, url_prefix="/api/v1", description="Service tokens")

_MANAGE = Permission.TOKEN_MANAGE


def _tokens() -> Tokens:
    resources = context.resources()
    return Tokens(resources.sessions, resources.clock)


def _create(new: NewToken, access: Access, location: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    issued = _tokens().issue(new, access=access)
    return asdict(issued.token) | {"token": issued.bearer}, 201, {"Location": f"{location}/{issued.token.id}"}


def _list(query: dict[str, Any], access: Access) -> dict[str, Any]:
    rows = _tokens().list(access=access, limit=query["limit"] + 1, after=moment_and_name(query["cursor"], "tokens"))
    return page(rows, query["limit"], "tokens", lambda token: [rfc3339(token.created_at), token.id])


@blueprint.route("/workspaces/<ws>/tokens")
class WorkspaceTokens(MethodView):
    """The tokens of a workspace."""

    @described("List the workspace's tokens", needs=_MANAGE, codes=("not_found", "validation_failed"))
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, TokenPage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        return _list(query, context.access())

    @described("Make a token of the workspace", needs=_MANAGE, codes=("not_found", *BODY), told_once=("token",))
    @blueprint.arguments(TokenBody)
    @blueprint.response(201, IssuedTokenSchema)
    def post(self, new: NewToken, ws: str) -> object:
        return _create(new, context.access(), f"/api/v1/workspaces/{ws}/tokens")


@blueprint.route("/workspaces/<ws>/tokens/<token_id>")
class WorkspaceToken(MethodView):
    """One token of a workspace."""

    @described("Show a token", needs=_MANAGE, codes=("not_found",))
    @blueprint.response(200, TokenSchema)
    def get(self, ws: str, token_id: str) -> object:
        return _tokens().get(token_id, access=context.access())

    @described("Revoke a token, at once", needs=_MANAGE, codes=("not_found",))
    @blueprint.response(204)
    def delete(self, ws: str, token_id: str) -> None:
        _tokens().revoke(token_id, access=context.access())


@blueprint.route("/tokens")
class PlatformTokens(MethodView):
    """The platform's own tokens."""

    @described("List the platform's tokens", needs=Permission.PLATFORM_TOKEN_MANAGE, codes=("validation_failed",))
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, TokenPage)
    def get(self, query: dict[str, Any]) -> object:
        return _list(query, context.service_access())

    @described("Make a platform token", needs=Permission.PLATFORM_TOKEN_MANAGE, codes=BODY, told_once=("token",))
    @blueprint.arguments(PlatformTokenBody)
    @blueprint.response(201, IssuedTokenSchema)
    def post(self, new: NewToken) -> object:
        return _create(new, context.service_access(), "/api/v1/tokens")


@blueprint.route("/tokens/<token_id>")
class PlatformToken(MethodView):
    """One of the platform's own tokens."""

    @described("Show a platform token", needs=Permission.PLATFORM_TOKEN_MANAGE, codes=("not_found",))
    @blueprint.response(200, TokenSchema)
    def get(self, token_id: str) -> object:
        return _tokens().get(token_id, access=context.service_access())

    @described("Revoke a platform token, at once", needs=Permission.PLATFORM_TOKEN_MANAGE, codes=("not_found",))
    @blueprint.response(204)
    def delete(self, token_id: str) -> None:
        _tokens().revoke(token_id, access=context.service_access())
