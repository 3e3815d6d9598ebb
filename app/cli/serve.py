"""``strongroom serve``: the service, and on the embedded default everything it stands on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

import click

_METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
def serve() -> None:
    """Serve the API and the pages; on the embedded default, start Vault and set everything up first."""
    with _metrics():
        # What counts looks for the folder when it is imported, and everything imports it.
        import_module("app.cli.server").run()


@contextmanager
def _metrics() -> Iterator[None]:
    """Have a folder through which the processes add up what they measure."""
    with tempfile.TemporaryDirectory(prefix="strongroom-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[_METRICS] = folder
        yield
