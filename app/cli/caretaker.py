"""What isn't serving, in a process of its own: the first start, the embedded Vault, and the chores.

It outlives the server and every worker, so that the record is signed and Vault is stopped when nobody needs them any
more. Forked while the server has one thread, so that no lock is copied that another thread holds.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
import structlog

from app.bootstrap import FIRST_OWNER, FirstProofs, set_up
from app.chores import chores, reconcile_and_log
from app.cli.exit_codes import DONE, FAILED
from app.cli.processes import CARETAKER, end_with_parent, set_process_name
from app.cli.runtime import open_database, vault_setup
from app.factory import read_secret_key
from app.kernel.errors import StrongroomError, VaultUnavailable
from app.policies.service import apply_embedded
from app.resources import Resources
from app.settings import Settings
from app.variables.secrets.changes import SURELY_OVER_AFTER
from app.vault import embedded
from app.vault.keys import read_or_make, store
from app.vault.record import NotForwarded
from app.wiring import open_resources

_VAULT_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


@contextmanager
def caretaker(
    settings: Settings, *, meanwhile: Callable[[], None], once_vault_is_there: Callable[[], None]
) -> Iterator[None]:
    """Have the caretaker at work for as long as the block runs, and whatever was forked in it.

    Args:
        meanwhile: What this process does while the caretaker gets ready.
        once_vault_is_there: What it does then, while the caretaker compares policies and mends what a crash left: keys
            are there, and the embedded Vault has its address.

    Raises:
        StrongroomError: What ``once_vault_is_there`` raised, where the caretaker found nothing wrong.
        SystemExit: It ended before its time; it said why.
    """
    ready, tell_ready = os.pipe()
    served, serve = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        os.close(serve)
        _take_care(settings, tell_ready, served)
        sys.exit(DONE)
    os.close(tell_ready)
    os.close(served)
    child = _Child(pid)
    try:
        meanwhile()
        problem = _problem_of(once_vault_is_there) if os.read(ready, 1) else None
        child.ended_early = not os.read(ready, 1)
        if not child.ended_early:
            if problem is not None:
                raise problem
            child.watch()
            yield
    finally:
        os.close(ready)
        child.expected.set()
        os.close(serve)
        code = child.wait()
    if child.ended_early:
        sys.exit(code or FAILED)


def _problem_of(step: Callable[[], None]) -> StrongroomError | None:
    """Return what went wrong: what the caretaker finds to be wrong besides is told in its place, and not as well."""
    try:
        step()
    except StrongroomError as problem:
        return problem
    return None


@dataclass(slots=True)
class _Child:
    """The caretaker, as the server sees it. The server doesn't go on without it."""

    pid: int
    expected: threading.Event = field(default_factory=threading.Event)
    ended_early: bool = False
    _watcher: threading.Thread | None = None
    _code: int = DONE

    def watch(self) -> None:
        """Tell the server to stop where the caretaker ends before that is expected."""
        self._watcher = threading.Thread(target=self._stop_without, name="caretaker", daemon=True)
        self._watcher.start()

    def wait(self) -> int:
        """Wait until it has ended, and return its exit code: FAILED where it was killed."""
        if self._watcher is None:
            return self._reap()
        self._watcher.join()
        return self._code

    def _reap(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._code = code if code >= 0 else FAILED
        return self._code

    def _stop_without(self) -> None:
        self._reap()
        if not self.expected.is_set():
            self.ended_early = True
            log.error("caretaker_ended")
            os.kill(os.getpid(), signal.SIGTERM)


def _take_care(settings: Settings, tell_ready: int, served: int) -> None:
    set_process_name(CARETAKER)
    end_with_parent()
    with (
        open_database(settings),
        _vault(settings, tell=lambda: _tell(tell_ready)),
        open_resources(settings) as resources,
    ):
        read_secret_key(settings.secret_key_path)  # here, where a fault stops the start, and not only in the workers
        if settings.embedded:
            _show(settings, set_up(resources))
        _prove_forwarding(settings, resources)
        reconcile_and_log(resources, older_than=timedelta() if settings.embedded else SURELY_OVER_AFTER)
        with chores(resources, reconcile_seconds=settings.reconcile_seconds):
            _outlive_signals()
            _tell(tell_ready)
            os.close(tell_ready)
            os.read(served, 1)  # nothing ever comes: it ends when the server and all workers have


def _tell(server: int) -> None:
    """Tell the server that it can go on; one that is gone has its end told by the other pipe."""
    with suppress(BrokenPipeError):
        os.write(server, b"1")


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


def _outlive_signals() -> None:
    """Leave Ctrl-C, and a SIGTERM that is sent to all of us, to the server.

    By handlers that do nothing, which a program that is started from here doesn't inherit.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


@contextmanager
def _vault(settings: Settings, *, tell: Callable[[], None]) -> Iterator[None]:
    """Have Vault for as long as the block runs, set up as it should be; ``tell`` is called as soon as it is reached."""
    if not settings.embedded:
        tell()
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
        tell()
        apply_embedded(settings.vault_dir, running.address, vault_setup(settings))
        yield
    finally:
        stop.set()
        keeper.join()


def _keep_vault(running: embedded.Embedded, folder: Path, stop: threading.Event) -> None:
    """Start the embedded Vault again, on its port, whenever it ends before it is told to; then stop it.

    Its audit log is kept within bounds meanwhile.

    In a thread that stays until then, since the server dies with the thread that started it.
    """
    while not stop.wait(_VAULT_SECONDS):
        if running.alive:
            _bound_audit_log(running, folder)
            continue
        log.error("vault_ended")
        try:
            running = embedded.start(folder, port=running.port)
        except Exception as error:
            log.error("vault_not_started", kind=type(error).__name__)
    running.stop()


def _bound_audit_log(running: embedded.Embedded, folder: Path) -> None:
    try:
        if running.rotate_audit_log(folder):
            log.info("vault_audit_log_rotated")
    except OSError as error:
        log.error("vault_audit_log_not_rotated", kind=type(error).__name__)


def _show(settings: Settings, proofs: FirstProofs) -> None:
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
