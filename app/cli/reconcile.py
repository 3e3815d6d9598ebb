"""``strongroom reconcile``."""

from __future__ import annotations

from datetime import timedelta

import click

from app.chores import reconcile_all
from app.cli.exit_codes import TO_DO
from app.cli.runtime import as_json_option, count_noun, open_service, print_rows, read_settings
from app.variables.secrets.changes import SURELY_OVER_AFTER
from app.variables.secrets.reconcile import unfinished_secrets


@click.command()
@click.option("--now", is_flag=True, help="Also what was begun in the last two minutes; only where no service runs.")
@as_json_option
def reconcile(now: bool, as_json: bool) -> None:
    """Finish or undo what a crash left between database and Vault."""
    with open_service(read_settings()) as resources:
        rows = reconcile_all(resources, older_than=timedelta() if now else SURELY_OVER_AFTER)
        young = 0 if now else len(unfinished_secrets(sessions=resources.sessions))
    told = f"{count_noun(young, 'change')} may still be under way; --now takes them up, too." if young else ""
    print_rows(rows, as_json=as_json, empty=told or "Nothing is unfinished.")
    if any(row["remedy"] == "postponed" for row in rows):
        raise click.exceptions.Exit(TO_DO)
