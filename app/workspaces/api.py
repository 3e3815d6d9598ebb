"""Workspaces and members over JSON, and who the caller is."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.access import Permission, Role
from app.web import context
from app.web.body import ApiBlueprint, confirm_sent, etag, revision_sent
from app.web.operations import BODY, described
from app.web.paging import PageQuery, page, position
from app.workspaces.members import Members, standings
from app.workspaces.schemas import (
    MemberBody,
    MemberPage,
    MemberSchema,
    MeSchema,
    WorkspaceBody,
    WorkspacePage,
    WorkspacePatch,
    WorkspaceSchema,
)
from app.workspaces.service import NewWorkspace, WorkspaceChanges, Workspaces

blueprint = ApiBlueprint("workspaces", __name__, url_prefix="/api/v1", description="Workspaces and members")


def _members() -> Members:
    resources = context.resources()
    return Members(resources.sessions, resources.clock)


@blueprint.route("/me")
class Me(MethodView):
    """The caller."""

    @described("Tell who the caller is, and what they may do where")
    @blueprint.response(200, MeSchema)
    def get(self) -> object:
        principal = context.principal()
        sessions = context.resources().sessions
        found = standings(principal, request_id=context.request_id(), cache=context.cache(), sessions=sessions)
        return {"actor": principal.actor, "workspaces": found}


@blueprint.route("/workspaces")
class AllWorkspaces(MethodView):
    """All workspaces that the caller is something in."""

    @described("List the caller's workspaces", needs=Permission.WORKSPACE_READ, codes=("validation_failed",))
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, WorkspacePage)
    def get(self, query: dict[str, Any]) -> object:
        rows = Workspaces(context.resources()).list(
            principal=context.principal(),
            limit=query["limit"] + 1,
            after=position(query["cursor"], "workspaces", str),
        )
        return page(rows, query["limit"], "workspaces", lambda workspace: workspace.name)

    @described(
        "Make a workspace",
        needs=Permission.WORKSPACE_CREATE,
        codes=("name_taken", "vault_unavailable", *BODY),
    )
    @blueprint.arguments(WorkspaceBody)
    @blueprint.response(201, WorkspaceSchema)
    def post(self, new: NewWorkspace) -> object:
        created = Workspaces(context.resources()).create(
            new, principal=context.principal(), request_id=context.request_id()
        )
        return created, 201, {"Location": f"/api/v1/workspaces/{created.name}"} | etag(created.revision)


@blueprint.route("/workspaces/<ws>")
class OneWorkspace(MethodView):
    """One workspace."""

    @described("Show a workspace", needs=Permission.WORKSPACE_READ, codes=("not_found",))
    @blueprint.response(200, WorkspaceSchema)
    def get(self, ws: str) -> object:
        workspace = Workspaces(context.resources()).get(access=context.access())
        return workspace, 200, etag(workspace.revision)

    @described(
        "Change a workspace's title or settings",
        needs=Permission.WORKSPACE_UPDATE,
        codes=("not_found", "immutable", "precondition_failed", "precondition_required", *BODY),
    )
    @blueprint.arguments(WorkspacePatch)
    @blueprint.response(200, WorkspaceSchema)
    def patch(self, changes: WorkspaceChanges, ws: str) -> object:
        workspace = Workspaces(context.resources()).update(
            changes, revision=revision_sent(required=True), access=context.access()
        )
        return workspace, 200, etag(workspace.revision)

    @described(
        "Delete a workspace with all that is in it",
        needs=Permission.WORKSPACE_DELETE,
        codes=("not_found", "confirmation_required", "precondition_failed", "vault_unavailable"),
    )
    @blueprint.response(204)
    def delete(self, ws: str) -> None:
        Workspaces(context.resources()).delete(
            confirm=confirm_sent(), revision=revision_sent(), access=context.access(), purges=context.purges()
        )


@blueprint.route("/workspaces/<ws>/members")
class AllMembers(MethodView):
    """A workspace's members."""

    @described("List members", needs=Permission.MEMBER_READ, codes=("not_found", "validation_failed"))
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, MemberPage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        rows = _members().list(
            access=context.access(),
            limit=query["limit"] + 1,
            after=position(query["cursor"], "members", str),
        )
        return page(rows, query["limit"], "members", lambda member: member.user)


@blueprint.route("/workspaces/<ws>/members/<user>")
class OneMember(MethodView):
    """One member."""

    @described("Show a member", needs=Permission.MEMBER_READ, codes=("not_found",))
    @blueprint.response(200, MemberSchema)
    def get(self, ws: str, user: str) -> object:
        member = _members().get(user, access=context.access())
        return member, 200, etag(member.revision)

    @described(
        "Add a member, or change their role",
        needs=Permission.MEMBER_MANAGE,
        codes=("not_found", "last_owner", "precondition_failed", *BODY),
    )
    @blueprint.arguments(MemberBody)
    @blueprint.response(200, MemberSchema)
    @blueprint.alt_response(201, schema=MemberSchema)
    def put(self, body: dict[str, Role], ws: str, user: str) -> object:
        member, new = _members().put(user, body["role"], revision=revision_sent(), access=context.access())
        location = {"Location": f"/api/v1/workspaces/{ws}/members/{user}"} if new else {}
        return member, 201 if new else 200, etag(member.revision) | location

    @described(
        "Remove a member, and revoke the tokens they made",
        needs=Permission.MEMBER_MANAGE,
        codes=("not_found", "last_owner", "confirmation_required", "precondition_failed"),
    )
    @blueprint.response(204)
    def delete(self, ws: str, user: str) -> None:
        _members().remove(user, confirm=confirm_sent(), revision=revision_sent(), access=context.access())
