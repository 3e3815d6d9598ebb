"""The gate before every JSON route: a bearer token, then the workspace of the URL. Nothing passes it by forgetting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, request

from app.access import Access, Principal
from app.kernel.errors import CallerError, NotFound, Unauthenticated
from app.telemetry import step
from app.web import context

API_PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Gate:
    """How callers are let in: functions that the factory hands in, since this room knows no domain.

    ``authenticate`` takes the bearer token and the ``Strongroom-Act-As`` user; ``failed`` the token that proved
    nothing; ``enter`` the principal and the workspace's name. ``public`` names the endpoints that anybody may ask.
    """

    authenticate: Callable[[str | None, str | None], Principal]
    failed: Callable[[str | None], None]
    enter: Callable[[Principal, str, str], Access]
    public: frozenset[str] = frozenset()

    def let_in(self) -> tuple[Principal, Access | None]:
        """Return who sends the request at hand, and their standing in its workspace if its URL names one.

        Raises:
            Unauthenticated, Forbidden, ValidationFailed
            NotFound: There is no such workspace, or it is none of theirs.
        """
        with step("authenticate"):
            principal = self.authenticate(_bearer(), request.headers.get("Strongroom-Act-As"))
        workspace = (request.view_args or {}).get("ws")
        with step("membership"):
            access = self.enter(principal, workspace, context.request_id()) if workspace is not None else None
        return principal, access

    def proves(self) -> bool:
        """Tell whether the head of the request at hand proves who asks."""
        try:
            self.authenticate(_bearer(), request.headers.get("Strongroom-Act-As"))
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
        try:
            principal, access = gate.let_in()
        except Unauthenticated:
            gate.failed(_bearer())
            raise
        context.enter_as(principal, access)

    @app.after_request
    def _keep_from_stores(response: Response) -> Response:
        if request.path.startswith(API_PREFIX + "/") and request.endpoint not in gate.public:
            response.headers["Cache-Control"] = "no-store"
        return response


def _bearer() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
