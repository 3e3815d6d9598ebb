"""What a view looks up for the request at hand, to pass on into its one service call."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from flask import Flask, current_app, g, request

from app.access import Access, Principal
from app.db import VersionedCache
from app.resources import Resources

_RESOURCES: Final = "strongroom_resources"
_PURGES: Final = "strongroom_purges"
_RUN_CHECK: Final = "strongroom_run_check"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


def provide(
    app: Flask, resources: Resources, purges: Sequence[Callable[[Any], None]], run_check: Callable[..., Any]
) -> None:
    """Hand the application its open resources, and what this room knows nothing of.

    Args:
        purges: What makes a workspace disappear, domain by domain.
        run_check: Runs a saved block with a value that isn't stored.
    """
    app.extensions[_RESOURCES] = resources
    app.extensions[_PURGES] = purges
    app.extensions[_RUN_CHECK] = run_check


def resources() -> Resources:
    """Return the resources that this application was made with."""
    return cast(Resources, current_app.extensions[_RESOURCES])


def purges() -> Sequence[Callable[[Any], None]]:
    """Return what makes a workspace disappear, domain by domain."""
    return cast("Sequence[Callable[[Any], None]]", current_app.extensions[_PURGES])


def run_check() -> Callable[..., Any]:
    """Return what runs a saved block with a value that isn't stored."""
    return cast("Callable[..., Any]", current_app.extensions[_RUN_CHECK])


def cache() -> VersionedCache:
    """Return what held of what was looked up before, at the one moment at which this request looked."""
    found: VersionedCache | None = g.get("cache")
    if found is None:
        found = g.cache = resources().sessions.cache()
    return found


def request_id() -> str:
    """Return this request's id: the client's ``X-Request-ID`` where it is well formed, else a fresh one."""
    found: str | None = g.get("request_id")
    if found is None:
        found = g.request_id = request_id_of(request.headers.get("X-Request-ID"))
    return found


def request_id_of(sent: str | None) -> str:
    """Return the id that a client sent where it is well formed, else a fresh one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def principal() -> Principal:
    """Return who authenticated; there is always somebody behind a view that isn't public."""
    return cast(Principal, g.principal)


def access() -> Access:
    """Return the actor's standing in the workspace of the URL."""
    return cast(Access, g.access)


def enter_as(principal: Principal, access: Access | None) -> None:
    """Remember who asks, and their standing where the URL names a workspace."""
    g.principal = principal
    g.access = access


def mark_deeds(mark: Callable[[Any, str], None]) -> None:
    """Have every deed of this request marked as it is recorded; see ``Access``."""
    g.mark = mark
    if g.access is not None:
        g.access = replace(g.access, mark=mark)


def service_access() -> Access:
    """Return the actor's standing in the service as a whole, in no workspace."""
    asking = principal()
    return Access(asking.actor, None, asking.role, request_id=request_id(), mark=g.get("mark"))
