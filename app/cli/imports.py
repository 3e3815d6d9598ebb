"""``strongroom import``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import IO

import click

from app.access import OPERATOR, Access, Role
from app.cli.exit_codes import FAILED, TO_DO
from app.cli.runtime import as_json_option, open_service, print_rows, read_settings
from app.outbound.requests_allowed import parse_line
from app.variables.dotenv import GREATEST_FILE, decode_dotenv
from app.variables.imports import RESULTS, Import, ImportedLine, Imports
from app.vault import Visibility
from app.workspaces.service import require_workspace


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--workspace", required=True, metavar="WS", help="Where the secrets go.")
@click.option("--visibility", type=click.Choice(["masked", "restricted"]), default="masked", show_default=True)
@click.option("--only", multiple=True, metavar="NAME", help="Import only this name; can be given more than once.")
@click.option(
    "--plain", multiple=True, metavar="NAME", help="Make a plain variable of it; can be given more than once."
)
@click.option("--host", "hosts", multiple=True, help="A host that they may be sent to; can be given more than once.")
@click.option("--place", "places", multiple=True, help="A place where they may be put; can be given more than once.")
@click.option(
    "--request",
    "requests",
    multiple=True,
    metavar="METHODS PATH",
    help="Requests that they may ride, as 'GET,HEAD /api/**'; can be given more than once.",
)
@click.option("--wide", is_flag=True, help="Let restricted ones have wildcards among their hosts.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done; exit 2 if there is something to do.")
@as_json_option
def import_(
    file: IO[bytes],
    workspace: str,
    visibility: Visibility,
    only: tuple[str, ...],
    plain: tuple[str, ...],
    hosts: tuple[str, ...],
    places: tuple[str, ...],
    requests: tuple[str, ...],
    wide: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a secret of each line of a .env FILE, each line for itself.

    What is there already stays as it is, so it can be run again. Empty values are skipped, and said. Exit 0 where no
    line was refused, 1 where one was, 2 where nothing was done for want of --yes.
    """
    content = decode_dotenv(file.read(GREATEST_FILE + 1))
    allowed = tuple(parse_line(each) for each in requests) or None
    wanted = Import(
        content, visibility, hosts or None, places or None, allowed, wide, only=only or None, plain=plain, dry_run=True
    )
    access = Access(OPERATOR, workspace, Role.OWNER)
    with open_service(read_settings()) as resources:
        require_workspace(workspace, sessions=resources.sessions)
        imports = Imports(resources)
        lines = [] if yes and not dry_run else imports.run(wanted, access=access)
        number = sum(line.result == "created" for line in lines)
        if (yes and not dry_run) or (number and _confirm(lines, number, dry_run=dry_run, as_json=as_json)):
            lines = imports.run(replace(wanted, dry_run=False), access=access)
            number = 0
    _show(lines, as_json=as_json)
    if number:
        click.echo(f"{number} would be created. Nothing was done; --yes does it.", err=True)
        raise click.exceptions.Exit(TO_DO)
    if any(line.result == "refused" for line in lines):
        raise click.exceptions.Exit(FAILED)


def _confirm(lines: Sequence[ImportedLine], number: int, *, dry_run: bool, as_json: bool) -> bool:
    if dry_run or not sys.stdin.isatty():
        return False
    _show(lines, as_json=as_json)
    return click.confirm(f"Create {number:,}?", err=True)


def _show(lines: Sequence[ImportedLine], *, as_json: bool) -> None:
    print_rows([asdict(line) for line in lines], as_json=as_json)
    counts = Counter(line.result for line in lines)
    click.echo(", ".join(f"{counts[result]} {result}" for result in RESULTS) + ".", err=True)
