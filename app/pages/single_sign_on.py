"""Signing in through the company's identity provider."""

from __future__ import annotations

import time
from typing import Any, Final, cast

from flask import Flask, Response, current_app, request, session, url_for
from flask_login import current_user, login_user

from app.identity.single_sign_on import Attempt, SingleSignOn
from app.kernel.errors import NotFound, StrongroomError
from app.pages.forms import FormState
from app.pages.layout import machines_only, pages, public, redirect_to, show
from app.pages.sign_in import PASSWORDS, Visitor, device, return_page, user_sessions
from app.web import context
from app.web.errors import STATUS, problem

START_ENDPOINT: Final = "pages.start_single_sign_on"
CALLBACK: Final = "/sign-in/oidc/callback"
_PROVIDER: Final = "strongroom_single_sign_on"
_ATTEMPT: Final = "oidc"
_ATTEMPT_SECONDS: Final = 600


def provide(app: Flask, single_sign_on: SingleSignOn | None) -> None:
    """Hand the application the provider to sign in through, where there is one."""
    app.extensions[_PROVIDER] = single_sign_on
    app.add_template_global(lambda: single_sign_on is not None, "single_sign_on_offered")
    app.add_template_global(lambda: app.config[PASSWORDS], "passwords_allowed")


def _provider() -> SingleSignOn:
    found = cast("SingleSignOn | None", current_app.extensions[_PROVIDER])
    if found is None:
        raise NotFound("This service has no single sign-on.")
    return found


@pages.get("/sign-in/oidc")
@public
def start_single_sign_on() -> Response:
    """Send the browser to the provider."""
    if current_user.is_authenticated:
        return redirect_to(return_page())
    try:
        attempt, url = _provider().start()
    except StrongroomError as error:
        return _refuse(error)
    session.clear()
    session[_ATTEMPT] = {
        "state": attempt.state,
        "nonce": attempt.nonce,
        "verifier": attempt.verifier,
        "next": return_page(),
        "at": int(time.time()),
    }
    return redirect_to(url)


@pages.get(CALLBACK)
@public
def finish_single_sign_on() -> Response:
    """Sign in whom the provider confirms. An attempt serves once, and for ten minutes."""
    begun: dict[str, Any] = session.pop(_ATTEMPT, None) or {}
    fresh = begun and time.time() - begun["at"] <= _ATTEMPT_SECONDS
    attempt = Attempt(begun["state"], begun["nonce"], begun["verifier"]) if fresh else None
    try:
        identity = _provider().finish(attempt, request.args.to_dict())
        found = user_sessions().begin_confirmed(
            identity, attempt=begun["nonce"], device=device(), request_id=context.request_id()
        )
    except StrongroomError as error:
        return _refuse(error)
    session.clear()
    login_user(Visitor(found))
    return redirect_to(begun["next"])


@pages.post("/sign-in/oidc/logout")
@public
@machines_only
def end_provider_sessions() -> Response:
    """End the sessions that the provider says are over (OpenID Connect Back-Channel Logout 1.0)."""
    try:
        logout = _provider().read_logout(request.form.get("logout_token", ""))
    except StrongroomError as error:
        response = problem(error)
        response.status_code = 404 if isinstance(error, NotFound) else 400
        return response
    user_sessions().end_confirmed(logout, request_id=context.request_id())
    return Response("", 200)


def _refuse(error: StrongroomError) -> Response:
    form = FormState.after(error, {})
    return show("sign_in.html", STATUS[error.code], form=form)


def name_of_attempt() -> str:
    """Return under whose name attempts to reach the provider are counted: nobody is known yet."""
    return url_for(START_ENDPOINT)
