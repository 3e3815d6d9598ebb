"""Whoever is signed in: their sessions, their password, what they looked at and did."""

from __future__ import annotations

from typing import Final

from flask import Response, url_for
from flask_login import current_user

from app.audit.history import list_own_deeds
from app.pages.layout import pages, redirect_with_message, show
from app.pages.messages import sentence
from app.pages.sign_in import user_sessions
from app.web import context
from app.workspaces.members import standings

_DEEDS: Final = 50
# The first that fits: browsers name those that they descend from as well.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@pages.get("/account")
def account() -> Response:
    """Show them."""
    resources = context.resources()
    mine = standings(
        context.principal(), request_id=context.request_id(), cache=context.cache(), sessions=resources.sessions
    )
    chains = [str(each.workspace) for each in mine]
    deeds = list_own_deeds(current_user.id, chains, sessions=resources.sessions, limit=_DEEDS)
    return show(
        "account.html",
        sessions=[(each, browser_name(each.agent)) for each in user_sessions().list(current_user.id)],
        this_one=current_user.session_id,
        deeds=[(event, sentence(event)) for event in deeds],
    )


def browser_name(agent: str) -> str:
    """Return what a ``User-Agent`` says to a person: browser and system, or its first words where it is neither."""
    browser, system = (next((name for mark, name in names if mark in agent), None) for names in (_BROWSERS, _SYSTEMS))
    if browser is None:
        return agent[:40] or "unknown"
    return f"{browser} on {system}" if system else browser


@pages.post("/account/sessions/<session_id>/end")
def end_session(session_id: str) -> Response:
    """End one session of one's own. Raises ``NotFound`` where it has ended already."""
    user_sessions().end(current_user.id, session_id, request_id=context.request_id())
    return redirect_with_message("The session has ended.", url_for("pages.account"))


@pages.post("/account/sessions/end-others")
def end_other_sessions() -> Response:
    """End all sessions but this one."""
    user_sessions().end_all(current_user.id, keep=current_user.session_id, request_id=context.request_id())
    return redirect_with_message("Every other session of yours has ended.", url_for("pages.account"))
