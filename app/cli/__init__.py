"""The command line: one small file per group. Errors become one line and an exit code here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from sqlalchemy.exc import SQLAlchemyError

from app import __version__
from app.cli import (
    audit,
    config,
    database,
    doctor,
    imports,
    reconcile,
    serve,
    tokens,
    users,
    vault,
    vault_keys,
    workspaces,
)
from app.cli.runtime import DONE, FAILED
from app.kernel.errors import StrongroomError
from app.settings import SettingsError


@click.group()
@click.version_option(__version__, prog_name="strongroom")
def strongroom() -> None:
    """Keep a platform's API tokens in Vault, so that they are used and never seen."""


strongroom.add_command(serve.serve)
strongroom.add_command(config.config)
strongroom.add_command(doctor.doctor)
strongroom.add_command(database.db)
strongroom.add_command(reconcile.reconcile)
strongroom.add_command(users.user)
strongroom.add_command(tokens.token)
strongroom.add_command(workspaces.workspace)
strongroom.add_command(imports.import_)
strongroom.add_command(audit.audit)
strongroom.add_command(vault.vault)
vault.vault.add_command(vault_keys.rotate_key)
vault.vault.add_command(vault_keys.rewrap)


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
