"""The gate before every JSON route: a bearer token, then the workspace of the URL. Nothing passes it by forgetting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, request

from app.access import Access, Principal
from app.db import VersionedCache
from app.kernel.errors import CallerError, NotFound, Unauthenticated
from app.telemetry import step
from app.web import context
from app.web.incoming import Incoming

API_PREFIX: Final = "/api/v1"
FOR_NOBODY_ELSE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""What an answer says so that nobody keeps it who only passes it on."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How callers are let in: functions that the factory hands in, since this room knows no domain.

    ``authenticate`` takes the bearer token and the ``Strongroom-Act-As`` user; ``failed`` the token that proved nothing
    and the client's address; ``enter`` the principal, the workspace's name and the request's id. ``public`` names the
    endpoints that anybody may ask.
    """

    authenticate: Callable[[str | None, str | None, VersionedCache], Principal]
    failed: Callable[[str | None, str], None]
    enter: Callable[[Principal, str, str, VersionedCache], Access]
    public: frozenset[str] = frozenset()

    def let_in(self, incoming: Incoming) -> None:
        """Find out who sends a request, and their standing in its workspace if its URL names one.

        Raises:
            Unauthenticated: No valid token came.
            Forbidden: The token may not act for this user.
            ValidationFailed: The user to act for can't be one.
            NotFound: There is no such workspace, or it is none of theirs.
        """
        with step("authenticate"):
            incoming.principal = self.authenticate(incoming.bearer, incoming.act_as, incoming.cache)
        with step("membership"):
            if incoming.workspace is not None:
                incoming.access = self.enter(
                    incoming.principal, incoming.workspace, incoming.request_id, incoming.cache
                )

    def admit(self, incoming: Incoming) -> None:
        """Do the same, and count a token that proves nothing.

        Raises:
            Unauthenticated, Forbidden, ValidationFailed: The request isn't let in.
            NotFound: There is no such workspace, or it is none of theirs.
            RateLimited: Too many invalid tokens came from this address.
        """
        try:
            self.let_in(incoming)
        except Unauthenticated:
            self.failed(incoming.bearer, incoming.address)
            raise

    def proves(self, incoming: Incoming) -> bool:
        """Tell whether the head of a request proves who asks."""
        try:
            self.authenticate(incoming.bearer, incoming.act_as, incoming.cache)
        except CallerError:
            return False
        return True


def is_api(path: str) -> bool:
    """Tell whether a path belongs to the JSON API."""
    return path.startswith(f"{API_PREFIX}/")


def guard_api(app: Flask, gate: Gate) -> None:
    """Put the gate before every endpoint under ``/api/v1``; what comes out of it is for nobody else to keep."""

    @app.before_request
    def _pass_gate() -> None:
        if "\x00" in request.path:  # PostgreSQL couldn't even look for such a name
            raise NotFound("There is no such resource.")
        if not request.path.startswith(API_PREFIX + "/") or request.endpoint in gate.public:
            return
        gate.admit(context.incoming())

    @app.after_request
    def _keep_from_stores(response: Response) -> Response:
        if request.path.startswith(API_PREFIX + "/") and request.endpoint not in gate.public:
            response.headers.update(FOR_NOBODY_ELSE)
        return response
