"""A secret's versions (when each was made, by whom, and going back to one) and where it is used. Never a value."""

from __future__ import annotations

from flask import Response, url_for

from app.kernel.errors import NotFound, StrongroomError
from app.pages.forms import Typed, form_texts, number
from app.pages.layout import pages, redirect_with_message, show
from app.variables.secrets.queries import SecretQueries
from app.variables.secrets.usage import usage_of
from app.variables.secrets.versions import SecretVersions
from app.vault import VERSIONS_KEPT
from app.web import context
from app.web.errors import STATUS


@pages.get("/workspaces/<ws>/variables/<name>/versions")
def version_history(ws: str, name: str) -> Response:
    """List a secret's versions, and the API blocks that use it."""
    return _show(ws, name, Typed())


@pages.post("/workspaces/<ws>/variables/<name>/versions")
def roll_back_version(ws: str, name: str) -> Response:
    """Make an older version's value the newest version."""
    sent = form_texts()
    version = number(sent.get("version", ""))
    try:
        secret = SecretVersions(context.resources()).roll_back(
            name, version, revision=number(sent.get("revision", "")), access=context.access()
        )
    except StrongroomError as error:
        return _show(ws, name, Typed.of_a_button(error), STATUS[error.code])
    told = f"{name} is back at the value of version {version}, as version {secret.version}."
    return redirect_with_message(told, url_for("pages.version_history", ws=ws, name=name), name=name)


def _show(ws: str, name: str, form: Typed, status: int = 200) -> Response:
    resources, access = context.resources(), context.access()
    secret = SecretQueries(resources).get(name, access=access)
    usage = usage_of(name, access=access, resources=resources)
    try:
        listed = SecretVersions(resources).list(name, access=access, limit=VERSIONS_KEPT)
    except NotFound:
        raise
    except StrongroomError as error:  # Vault is away: the page says so
        listed, form, status = [], Typed.of_a_button(error), STATUS[error.code]
    return show("variables/versions.html", status, secret=secret, versions=listed, usage=usage, form=form, ws=ws)
