"""``strongroom import``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

import click

from app.access import OPERATOR, Access, Role
from app.cli.exit_codes import FAILED, TO_DO
from app.cli.runtime import as_json_option, count_noun, open_service, print_rows, read_settings
from app.kernel.errors import StrongroomError, VaultError
from app.outbound.requests_allowed import parse_line
from app.resources import Resources
from app.variables.secrets.dotenv_import import GREATEST_FILE, DotenvImport, ImportRules, Planned, read_dotenv
from app.vault import Visibility
from app.workspaces.service import require_workspace

_FATES = {"create": "would be created", "exists": "is there already, and stays as it is", "wrong": "can't be created"}


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--workspace", required=True, metavar="WS", help="Where the secrets go.")
@click.option("--visibility", type=click.Choice(["masked", "restricted"]), default="masked", show_default=True)
@click.option("--host", "hosts", multiple=True, help="A host that they may be sent to; can be said again.")
@click.option("--place", "places", multiple=True, help="A place where they may be put; can be said again.")
@click.option(
    "--request",
    "requests",
    multiple=True,
    metavar="METHODS PATH",
    help="Requests that they may ride, as 'GET,HEAD /api/**'; can be said again.",
)
@click.option("--wide", is_flag=True, help="Let restricted ones have wildcards among their hosts.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done; exit 2 if there is something to do.")
@as_json_option
def import_(
    file: IO[bytes],
    workspace: str,
    visibility: Visibility,
    hosts: tuple[str, ...],
    places: tuple[str, ...],
    requests: tuple[str, ...],
    wide: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a secret of each line of a .env FILE; what is there already stays as it is, so it can be run again."""
    entries = read_dotenv(file.read(GREATEST_FILE + 1))
    access = Access(OPERATOR, workspace, Role.OWNER)
    with open_service(read_settings()) as resources:
        require_workspace(workspace, sessions=resources.sessions)
        allowed = tuple(parse_line(each) for each in requests) or None
        rules = ImportRules(visibility, hosts or None, places or None, allowed, wide)
        plan = DotenvImport(resources).plan(entries, rules, access=access)
        print_rows([_row(each) for each in plan], as_json=as_json)
        wanted = [each for each in plan if each.fate == "create"]
        if any(each.fate == "wrong" for each in plan):
            click.echo("Nothing was done.", err=True)
            raise click.exceptions.Exit(FAILED)
        if wanted and not _confirm(len(wanted), yes=yes, dry_run=dry_run):
            raise click.exceptions.Exit(TO_DO)
        _make(wanted, access, resources)


def _row(planned: Planned) -> dict[str, object]:
    told = _FATES[planned.fate] + (f": {planned.told}" if planned.told else "")
    return {"line": planned.entry.line, "name": planned.entry.name, "visibility": planned.new.visibility, "plan": told}


def _confirm(number: int, *, yes: bool, dry_run: bool) -> bool:
    if yes and not dry_run:
        return True
    if dry_run or not sys.stdin.isatty():
        click.echo(f"{number} would be created. Nothing was done; --yes does it.", err=True)
        return False
    return click.confirm(f"Create {count_noun(number, 'secret')}?", err=True)


def _make(wanted: Sequence[Planned], access: Access, resources: Resources) -> None:
    failed: list[str] = []
    with click.progressbar(wanted, label="Importing", file=sys.stderr, item_show_func=_name_of) as bar:
        for each in bar:
            try:
                DotenvImport(resources).create(each, access=access)
            except StrongroomError as error:
                failed.append(f"{each.entry.name} (line {each.entry.line}): {error.detail}")
                if isinstance(error, VaultError):
                    break
    for line in failed:
        click.echo(line, err=True)
    if failed:
        click.echo("What was created before stays; run the import again for the rest.", err=True)
        raise click.exceptions.Exit(FAILED)
    click.echo(f"{len(wanted)} created.", err=True)


def _name_of(planned: Planned | None) -> str:
    return planned.entry.name if planned else ""
