"""Signing in and out, and choosing a password."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final, cast

from flask import Flask, Response, current_app, flash, jsonify, make_response, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import generate_csrf

from app.identity.sessions import Device, SignedIn, UserSessions
from app.identity.users import USER_ID, Users
from app.kernel.errors import Forbidden, NotFound, StrongroomError, Unauthenticated
from app.pages.forms import FormState
from app.pages.layout import pages, public, redirect_to, redirect_with_message, requested_dialog, show
from app.web import context
from app.web.errors import STATUS

login = LoginManager()
login.session_protection = None  # a person's address may change while they work; the cookie is signed as it is
_LONGEST_PASSWORD: Final = 1024
_USER_SESSIONS: Final = "strongroom_user_sessions"
PASSWORDS: Final = "STRONGROOM_PASSWORDS"
"""Whether users sign in with passwords; in the application's configuration."""


class Visitor(UserMixin):
    """A user, as flask-login keeps them: the signed cookie holds the id of a session that is a row."""

    def __init__(self, signed_in: SignedIn) -> None:
        self.id = signed_in.user.id
        self.session_id = signed_in.session_id
        self.must_change_password = signed_in.user.must_change_password

    def get_id(self) -> str:
        """Return what goes into the cookie."""
        return self.session_id


def provide(app: Flask, user_sessions: UserSessions) -> None:
    """Hand the application what begins and ends sessions."""
    app.extensions[_USER_SESSIONS] = user_sessions


def user_sessions() -> UserSessions:
    """Return what begins, lists and ends sessions."""
    return cast(UserSessions, current_app.extensions[_USER_SESSIONS])


@login.user_loader
def _load(session_id: str) -> Visitor | None:
    found = user_sessions().find(session_id)
    return Visitor(found) if found else None


def device() -> Device:
    """Return what is asking, for its owner to recognise their session by."""
    return Device(request.headers.get("User-Agent", ""), request.remote_addr or "")


@pages.get("/sign-in")
@public
def sign_in_page() -> Response:
    """Ask for user and password."""
    if current_user.is_authenticated and requested_dialog() is None:
        return redirect_to(return_page())
    return show("sign_in.html", form=FormState())


@pages.post("/sign-in")
@public
def sign_in() -> Response:
    """Check them."""
    user_id, password = _user_sent(), request.form.get("password", "")
    try:
        if not current_app.config[PASSWORDS]:
            raise Forbidden("Passwords are switched off here; use single sign-on.")
        if not USER_ID.fullmatch(user_id) or len(password) > _LONGEST_PASSWORD:
            raise Unauthenticated("User or password is wrong.")
        found = user_sessions().sign_in(user_id, password, device=device(), request_id=context.request_id())
    except StrongroomError as error:
        return show("sign_in.html", STATUS[error.code], form=FormState.after(error, {"user": user_id}))
    session.clear()
    login_user(Visitor(found))
    if requested_dialog() == "again":
        return Response("", 204, {"HX-Trigger": json.dumps({"strongroom:session": _session()})})
    return redirect_to(return_page())


@pages.get("/session")
def this_session() -> Response:
    """Tell a script who is signed in, and what its requests say to be of this session."""
    return make_response(jsonify(_session()))


def _session() -> dict[str, str]:
    return {"user": str(current_user.id), "csrf_token": generate_csrf()}


def _user_sent() -> str:
    return request.form.get("user", "").strip()


def return_page() -> str:
    """Return the page that was asked for before, if it is one of ours."""
    wanted = request.args.get("next", "")
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if ours else url_for("pages.workspaces")


@pages.post("/still-here")
def still_here() -> Response:
    """Let the session go on, as every request does: somebody is typing."""
    return Response("", 204)


@pages.post("/sign-out")
def sign_out() -> Response:
    """End this session, in every copy of its cookie."""
    with suppress(NotFound):  # it has just been ended elsewhere
        user_sessions().end(current_user.id, current_user.session_id, request_id=context.request_id())
    logout_user()
    session.clear()
    flash("You have signed out.")
    return redirect_to(url_for("pages.sign_in"))


@pages.get("/change-password")
def change_password_page() -> Response:
    """Ask for a new password."""
    return show("change_password.html", form=FormState(), forced=current_user.must_change_password)


@pages.post("/change-password")
def change_password() -> Response:
    """Set it; every other session of this user ends."""
    forced = current_user.must_change_password
    current = None if forced else request.form.get("current", "")[:_LONGEST_PASSWORD]
    new = request.form.get("password", "")[:_LONGEST_PASSWORD]
    try:
        resources = context.resources()
        user = Users(resources.sessions, resources.clock).change_password(
            current_user.id, current, new, request_id=context.request_id()
        )
    except StrongroomError as error:
        return show("change_password.html", STATUS[error.code], form=FormState.after(error), forced=forced)
    session.clear()
    login_user(Visitor(user_sessions().begin(user, device=device())))
    return redirect_with_message(
        "The new password is set. Every other session of yours has ended.", url_for("pages.workspaces")
    )


def user_of_password() -> str | None:
    """Return the user whose password is tried by this request: to sign in, or to prove who sits there before a change.

    None where the change of a one-time password asks for no proof.
    """
    if request.endpoint == "pages.sign_in":
        return _user_sent()
    return None if current_user.must_change_password else str(current_user.id)
