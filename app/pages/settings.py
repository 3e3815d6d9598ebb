"""The Settings tab: title, refusing expired secrets, service tokens, and deleting the workspace."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flask import Response, flash, request, url_for

from app.access import Permission, Role, require
from app.identity.schemas import TokenBody
from app.identity.tokens import Tokens
from app.kernel.errors import StrongroomError
from app.pages.forms import FormState, form_texts, moment, number, read
from app.pages.layout import may, pages, redirect_to, redirect_with_message, show, workspace
from app.pages.list_pages import requested_page
from app.web import context
from app.web.errors import STATUS
from app.workspaces.schemas import WorkspacePatch
from app.workspaces.service import Workspace, Workspaces

TOKEN_ROLES: Final = (Role.RUNTIME, Role.EDITOR, Role.ADMIN)


@pages.get("/workspaces/<ws>/settings")
def settings(ws: str) -> Response:
    """Show the settings that this role may use."""
    require(context.access(), Permission.TOKEN_MANAGE)
    return _show(ws, _form_of(workspace()))


def _tokens() -> Tokens:
    resources = context.resources()
    return Tokens(resources.sessions, resources.clock)


def _form_of(shown: Workspace) -> FormState:
    return FormState(
        {"title": shown.title, "refuse_expired": "on" if shown.refuse_expired else "", "revision": str(shown.revision)}
    )


def _show(ws: str, form: FormState, status: int = 200) -> Response:
    asked, access = requested_page(), context.access()
    return show(
        "settings/settings.html",
        status,
        form=form,
        tokens=_tokens().list(access=access, limit=asked.size, offset=asked.offset),
        place=replace(asked, total=_tokens().count(access=access)),
        now=context.resources().clock(),
        ws=ws,
    )


@pages.post("/workspaces/<ws>/settings")
def change_settings(ws: str) -> Response:
    """Change title and settings."""
    sent = form_texts()
    fields = {"title": sent.get("title", "").strip(), "refuse_expired": "refuse_expired" in sent}
    try:
        Workspaces(context.resources()).update(
            read(WorkspacePatch(), fields), revision=number(sent.get("revision", "")), access=context.access()
        )
    except StrongroomError as error:
        kept = sent | {"revision": str(workspace().revision)}
        return _show(ws, FormState.after(error, kept), STATUS[error.code])
    return redirect_with_message("The settings were saved.", url_for("pages.settings", ws=ws))


@pages.get("/workspaces/<ws>/settings/tokens/new")
def new_token_form(ws: str) -> Response:
    """Ask for a new service token."""
    require(context.access(), Permission.TOKEN_MANAGE)
    return show(
        "settings/new_token.html",
        form=FormState({"role": "runtime", "label": request.args.get("label", "")[:128]}),
        roles=TOKEN_ROLES,
        ws=ws,
    )


@pages.post("/workspaces/<ws>/settings/tokens/new")
def new_token(ws: str) -> Response:
    """Make it, and show it this once."""
    sent = form_texts()
    fields = {
        "role": sent.get("role", ""),
        "label": sent.get("label", "").strip(),
        "ad_hoc": "ad_hoc" in sent,
        "expires_at": moment(sent.get("expires_at", "")),
    }
    try:
        new = read(TokenBody(), fields)
        issued = _tokens().issue(new, access=context.access())
    except StrongroomError as error:
        form = FormState.after(error, sent)
        return show("settings/new_token.html", STATUS[error.code], form=form, roles=TOKEN_ROLES, ws=ws)
    return show("settings/token.html", 201, issued=issued, ws=ws)


@pages.get("/workspaces/<ws>/settings/tokens/<token_id>/revoke")
def revoke_token_form(ws: str, token_id: str) -> Response:
    """Ask whether the token should really end."""
    token = _tokens().get(token_id, access=context.access())
    return show("settings/revoke_token.html", token=token, ws=ws)


@pages.post("/workspaces/<ws>/settings/tokens/<token_id>/revoke")
def revoke_token(ws: str, token_id: str) -> Response:
    """End it."""
    _tokens().revoke(token_id, access=context.access())
    return redirect_with_message("The token was revoked.", url_for("pages.settings", ws=ws))


@pages.get("/workspaces/<ws>/settings/delete")
def delete_workspace_form(ws: str) -> Response:
    """Ask whether the workspace should really go."""
    require(context.access(), Permission.WORKSPACE_DELETE)
    return show("settings/delete.html", form=FormState(), ws=ws)


@pages.post("/workspaces/<ws>/settings/delete")
def delete_workspace(ws: str) -> Response:
    """Delete it, with everything that is in it."""
    try:
        Workspaces(context.resources()).delete(
            confirm=request.form.get("typed", "").strip(), access=context.access(), purges=context.purges()
        )
    except StrongroomError as error:
        if not may(Permission.WORKSPACE_DELETE) or error.party == "vault":
            raise
        return show("settings/delete.html", STATUS[error.code], form=FormState.after(error), ws=ws)
    flash(f"The workspace {ws} was deleted.")
    return redirect_to(url_for("pages.workspaces"))
