"""``strongroom serve``: the service, and on the embedded default everything it stands on."""

from __future__ import annotations

import errno
import multiprocessing
import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from app.bootstrap import FIRST_OWNER, FirstProofs, set_up
from app.chores import chores, mend_and_log
from app.cli.logs import log_as_json, server_log
from app.cli.runtime import open_database, read_settings, vault_setup
from app.factory import read_secret_key
from app.kernel.errors import ServiceError, VaultUnavailable
from app.policies.service import apply_embedded
from app.resources import Resources
from app.settings import Settings
from app.telemetry import MULTIPROC
from app.variables.secrets.changes import SURELY_OVER_AFTER
from app.vault import embedded
from app.vault.environment import ignored_variables
from app.vault.keys import read_or_make, store
from app.vault.record import NotForwarded
from app.wiring import open_resources

_LAST_WORDS_SECONDS: Final = 10
_VAULT_SECONDS: Final = 5.0
_HEAD_MILLISECONDS: Final = 5000
_HEAD_BYTES: Final = 32 * 1024
_CONNECTIONS: Final = 8192

log = structlog.get_logger(__name__)


@click.command()
def serve() -> None:
    """Serve the API and the pages; on the embedded default, start Vault and set everything up first."""
    settings = read_settings()
    log_as_json()
    for ignored in ignored_variables(os.environ):
        log.warning("variable_ignored", variable=ignored.name, why=ignored.why)
    _refuse_taken_port(settings)
    with open_database(settings), _vault(settings), open_resources(settings) as resources:
        read_secret_key(settings.secret_key_path)  # here, where a fault stops the start, and not only in the workers
        if settings.embedded:
            _tell(settings, set_up(resources))
        _prove_forwarding(settings, resources)
        mend_and_log(resources, older_than=timedelta() if settings.embedded else SURELY_OVER_AFTER)
        with chores(resources, reconcile_seconds=settings.reconcile_seconds), _metrics():
            _server(settings).serve()


def _prove_forwarding(settings: Settings, resources: Resources) -> None:
    """Try once what STRONGROOM_VAULT_FORWARD asks for; where Vault is away just now, readiness tries it later."""
    if settings.vault_forward is None:
        return
    try:
        resources.vault.prove_forwarding()
    except NotForwarded:
        raise
    except VaultUnavailable as away:
        log.warning("forwarding_not_proven", why=away.detail)


@contextmanager
def _metrics() -> Iterator[None]:
    """Have a folder through which the worker processes add up what they measure."""
    with tempfile.TemporaryDirectory(prefix="strongroom-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[MULTIPROC] = folder
        yield


def _refuse_taken_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServiceError(f"Port {settings.port} on {settings.host} is taken; PORT says another.") from None
            raise ServiceError(
                f"{settings.host}, port {settings.port}, can't be listened on: see STRONGROOM_HOST and PORT."
            ) from None


@contextmanager
def _vault(settings: Settings) -> Iterator[None]:
    if not settings.embedded:
        yield
        return
    read_or_make(settings.signing_key_path)
    if not settings.secret_key_path.exists():
        store(settings.secret_key_path, secrets.token_bytes(32))
    running = embedded.start(settings.vault_dir, port=settings.vault_port)
    stop = threading.Event()
    keeper = threading.Thread(target=_keep_vault, args=(running, settings.vault_dir, stop), name="vault", daemon=True)
    keeper.start()
    try:
        apply_embedded(settings.vault_dir, running.address, vault_setup(settings))
        yield
    finally:
        stop.set()
        keeper.join()


def _keep_vault(running: embedded.Embedded, folder: Path, stop: threading.Event) -> None:
    """Start the embedded Vault again, on its port, whenever it ends before it is told to; then stop it.

    In a thread that stays until then, since the server dies with the thread that started it.
    """
    while not stop.wait(_VAULT_SECONDS):
        if running.alive:
            continue
        log.error("vault_ended")
        try:
            running = embedded.start(folder, port=running.port)
        except Exception as error:
            log.error("vault_not_started", kind=type(error).__name__)
    running.stop()


def _tell(settings: Settings, proofs: FirstProofs) -> None:
    told = []
    if proofs.password is not None:
        told += [f"  User:               {FIRST_OWNER}", f"  One-time password:  {proofs.password}"]
    if proofs.platform_token is not None:
        told += [f"  Platform token:     {proofs.platform_token}"]
    click.echo(f"\nStrongroom serves on {settings.url}\n  Sign in at:         {settings.url}/sign-in")
    for line in told:
        click.echo(line)
    if told:
        click.echo(
            "These are shown this once. Keep them; a lost password is reset by `strongroom user reset-password`."
        )
    click.echo("", nl=True)
    sys.stdout.flush()


def _server(settings: Settings) -> MPServer:
    # Started anew rather than forked: a fork would copy the caretaker's locks, held or not.
    multiprocessing.set_start_method("spawn", force=True)
    return MPServer(
        "app.cli.worker:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS, max_buffer_size=_HEAD_BYTES),
        workers=settings.workers,
        backlog=1024,
        backpressure=_CONNECTIONS,
        websockets=False,
        respawn_failed_workers=True,
        # What is broken off then still has to be recorded and answered.
        workers_kill_timeout=settings.stop_seconds + _LAST_WORDS_SECONDS,
        log_dictconfig=server_log(),
    )
