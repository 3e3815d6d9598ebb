"""One of the processes that serve: its resources, its end, and the core that it stays on."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import Flask

from app.cli.listener import notice_slow_readers
from app.cli.processes import WORKER, end_with_parent, set_process_name
from app.factory import create_app, front_of
from app.resources import Resources
from app.settings import Settings
from app.telemetry import MULTIPROC
from app.web.front import Front
from app.wiring import open_resources


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a worker serves with: made before it is forked, so that its memory is there once for all of them."""

    settings: Settings
    resources: Resources
    app: Flask


_prepared: _Prepared | None = None


def prepare(settings: Settings) -> None:
    """Make what every worker serves with; to be called in the process that they are forked from.

    No connection is opened, no thread begun and no name taken: that happens in a worker, when it is first needed.

    Raises:
        ServiceError: A key can't be read.
        VaultUnavailable: The embedded Vault was never started.
    """
    global _prepared
    opened = open_resources(settings)
    resources = opened.__enter__()
    app = create_app(settings, resources)
    app.extensions["strongroom_opened"] = opened  # held for as long as the process lives, or it would close by itself
    _prepared = _Prepared(settings, resources, app)


def application() -> Front:
    """Make the ASGI application of one worker process."""
    _leave_interrupts_to_parent()
    set_process_name(WORKER)
    end_with_parent()
    prepared = cast(_Prepared, _prepared)
    _stay_on_one_core(prepared.settings.workers, os.environ.get(MULTIPROC))
    _stop_calls_in_time(asyncio.get_event_loop(), prepared.settings, prepared.resources)
    notice_slow_readers(asyncio.get_event_loop())
    return front_of(prepared.app, prepared.settings, prepared.resources)


def _stop_calls_in_time(loop: asyncio.AbstractEventLoop, settings: Settings, resources: Resources) -> None:
    """Once this worker is told to stop, give calls under way their time, then have them broken off and answered.

    The server registers its own handlers with this loop, after this; each is called as well as ours.
    """
    register = loop.add_signal_handler

    def _register(number: int, callback: Callable[..., object], *args: Any) -> None:
        def _both() -> None:
            resources.outbound.stop_at(time.monotonic() + settings.stop_seconds)
            callback(*args)

        register(number, _both)

    loop.add_signal_handler = _register  # type: ignore[assignment,method-assign]


def _leave_interrupts_to_parent() -> None:
    """Take no notice of Ctrl-C, which a terminal sends to all of us.

    The server tells its workers by SIGTERM, and of one that is told twice at a time the end may never come.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _stay_on_one_core(workers: int, folder: str | None) -> None:
    """Keep all threads of this worker on one core, where every core has as many workers as the others.

    Only one of them runs Python at a time, and on each other core that it wakes up on it has to fetch everything anew.
    Which core is told by a file in ``folder`` that is locked for as long as the process lives, so that who comes in the
    place of a worker that ended takes its core. Who finds none free, or may not choose, runs where there is room.
    """
    cores = sorted(os.sched_getaffinity(0))
    if folder is None or workers % len(cores):
        return
    with suppress(OSError):
        for number in range(workers):
            file = os.open(Path(folder, f"worker-{number}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            os.sched_setaffinity(0, {cores[number % len(cores)]})
            return
