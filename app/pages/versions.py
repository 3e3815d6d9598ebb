"""A secret's versions (when each was made, by whom, and going back to one) and where it is used. Never a value."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from app.kernel.errors import NotFound, StrongroomError
from app.pages.forms import Typed, number, typed
from app.pages.layout import done, pages, show
from app.variables.secrets import queries as reading
from app.variables.secrets import versions
from app.variables.secrets.usage import usage_of
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
    sent, resources = typed(), context.resources()
    version = number(sent.get("version", ""))
    try:
        secret = versions.roll_back(
            name,
            version,
            revision=number(sent.get("revision", "")),
            access=context.access(),
            sessions=resources.sessions,
            vault=resources.vault,
            clock=resources.clock,
        )
    except StrongroomError as error:
        return _show(ws, name, Typed.after(error), STATUS[error.code])
    told = f"{name} is back at the value of version {version}, as version {secret.version}."
    return done(told, url_for("pages.version_history", ws=ws, name=name), name=name)


def _show(ws: str, name: str, form: Typed, status: int = 200) -> Response:
    resources = context.resources()
    doors: dict[str, Any] = {"access": context.access(), "sessions": resources.sessions}
    secret = reading.get_secret(name, clock=resources.clock, **doors)
    usage = usage_of(name, clock=resources.clock, **doors)
    try:
        listed = versions.list_versions(name, vault=resources.vault, limit=VERSIONS_KEPT, **doors)
    except NotFound:
        raise
    except StrongroomError as error:  # Vault is away: the page says so
        listed, form, status = [], Typed.after(error), STATUS[error.code]
    return show("variables/versions.html", status, secret=secret, versions=listed, usage=usage, form=form, ws=ws)
