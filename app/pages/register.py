"""Putting the pages on the application. Importing a module of pages is what adds its routes to the blueprint."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.identity.sessions import UserSessions
from app.identity.single_sign_on import SingleSignOn
from app.pages import (
    account,
    audit,
    blocks,
    docs,
    errors,
    filters,
    first_steps,
    guides,
    import_dotenv,
    members,
    secret_offers,
    secret_types,
    selected,
    settings,
    variable_offers,
    variable_page,
    variables,
    workspaces,
)
from app.pages import sign_in as door
from app.pages import single_sign_on as sso
from app.pages.layout import csrf, pages
from app.web.auth import API_PREFIX
from app.web.limits import limit_passwords

# The modules that are only there for their routes.
ROUTES = (
    account,
    audit,
    blocks,
    docs,
    first_steps,
    guides,
    import_dotenv,
    members,
    secret_offers,
    secret_types,
    selected,
    settings,
    variable_offers,
    variable_page,
    variables,
    workspaces,
)


class _PagesOnly(SecureCookieSessionInterface):
    """Sessions for pages; the JSON API never looks at the cookie."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the session, where it is a page that is asked for."""
        return None if request.path.startswith(f"{API_PREFIX}/") else super().open_session(app, request)


def register_pages(
    app: Flask,
    *,
    https: bool,
    user_sessions: UserSessions,
    single_sign_on: SingleSignOn | None,
    passwords: bool,
    idle_seconds: int,
    sign_in_limit: str,
) -> None:
    """Put the pages on the application; ``limit_requests`` has to have been called on it.

    ``https`` says that browsers come by TLS only, which makes cookies ``Secure``; ``idle_seconds`` is how long a
    session lasts without a request.
    """
    app.config.update(
        # A __Host- cookie is taken by browsers only from this very host, and by https only.
        SESSION_COOKIE_NAME="__Host-strongroom" if https else "strongroom",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=idle_seconds,
        WTF_CSRF_CHECK_DEFAULT=False,  # the gate checks every page, and nothing else takes the cookie
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    app.session_interface = _PagesOnly()
    app.config[door.PASSWORDS] = passwords
    door.provide(app, user_sessions)
    sso.provide(app, single_sign_on)
    door.login.init_app(app, add_context_processor=False)  # it would ask the database for who looks at a page
    csrf.init_app(app)
    app.jinja_env.filters.update(filters.FILTERS)
    app.register_blueprint(pages)
    errors.register_error_pages(app)
    limit_passwords(app, sso.START_ENDPOINT, rate=sign_in_limit, whose=sso.name_of_attempt)
    for endpoint in ("pages.sign_in", "pages.change_password"):
        limit_passwords(app, endpoint, rate=sign_in_limit, whose=door.user_of_password)
