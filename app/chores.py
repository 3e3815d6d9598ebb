"""What runs beside the server: unfinished changes are mended, the record is signed, uses are counted, SQLite settles.

With many copies of the service each has these chores, and they do no harm to one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog

from app.audit.checkpoints import sign_due, store_all_newest
from app.factory import purges
from app.idempotency.service import forget_old_answers
from app.resources import Resources
from app.variables.secrets.changes import SURELY_OVER_AFTER
from app.variables.secrets.reconcile import SecretReconciliation
from app.variables.secrets.usage import count_usage
from app.workspaces.service import finish_deletions

_RECORD_SECONDS: Final = 2.0
_USAGE_SECONDS: Final = 5.0
_CHECKPOINT_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


@contextmanager
def chores(resources: Resources, *, reconcile_seconds: float) -> Iterator[None]:
    """Run every chore now and then, each in a thread of its own, for as long as the block runs; then sign the record.

    Args:
        reconcile_seconds: How often unfinished changes are looked for.
    """
    stop, broken, pending = threading.Event(), set[str](), [True]

    def _record() -> None:
        if pending:
            store_all_newest(sessions=resources.sessions, vault=resources.vault)
            pending.clear()
        _sign(resources, broken)

    plan: Sequence[tuple[float, str, Callable[[], None]]] = (
        (reconcile_seconds, "reconcile", lambda: reconcile_and_log(resources, older_than=SURELY_OVER_AFTER)),
        (_RECORD_SECONDS, "record", _record),
        (_CHECKPOINT_SECONDS, "checkpoint_wal", resources.sessions.checkpoint_wal),
        (_USAGE_SECONDS, "usage", lambda: count_usage(sessions=resources.sessions, clock=resources.clock)),
    )
    threads = [threading.Thread(target=_repeat, args=(stop, *chore), name=chore[1], daemon=True) for chore in plan]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=_LAST_SECONDS)
        _run("record", lambda: _sign(resources, broken, all_now=True))


def reconcile_all(resources: Resources, *, older_than: timedelta) -> Sequence[dict[str, object]]:
    """Finish or undo what a crash left between database and Vault, and finish deletions of workspaces.

    Args:
        older_than: What was begun later than this ago is left to whoever may still be at work on it.

    Returns:
        What was done, a row each: ``workspace``, ``secret`` and ``remedy``.
    """
    mended = SecretReconciliation(resources).run(older_than=older_than)
    forget_old_answers(sessions=resources.sessions, clock=resources.clock)
    gone = finish_deletions(sessions=resources.sessions, purges=purges(resources))
    rows: list[dict[str, object]] = [
        {"workspace": each.workspace, "secret": each.name, "remedy": each.remedy} for each in mended
    ]
    rows += [{"workspace": name, "secret": None, "remedy": "workspace deleted"} for name in gone]
    return rows


def reconcile_and_log(resources: Resources, *, older_than: timedelta) -> None:
    """Do what ``reconcile_all`` does, and log each remedy."""
    for row in reconcile_all(resources, older_than=older_than):
        log.info("reconciled", remedy=row["remedy"])


def _repeat(stop: threading.Event, seconds: float, name: str, chore: Callable[[], None]) -> None:
    while not stop.wait(seconds):
        _run(name, chore)


def _run(name: str, chore: Callable[[], None]) -> None:
    try:
        chore()
    except Exception as error:
        log.error("chore_failed", chore=name, kind=type(error).__name__)


def _sign(resources: Resources, broken: set[str], *, all_now: bool = False) -> None:
    """Sign what is due; a chain that can't be signed is told of once."""
    signed = sign_due(sessions=resources.sessions, vault=resources.vault, clock=resources.clock, all_now=all_now)
    for each in signed:
        if each.fault is not None and each.chain not in broken:
            broken.add(each.chain)
            log.error("record_broken", chain=each.chain, kind=each.fault.kind, event_number=each.fault.seq)
        for checkpoint in each.checkpoints:
            # Outside the database, where a later change of it doesn't reach.
            log.info("checkpoint", chain=each.chain, event_number=checkpoint.seq, hash=checkpoint.hash)
