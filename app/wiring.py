"""Opening the doors that settings describe: database, Vault, the outside world. Knows no domain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.orm import configure_mappers

from app.db import Sessions, open_engine
from app.db.key_guard import DatabaseKeyGuard
from app.kernel.clock import system_clock
from app.kernel.errors import VaultUnavailable
from app.outbound.client import OutboundClient
from app.outbound.model import OutboundRules
from app.resources import InFlight, Limits, Resources
from app.settings import Settings
from app.vault.client import VaultClient
from app.vault.options import Mounts, Server, VaultOptions


@contextmanager
def open_resources(settings: Settings) -> Iterator[Resources]:
    """Open everything for as long as the block runs.

    Raises:
        VaultUnavailable: the embedded Vault was never started.
    """
    sessions = Sessions(open_engine(settings.database_url))
    try:
        yield Resources(
            sessions=sessions,
            vault=VaultClient(vault_options(settings), DatabaseKeyGuard(sessions)),
            outbound=OutboundClient(outbound_rules(settings)),
            clock=system_clock,
            limits=Limits(
                restricted_min_guesses=settings.restricted_min_guesses, stream_seconds=settings.stream_seconds
            ),
            in_flight=InFlight(settings.workspace_calls),
            streams=InFlight(max(1, settings.streams // 2), together=settings.streams, what="streams"),
        )
    finally:
        sessions.close()


def load_shared(database_url: str) -> None:
    """Load what every process would load by itself as soon as it opens its resources and uses them.

    For the process that others are forked from: what it has loaded is there once.
    """
    open_engine(database_url).dispose()  # which imports what speaks to this kind of database
    configure_mappers()
    OutboundClient(OutboundRules()).close()  # whose authorities are read once


def vault_options(settings: Settings) -> VaultOptions:
    """Say how to reach Vault, and with which key to log in."""
    return VaultOptions(vault_server(settings), settings.signing_key_path, mounts(settings))


def mounts(settings: Settings) -> Mounts:
    """Say where our engines are mounted."""
    return Mounts(kv=settings.kv_mount, transit=settings.transit_mount, jwt=settings.jwt_mount)


def vault_server(settings: Settings) -> Server:
    """Say how to reach Vault: as the ``VAULT_*`` variables do, or where the embedded one last listened."""
    return Server(
        address=settings.vault_addr or embedded_address(settings.vault_dir),
        cacert=_text(settings.vault_cacert),
        cacert_bytes=settings.vault_cacert_bytes,
        capath=_text(settings.vault_capath),
        tls_server_name=settings.vault_tls_server_name,
        forward=settings.vault_forward is not None,
        client_cert=_text(settings.vault_client_cert),
        client_key=_text(settings.vault_client_key),
        namespace=settings.vault_namespace,
    )


def embedded_address(folder: Path) -> str:
    """Return the running embedded Vault's address.

    Raises:
        VaultUnavailable: It isn't running.
    """
    try:
        return (folder / "address").read_text().strip()
    except OSError:
        raise VaultUnavailable("The embedded Vault isn't running; `strongroom serve` starts it.") from None


def _embedded_doors(folder: Path) -> Sequence[str]:
    """Return where the embedded Vault listens: its API, and its cluster port, to which a lone node talks too."""
    written = json.loads((folder / "server.json").read_text())
    return [embedded_address(folder), written["cluster_addr"]]


def outbound_rules(settings: Settings) -> OutboundRules:
    """Say what outbound calls may do, and which doors of our own they may never come to."""
    return OutboundRules(
        networks=settings.outbound_networks,
        plain_http=settings.outbound_http,
        never=tuple(_own_doors(settings)),
        ca_file=_text(settings.outbound_ca),
        resolver=settings.outbound_resolver,
        max_request_bytes=settings.max_request_bytes,
        max_response_bytes=settings.max_response_bytes,
        max_stream_bytes=settings.stream_bytes,
    )


def _own_doors(settings: Settings) -> Iterator[tuple[str, int]]:
    yield settings.host, settings.port
    vault = [settings.vault_addr] if settings.vault_addr else _embedded_doors(settings.vault_dir)
    for url in (*vault, settings.public_url, settings.redis_url):
        parts = urlsplit(url or "")
        if parts.hostname:
            yield parts.hostname, parts.port or {"https": 443, "http": 80, "redis": 6379}.get(parts.scheme, 6379)
    database = make_url(settings.database_url)
    if database.host:
        yield database.host, database.port or 5432


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
