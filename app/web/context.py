"""What a view looks up for the request at hand, to pass on into its one service call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from flask import Flask, current_app, g, request

from app.access import Access, Principal
from app.db import VersionedCache
from app.resources import Resources
from app.web.incoming import Incoming

_RESOURCES: Final = "strongroom_resources"
_PURGES: Final = "strongroom_purges"
_RUN_CHECK: Final = "strongroom_run_check"


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


def incoming() -> Incoming:
    """Return the request at hand."""
    found: Incoming | None = g.get("incoming")
    if found is None:
        workspace = (request.view_args or {}).get("ws")
        found = g.incoming = Incoming(request.environ, workspace, resources().sessions)
    return found


def cache() -> VersionedCache:
    """Return what held of what was looked up before, at the one moment at which this request looked."""
    return incoming().cache


def request_id() -> str:
    """Return this request's id: the client's ``X-Request-ID`` where it is well formed, else a fresh one."""
    return incoming().request_id


def principal() -> Principal:
    """Return who authenticated; there is always somebody behind a view that isn't public."""
    return cast(Principal, incoming().principal)


def access() -> Access:
    """Return the actor's standing in the workspace of the URL."""
    return incoming().standing


def set_principal(principal: Principal, access: Access | None) -> None:
    """Remember who asks, and their standing where the URL names a workspace."""
    entered = incoming()
    entered.principal, entered.access = principal, access


def service_access() -> Access:
    """Return the actor's standing in the service as a whole, in no workspace."""
    asking = principal()
    return Access(asking.actor, None, asking.role, request_id=request_id(), mark=incoming().mark)
