"""How much one token may ask, and how often somebody may try to sign in. Shared through Redis where there is one."""

from __future__ import annotations

import time
from typing import Any, Final, cast

import structlog
from flask import Flask, Response, g, request
from flask_limiter import Limiter
from flask_limiter.errors import RateLimitExceeded
from limits import parse
from redis import RedisError

from app.kernel.errors import RateLimited
from app.web import context, counters
from app.web.auth import API_PREFIX
from app.web.errors import problem

log = structlog.get_logger(__name__)

_EXTENSION: Final = "strongroom_limiter"
_FAILED_FROM_ADDRESS: Final = parse("60/minute")
_FAILED_FOR_TOKEN: Final = parse("10/minute")


def limit_requests(app: Flask, *, rate: str, storage: str | None) -> None:
    """Count each token's requests to the API; to be called after the gate, so that it is known whose they are.

    Where Redis doesn't answer, each process counts by itself until it does.
    """
    limiter = Limiter(
        key_func=_token,
        app=app,
        application_limits=[rate],
        application_limits_exempt_when=lambda: not request.path.startswith(API_PREFIX + "/") or "principal" not in g,
        storage_uri=storage or f"{counters.SCHEME}://",
        strategy="fixed-window",
        headers_enabled=False,
        in_memory_fallback_enabled=storage is not None,
        key_prefix="strongroom",
    )
    app.extensions[_EXTENSION] = limiter

    @app.errorhandler(RateLimitExceeded)
    def _too_many(_error: RateLimitExceeded) -> Response:
        return problem(rate_limited(app))


def limit_sign_ins(app: Flask, endpoint: str, *, rate: str) -> None:
    """Count the attempts to sign in at this endpoint, by address and user together."""
    limiter: Limiter = app.extensions[_EXTENSION]
    limited = limiter.limit(rate, key_func=_address_and_user, methods=["POST"])
    app.view_functions[endpoint] = cast(Any, limited(app.view_functions[endpoint]))


def count_failed_proof(app: Flask, token_id: str) -> None:
    """Count a well-formed token that proved nothing, by address and by the id that it gives.

    Only such attempts are counted and refused: nobody can lock a right token out by sending wrong ones.

    Raises:
        RateLimited: there were too many in the last minute.
    """
    limiter: Limiter = app.extensions[_EXTENSION]
    try:
        within = [
            limiter.limiter.hit(_FAILED_FROM_ADDRESS, "failed-from", request.remote_addr or ""),
            limiter.limiter.hit(_FAILED_FOR_TOKEN, "failed-for", token_id),
        ]
    except RedisError as error:
        log.warning("attempts_not_counted", kind=type(error).__name__)
        return
    if not all(within):
        raise RateLimited("Too many tokens that prove nothing; try again in a minute.", retry_after=60)


def rate_limited(app: Flask) -> RateLimited:
    """Return the error of the limit that was just reached, with the seconds until it counts anew."""
    current = app.extensions[_EXTENSION].current_limit
    wait = max(1, int(current.reset_at - time.time())) if current else 60
    return RateLimited(f"Too many requests in too short a time; try again in {wait} s.", retry_after=wait)


def _token() -> str:
    return context.principal().actor.id


def _address_and_user() -> str:
    return f"{request.remote_addr} {request.form.get('user', '')[:128]}"
