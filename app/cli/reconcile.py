"""``strongroom reconcile``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from app.cli.runtime import TO_DO, as_json_option, counted, open_service, print_rows, read_settings
from app.factory import purges
from app.idempotency.service import forget_old_answers
from app.resources import Resources
from app.variables.secrets.changes import SURELY_OVER_AFTER
from app.variables.secrets.reconcile import SecretReconciliation, unfinished_secrets
from app.workspaces.service import finish_deletions


@click.command()
@click.option("--now", is_flag=True, help="Also what was begun in the last two minutes; only where no service runs.")
@as_json_option
def reconcile(now: bool, as_json: bool) -> None:
    """Finish or undo what a crash left between database and Vault."""
    with open_service(read_settings()) as resources:
        rows = mend(resources, older_than=timedelta() if now else SURELY_OVER_AFTER)
        young = 0 if now else len(unfinished_secrets(sessions=resources.sessions))
    told = f"{counted(young, 'change')} may still be under way; --now takes them up, too." if young else ""
    print_rows(rows, as_json=as_json, empty=told or "Nothing is unfinished.")
    if any(row["remedy"] == "postponed" for row in rows):
        raise click.exceptions.Exit(TO_DO)


def mend(resources: Resources, *, older_than: timedelta) -> Sequence[dict[str, object]]:
    """Mend secrets and finish deletions of workspaces; returns what was done, a row each."""
    mended = SecretReconciliation(resources).run(older_than=older_than)
    forget_old_answers(sessions=resources.sessions, clock=resources.clock)
    gone = finish_deletions(sessions=resources.sessions, purges=purges(resources))
    rows: list[dict[str, object]] = [
        {"workspace": each.workspace, "secret": each.name, "remedy": each.remedy} for each in mended
    ]
    rows += [{"workspace": name, "secret": None, "remedy": "workspace deleted"} for name in gone]
    return rows
