"""``strongroom serve``: the service, and on the embedded default everything it stands on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

import click

<<<<<<< HEAD
_METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"
=======
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
>>>>>>> main


@click.command()
def serve() -> None:
    """Serve the API and the pages; on the embedded default, start Vault and set everything up first."""
<<<<<<< HEAD
    with _metrics():
        # What counts looks for the folder when it is imported, and everything imports it.
        import_module("app.cli.server").run()
=======
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
>>>>>>> main


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
    """Have a folder through which the processes add up what they measure."""
    with tempfile.TemporaryDirectory(prefix="strongroom-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[_METRICS] = folder
        yield
