"""Every error as one shape: RFC 9457 ``application/problem+json``. The one table from codes to HTTP statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

import structlog
from flask import Flask, Response, request
from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.kernel.errors import (
    FieldLocation,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RecordUnavailable,
    StrongroomError,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.kernel.field_location import Source
from app.telemetry import problem_told
from app.web import context
from app.web.reply import PROBLEM_JSON, Reply, respond

log = structlog.get_logger(__name__)

STATUS: Final[Mapping[str, int]] = {
    "malformed_json": 400,
    "bad_request": 400,
    "client_gone": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "never_shown": 403,
    "destination_not_allowed": 403,
    "place_not_allowed": 403,
    "not_granted": 403,
    "request_not_allowed": 403,
    "secret_expired": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "name_taken": 409,
    "in_use": 409,
    "last_owner": 409,
    "conflict": 409,
    "reconnect_required": 409,
    "precondition_failed": 412,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "immutable": 422,
    "too_short": 422,
    "too_long": 422,
    "too_guessable": 422,
    "unknown_secret": 422,
    "missing_variable": 422,
    "one_secret_per_field": 422,
    "header_not_allowed": 422,
    "template_not_allowed": 422,
    "value_not_allowed_here": 422,
    "allowed_hosts_required": 422,
    "allowed_hosts_too_wide": 422,
    "value_required": 422,
    "check_failed": 422,
    "not_for_this_type": 422,
    "confirmation_required": 422,
    "idempotency_key_reused": 422,
    "precondition_required": 428,
    "rate_limited": 429,
    "too_many_calls": 429,
    "internal_error": 500,
    "upstream_unreachable": 502,
    "upstream_tls": 502,
    "upstream_protocol": 502,
    "redirect_refused": 502,
    "token_unavailable": 502,
    "response_not_readable": 502,
    "response_too_large": 502,
    "vault_unavailable": 503,
    "record_unavailable": 503,
    "binding_mismatch": 503,
    "stopping": 503,
    "upstream_timeout": 504,
}

_FROM_HTTP: Final[Mapping[int, type[StrongroomError]]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}


def problem(error: StrongroomError) -> Response:
    """Turn an error into its problem document."""
    return respond(problem_reply(error, request_id=context.request_id()))


def problem_reply(error: StrongroomError, *, request_id: str) -> Reply:
    """Turn an error into its problem document, for whoever answers."""
    status, headers, content = problem_document(error, request_id=request_id)
    return Reply(status, headers, content)


def problem_document(
    error: StrongroomError, *, request_id: str, status: int | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Return an error's status, headers and problem document (RFC 9457).

    Args:
        status: The HTTP status where it isn't the code's usual one.
    """
    status = status or STATUS[error.code]
    problem_told(error.code, error.party)
    document: dict[str, object] = {
        "type": f"/api/docs#{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "party": error.party,
        "request_id": request_id,
    }
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        document["errors"] = {str(field): list(told) for field, told in (error.errors or {}).items()}
    headers = {
        "Content-Type": PROBLEM_JSON,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="strongroom"'
    return status, headers, json.dumps(document | error.extra).encode()


def register_errors(app: Flask) -> None:
    """Make every way out of a JSON route end in ``problem``."""

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        return http_problem(error)

    @app.errorhandler(Exception)
    def _any(error: Exception) -> Response:
        return problem(as_known(error, request.path))


def as_known(error: Exception, path: str) -> StrongroomError:
    """Return what may be told of whatever a route raised; what nobody foresaw is logged with the request's path."""
    if isinstance(error, StrongroomError):
        return error
    if isinstance(error, ValidationError):
        return validation_failed(error)
    if isinstance(error, SQLAlchemyError):
        log.error("database_unavailable", kind=type(error).__name__)
        return RecordUnavailable("The database doesn't answer at the moment.", retry_after=5)
    return unforeseen(error, path)


def http_problem(error: HTTPException) -> Response:
    """Turn one of Werkzeug's own refusals into its problem document."""
    response = problem(from_http(error))
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def unforeseen(error: Exception, path: str) -> StrongroomError:
    """Log a fault that nobody foresaw, and return what may be told of it."""
    # The type and place only: a message could quote what was being handled.
    log.error("internal_error", kind=type(error).__name__, path=path, frames=_frames(error))
    return StrongroomError("An unexpected error; the log has it under this request id.")


def from_http(error: HTTPException) -> StrongroomError:
    """Turn Werkzeug's own refusals into ours."""
    code = error.code or 500
    if code in _FROM_HTTP:
        return _FROM_HTTP[code](str(error.description or error.name))
    if 400 <= code < 500:
        return BadRequest("The request can't be understood.")
    return StrongroomError("An unexpected error; the log has it under this request id.")


class BadRequest(MalformedJson, code="bad_request", title="Bad request"):
    """The request isn't valid HTTP."""


def validation_failed(error: ValidationError, *, source: Source = "body") -> ValidationFailed:
    """Turn marshmallow's complaints into ours, naming every field; what was sent is never quoted."""
    errors: dict[FieldLocation, list[str]] = {}
    for location, sentence in _faults(error.messages, FieldLocation(source)):
        errors.setdefault(location, []).append(sentence)
    return ValidationFailed("Some fields are wrong.", errors=errors)


def _faults(messages: object, location: FieldLocation) -> Iterator[tuple[FieldLocation, str]]:
    if isinstance(messages, dict):
        for part, inner in messages.items():
            yield from _faults(inner, location if part == SCHEMA else location.member(part))
    else:
        for each in messages if isinstance(messages, list) else [messages]:
            yield location, str(each)


def _frames(error: BaseException) -> list[str]:
    frames, traceback = [], error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-8:]
