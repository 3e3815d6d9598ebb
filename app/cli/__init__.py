"""The command line: one small file per group. Errors become one line and an exit code here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError

from app import __version__
from app.cli.exit_codes import DONE, FAILED
from app.kernel.errors import StrongroomError
from app.settings import SettingsError

_COMMANDS: Final[Mapping[str, str]] = {
    "audit": "audit:audit",
    "config": "config:config",
    "db": "database:db",
    "doctor": "doctor:doctor",
    "import": "imports:import_",
    "reconcile": "reconcile:reconcile",
    "secret": "secrets:secret",
    "serve": "serve:serve",
    "token": "tokens:token",
    "user": "users:user",
    "vault": "vault:vault",
    "workspace": "workspaces:workspace",
}


class _Commands(click.Group):
    """The commands, each imported when it is asked for. Source: click's docs, "Lazily Loading Subcommands"."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"app.cli.{module}"), name)
        return command


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="strongroom")
def strongroom() -> None:
    """Keep a platform's API tokens in Vault, so that they are used and never seen."""


def main() -> None:
    """Run the command line; the ``strongroom`` script."""
    os.umask(0o077)
    try:
        _refuse_what_is_no_text(sys.argv[1:])
        # Without click's own ending, `Exit` comes back as a number, and an ordinary end as None.
        sys.exit(strongroom.main(standalone_mode=False) or DONE)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(FAILED)
    except SettingsError as wrong:
        for fault in wrong.faults:
            click.echo(f"strongroom: {fault}", err=True)
        sys.exit(FAILED)
    except StrongroomError as error:
        click.echo(f"strongroom: {error.detail}", err=True)
        for location, told in (error.errors or {}).items():
            click.echo(f"  {location.label}: {' '.join(told)}", err=True)
        sys.exit(FAILED)
    except SQLAlchemyError as error:  # whose text may hold what was to be stored
        click.echo(f"strongroom: The database doesn't answer ({type(error).__name__}). See DATABASE_URL.", err=True)
        sys.exit(FAILED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"strongroom: {place}{error.strerror or type(error).__name__}.", err=True)
        sys.exit(FAILED)


def _refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """Do nothing where every argument is Unicode text: nothing else can be stored, or named to Vault."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise click.UsageError("An argument isn't in UTF-8.") from None
