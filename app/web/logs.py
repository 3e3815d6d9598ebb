"""One JSON line for each request, on standard error; never a body, a query string or a header's value."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from flask import Flask, Response, g, request

from app.telemetry import database_connections, request_answered
from app.web import context

log = structlog.get_logger(__name__)


def log_requests(app: Flask) -> None:
    """Log every request when it is answered, and send its id back as ``X-Request-ID``."""

    is_due = _each_second()

    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=context.request_id())

    @app.after_request
    def _end(response: Response) -> Response:
        response.headers["X-Request-ID"] = context.request_id()
        seconds = time.perf_counter() - g.get("began", time.perf_counter())
        rule, status = request.url_rule, response.status_code
        route = rule.rule if rule else None
        log.info("request", method=request.method, route=route, status=status, elapsed_ms=round(seconds * 1000, 2))
        request_answered(request.method, route, status, seconds)
        if is_due():
            in_use, idle = context.resources().sessions.connections
            database_connections(in_use=in_use, idle=idle)
        return response


def _each_second() -> Callable[[], bool]:
    """Make a function that tells whether a second has gone since it last said so."""
    due = 0.0

    def _is_due() -> bool:
        nonlocal due
        now = time.monotonic()
        if now < due:
            return False
        due = now + 1
        return True

    return _is_due
