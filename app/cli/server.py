"""The server: one process that imports everything once, a caretaker beside it, and the workers forked from it."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import resource
import signal
import socket
from importlib import import_module
from typing import Final

import structlog
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from app.cli import worker
from app.cli.caretaker import caretaker
from app.cli.logs import log_as_json, server_log
from app.cli.runtime import read_settings
from app.kernel.errors import ServiceError
from app.settings import Settings
from app.vault.environment import ignored_variables
from app.wiring import load_shared

_LAST_WORDS_SECONDS: Final = 10
HEAD_MILLISECONDS: Final = 5000
"""How long a head may take, and how long a connection may be idle before one."""
_HEAD_BYTES: Final = 32 * 1024
_CONNECTIONS: Final = 8192
_FILES: Final = 65_536

log = structlog.get_logger(__name__)


def run() -> None:
    """Serve until the process is told to stop.

    Raises:
        SettingsError, ServiceError
        SystemExit: The caretaker ended early; it said why.
    """
    settings = read_settings()
    log_as_json()
    for ignored in ignored_variables(os.environ):
        log.warning("variable_ignored", variable=ignored.name, why=ignored.why)
    _refuse_taken_port(settings)
    connections = limit_connections(_raise_file_limit())
    load_shared(settings.database_url)
    _leave_to_share()
    with caretaker(settings, meanwhile=_load_dictionaries, once_vault_is_there=lambda: worker.prepare(settings)):
        _leave_to_share()
        # A worker is told to stop as any process is, also before it has begun to listen for that.
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        _server(settings, connections).serve()


def _load_dictionaries() -> None:
    """Load what a worker would load by itself when it first judges a value: there once, it is shared."""
    import_module("zxcvbn")
    _leave_to_share()


def _leave_to_share() -> None:
    """Keep the collector from what is there now: every process that is forked shares it as long as none touches it."""
    gc.collect()
    gc.freeze()


def _refuse_taken_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ServiceError(f"Port {settings.port} on {settings.host} is taken; set PORT to another.") from None
            raise ServiceError(
                f"{settings.host}, port {settings.port}, can't be listened on: see STRONGROOM_HOST and PORT."
            ) from None


def _raise_file_limit() -> int:
    """Let this process, and all that it starts, have as many open files as it may, and return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return _FILES if soft == resource.RLIM_INFINITY else soft


def limit_connections(files: int) -> int:
    """Return how many connections a worker may have where it may have so many open files.

    Half of them are left for the database, Vault and upstreams: whoever opens connections to us must not take those.
    """
    return min(_CONNECTIONS, files // 2)


def _server(settings: Settings, connections: int) -> MPServer:
    # Forked, from a process that has no other thread than those that wait for its children: nothing is imported a
    # second time, and a worker ends without the interpreter's own end, in which the server's threads would be lost.
    multiprocessing.set_start_method("fork", force=True)
    return MPServer(
        f"{worker.__name__}:{worker.application.__name__}",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MILLISECONDS, max_buffer_size=_HEAD_BYTES),
        workers=settings.workers,
        backlog=1024,
        backpressure=connections,
        websockets=False,
        respawn_failed_workers=True,
        # What is broken off then still has to be recorded and answered.
        workers_kill_timeout=settings.stop_seconds + _LAST_WORDS_SECONDS,
        log_dictconfig=server_log(),
    )
