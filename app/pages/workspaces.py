"""The list of workspaces, and the way into one."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, request, url_for

from app.pages.layout import pages, redirect_to, show
from app.pages.list_pages import requested_page
from app.web import context
from app.workspaces.members import standings
from app.workspaces.service import Workspaces


@pages.get("/")
def workspaces() -> Response:
    """List the workspaces that the user is a member of, with their role in each."""
    resources, principal = context.resources(), context.principal()
    asked = requested_page()
    mine = standings(principal, request_id=context.request_id(), cache=context.cache(), sessions=resources.sessions)
    if len(mine) == 1 and "all" not in request.args:  # there is nothing to choose
        return redirect_to(url_for("pages.variables", ws=mine[0].workspace))
    found = Workspaces(resources).list(principal=principal, limit=asked.size, offset=asked.offset)
    roles = {standing.workspace: standing.role for standing in mine}
    return show(
        "workspaces.html",
        rows=[(each, roles.get(each.name)) for each in found],
        place=replace(asked, total=len(mine)),
    )


@pages.get("/workspaces/<ws>")
def one_workspace(ws: str) -> Response:
    """Go on to the first tab."""
    return redirect_to(url_for("pages.variables", ws=ws))
