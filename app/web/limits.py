"""How much one token may ask, and how often somebody may try a password. Shared through Redis where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

import structlog
from flask import Flask, request
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from app.access import Principal
from app.kernel.errors import RateLimited
from app.web import context
from app.web.counters import Counters

log = structlog.get_logger(__name__)

_EXTENSION: Final = "strongroom_limits"
_FAILED_FROM_ADDRESS: Final = parse("60/minute")
_FAILED_FOR_TOKEN: Final = parse("10/minute")
_BY_ADDRESS: Final = 3
_AWAY_SECONDS: Final = 5.0


class RequestLimits:
    """Counts against limits: in Redis where there is one, by this process alone while it doesn't answer.

    Args:
        rate: How many requests one token may send.
        storage: The URL of the Redis that counts for all processes; None where each counts for itself.
        password: Redis's password, where the URL doesn't hold it.
    """

    def __init__(self, *, rate: str, storage: str | None, password: str | None = None) -> None:
        self._rate = parse(rate)
        self._alone = FixedWindowRateLimiter(Counters())
        self._shared = self._alone
        self._faults: type[Exception] | tuple[type[Exception], ...] = ()
        if storage:  # whose client takes long to load where nobody needs it
            options = {} if password is None else {"password": password}
            self._shared = FixedWindowRateLimiter(storage_from_string(storage, **options))
            self._faults = self._shared.storage.base_exceptions
        self._away_until = 0.0

    def count_request(self, principal: Principal) -> None:
        """Count a request to the API by whoever sends it. Raises ``RateLimited``."""
        self.count(self._rate, "strongroom", principal.actor.id)

    def count_failed_proof(self, token_id: str, address: str) -> None:
        """Count a well-formed token that proved nothing, by address and by the id that it gives.

        Only such attempts are counted and refused: nobody can lock a right token out by sending wrong ones.

        Raises:
            RateLimited: There were too many in the last minute.
        """
        sentence = "Too many invalid tokens"
        self.count(_FAILED_FROM_ADDRESS, "failed-from", address, sentence=sentence)
        self.count(_FAILED_FOR_TOKEN, "failed-for", token_id, sentence=sentence)

    def count(self, limit: RateLimitItem, *whose: str, sentence: str = "Too many requests in too short a time") -> None:
        """Count one more. Raises ``RateLimited`` where that is beyond the limit."""
        counter = self._alone
        if time.monotonic() >= self._away_until:
            try:
                if self._shared.hit(limit, *whose):
                    return
                counter = self._shared
            except self._faults as error:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("counted_alone", kind=type(error).__name__)
        if counter is self._alone and self._alone.hit(limit, *whose):
            return
        wait = max(1, int(counter.get_window_stats(limit, *whose).reset_time - time.time()))
        raise RateLimited(f"{sentence}; try again in {wait} s.", retry_after=wait)


def limit_requests(app: Flask, limits: RequestLimits) -> None:
    """Count each token's requests to the API; to be called after the gate, so that it is known whose they are."""
    app.extensions[_EXTENSION] = limits

    @app.before_request
    def _count() -> None:
        if (principal := context.incoming().principal) is not None:
            limits.count_request(principal)


def limit_passwords(app: Flask, endpoint: str, *, rate: str, whose: Callable[[], str | None]) -> None:
    """Count the passwords that are tried at this endpoint, by address and user, and three times that by address.

    Right ones count like wrong ones: a guess at many users costs as much as many guesses at one.

    ``whose`` tells the user whose password the request tries; None: it tries none. All endpoints count together.
    """
    limit, limits = parse(rate), cast(RequestLimits, app.extensions[_EXTENSION])
    by_address = type(limit)(_BY_ADDRESS * limit.amount, limit.multiples)
    view: Callable[..., Any] = app.view_functions[endpoint]

    def _view_with_limit(**arguments: Any) -> Any:
        if (user := whose()) is not None:
            limits.count(by_address, "sign-in-from", request.remote_addr or "")
            limits.count(limit, "sign-in", request.remote_addr or "", user[:128])
        return view(**arguments)

    app.view_functions[endpoint] = _view_with_limit
