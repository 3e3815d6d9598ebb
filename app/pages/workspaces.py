"""The list of workspaces, and the way into one."""

from __future__ import annotations

from typing import Final

from flask import Response, request, url_for

from app.pages.layout import go, pages, show
from app.web import context
from app.web.paging import cursor, position
from app.workspaces.members import standings
from app.workspaces.service import Workspaces

ROWS: Final = 60
_LIST: Final = "workspaces-page"


@pages.get("/")
def workspaces() -> Response:
    """List the workspaces that the user is a member of, with their role in each."""
    resources, principal = context.resources(), context.principal()
    after = position(request.args.get("cursor") or None, _LIST, str)
    mine = standings(principal, request_id=context.request_id(), cache=context.cache(), sessions=resources.sessions)
    found = Workspaces(resources).list(principal=principal, limit=ROWS + 1, after=after)
    if len(found) == 1 and after is None and "all" not in request.args:  # there is nothing to choose
        return go(url_for("pages.variables", ws=found[0].name))
    roles = {standing.workspace: standing.role for standing in mine}
    return show(
        "workspaces.html",
        rows=[(each, roles.get(each.name)) for each in found[:ROWS]],
        further=cursor(_LIST, found[ROWS - 1].name) if len(found) > ROWS else None,
        first=after is None,
    )


@pages.get("/workspaces/<ws>")
def one_workspace(ws: str) -> Response:
    """Go on to the first tab."""
    return go(url_for("pages.variables", ws=ws))
