"""One JSON line for each request, on standard error; never a body, a query string or a header's value."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from flask import Flask, Response, g, request

from app.db import Sessions
from app.telemetry import database_connections, request_answered
from app.web import context

REQUEST_ID: Final = "X-Request-ID"

log = structlog.get_logger(__name__)


class RequestLog:
    """Logs and measures each request when it is answered.

    Args:
        sessions: The database, whose connections are counted now and then.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._is_due = _each_second()

    def begin(self, request_id: str) -> float:
        """Have every line of the log name this request from here on; returns when it began."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        return time.perf_counter()

    def end(self, method: str, route: str | None, status: int, *, began: float) -> None:
        """Tell how a request was answered.

        Args:
            route: As the code writes it; None where there is none.
            began: What ``begin`` returned.
        """
        seconds = time.perf_counter() - began
        log.info("request", method=method, route=route, status=status, elapsed_ms=round(seconds * 1000, 2))
        request_answered(method, route, status, seconds)
        if self._is_due():
            in_use, idle = self._sessions.connections
            database_connections(in_use=in_use, idle=idle)


def log_requests(app: Flask, request_log: RequestLog) -> None:
    """Log every request when it is answered, and send its id back as ``X-Request-ID``."""

    @app.before_request
    def _begin() -> None:
        g.began = request_log.begin(context.request_id())

    @app.after_request
    def _end(response: Response) -> Response:
        response.headers[REQUEST_ID] = context.request_id()
        rule = request.url_rule
        route = rule.rule if rule else None
        request_log.end(request.method, route, response.status_code, began=g.get("began", time.perf_counter()))
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
