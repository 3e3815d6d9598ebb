"""The list of workspaces, and the way into one."""

from __future__ import annotations

from flask import Response, url_for

from app.pages.frame import go, pages, show
from app.web import context
from app.web.paging import LIMIT_GREATEST
from app.workspaces import service


@pages.get("/")
def workspaces() -> Response:
    """List the workspaces that the user is a member of, with their role in each."""
    sessions, principal = context.resources().sessions, context.principal()
    standings = service.standings(principal, request_id=context.request_id(), sessions=sessions)
    found = service.list_workspaces(principal=principal, sessions=sessions, limit=LIMIT_GREATEST)
    roles = {standing.workspace: standing.role for standing in standings}
    return show("workspaces.html", rows=[(each, roles.get(each.name)) for each in found])


@pages.get("/workspaces/<ws>")
def one_workspace(ws: str) -> Response:
    """Go on to the first tab."""
    return go(url_for("pages.variables", ws=ws))
