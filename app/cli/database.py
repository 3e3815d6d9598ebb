"""``strongroom db``."""

from __future__ import annotations

import click

from app.cli.runtime import prepare_folder, read_settings
from app.db import Sessions, open_engine
from app.migrations import upgrade


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def upgrade_tables() -> None:
    """Bring the tables to this version; doing it twice does nothing."""
    settings = read_settings()
    prepare_folder(settings)
    sessions = Sessions(open_engine(settings.database_url))
    upgrade(sessions.engine)
    sessions.close()
    click.echo("The tables are up to date.")
