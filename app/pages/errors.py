"""Refusals and failures as pages."""

from __future__ import annotations

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.access import GRANTS, Role
from app.kernel.errors import RateLimited, RecordUnavailable, StrongroomError, Unauthenticated
from app.pages.forms import FormState
from app.pages.layout import SESSION_ENDED, pages, show, show_to_nobody, to_sign_in
from app.web.errors import STATUS, from_http, http_problem, problem, unforeseen


def register_error_pages(app: Flask) -> None:
    """Answer with a page where no route was found, but with the API's own shape under the API."""
    for status in (404, 405, 413):
        app.register_error_handler(status, _no_route)


def _no_route(error: HTTPException) -> Response:
    return http_problem(error) if request.path.startswith("/api/") else error_page(from_http(error))


def error_page(error: StrongroomError) -> Response:
    """Return the page, or the piece for a dialog, that tells of an error; JSON only where a script asked."""
    status = STATUS[error.code]
    if request.headers.get("Accept") == "application/json":
        return problem(error)
    try:
        response = show("error.html", status, error=error, who=_who_may(error))
    except SQLAlchemyError:  # the frame around a page says who looks at it, and in which workspace
        response = show_to_nobody("error.html", status, error=error)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _who_may(error: StrongroomError) -> str:
    admins = {str(right) for right in GRANTS[Role.ADMIN]}
    return "An owner or admin" if error.extra.get("action") in admins else "An owner"


@pages.errorhandler(StrongroomError)
def _known_error(error: StrongroomError) -> Response:
    return to_sign_in() if isinstance(error, Unauthenticated) else error_page(error)


@pages.errorhandler(CSRFError)
def _stale(_error: CSRFError) -> Response:
    if request.endpoint == "pages.sign_in":  # nobody's session, so nothing but the form has to come anew
        again = StalePage("This page was open for a while. Please sign in again.")
        form = FormState.after(again, {"user": request.form.get("user", "")})
        return show("sign_in.html", STATUS[again.code], form=form)
    response = error_page(
        StalePage("This page was open for too long, or in another sign-in. Load it again and repeat.")
    )
    response.headers.add(*SESSION_ENDED)
    return response


class StalePage(StrongroomError, party="caller", code="bad_request", title="Page out of date"):
    """A form without the token of this session."""


@pages.errorhandler(RateLimited)
def _too_many(error: RateLimited) -> Response:
    form = FormState.after(error, {"user": request.form.get("user", "")})
    if request.endpoint == "pages.change_password":
        response = show("change_password.html", 429, form=form, forced=False)
    else:
        response = show("sign_in.html", 429, form=form)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


@pages.errorhandler(SQLAlchemyError)
def _database(_error: SQLAlchemyError) -> Response:
    return error_page(RecordUnavailable("The database doesn't answer at the moment; nothing was done.", retry_after=5))


@pages.errorhandler(Exception)
def _unknown(error: Exception) -> Response:
    return error_page(from_http(error) if isinstance(error, HTTPException) else unforeseen(error, request.path))
