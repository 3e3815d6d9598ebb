"""Plain variables over JSON, and the one list of everything that has a name."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.views import MethodView

from app.access import Permission
from app.variables import listing
from app.variables.schemas.plain import VariableBody, VariablePatch, VariableSchema
from app.variables.schemas.secrets import DeletionQuery, VariablePage, VariableQuery
from app.variables.service import NewVariable, Variable, VariableChanges, Variables
from app.web import context
from app.web.body import ApiBlueprint, etag, revision_sent
from app.web.operations import BODY, described
from app.web.paging import cursor, position

blueprint = ApiBlueprint("variables", __name__, url_prefix="/api/v1", description="Variables and secrets")


def _answer_plain(variable: Variable, status: int = 200) -> object:
    return variable, status, etag(variable.revision)


@blueprint.route("/workspaces/<ws>/variables")
class VariableList(MethodView):
    """A workspace's variables, plain ones and secrets."""

    @described("List variables and secrets", needs=Permission.VARIABLE_READ, codes=("not_found", "validation_failed"))
    @blueprint.arguments(VariableQuery, location="query")
    @blueprint.response(200, VariablePage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        after = position(query["cursor"], "variables", str)
        listed = listing.list_variables(
            listing.ListQuery(q=query["q"], kind=query["kind"]),
            access=context.access(),
            resources=context.resources(),
            limit=query["limit"],
            after=listing.after_name(after) if after is not None else None,
            counted=False,
        )
        further = cursor("variables", listed.after.folded_name) if listed.after else None
        return {"items": listed.entries, "next_cursor": further}

    @described(
        "Create a plain variable", needs=Permission.VARIABLE_WRITE, codes=("not_found", "name_taken", "too_long", *BODY)
    )
    @blueprint.arguments(VariableBody)
    @blueprint.response(201, VariableSchema)
    def post(self, new: NewVariable, ws: str) -> object:
        variable = Variables(context.resources()).create(new, access=context.access())
        return variable, 201, {"Location": f"{request.path}/{variable.name}"} | etag(variable.revision)


@blueprint.route("/workspaces/<ws>/variables/<name>")
class OneVariable(MethodView):
    """One plain variable."""

    @described("Show a plain variable", needs=Permission.VARIABLE_READ, codes=("not_found",))
    @blueprint.response(200, VariableSchema)
    def get(self, ws: str, name: str) -> object:
        return _answer_plain(Variables(context.resources()).get(name, access=context.access()))

    @described(
        "Change a plain variable",
        needs=Permission.VARIABLE_WRITE,
        codes=("not_found", "immutable", "too_long", "precondition_failed", "precondition_required", *BODY),
    )
    @blueprint.arguments(VariablePatch)
    @blueprint.response(200, VariableSchema)
    def patch(self, changes: VariableChanges, ws: str, name: str) -> object:
        revision = revision_sent(required=True)
        variable = Variables(context.resources()).update(name, changes, revision=revision, access=context.access())
        return _answer_plain(variable)

    @described(
        "Delete a plain variable",
        needs=Permission.VARIABLE_WRITE,
        codes=("not_found", "in_use", "confirmation_required", "precondition_failed", "validation_failed"),
    )
    @blueprint.arguments(DeletionQuery, location="query")
    @blueprint.response(204)
    def delete(self, query: dict[str, Any], ws: str, name: str) -> None:
        Variables(context.resources()).delete(
            name,
            confirm=query["confirm"],
            force=query["force"],
            revision=revision_sent(),
            access=context.access(),
        )
