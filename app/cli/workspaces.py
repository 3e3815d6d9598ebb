"""``strongroom workspace``."""

from __future__ import annotations

import click

from app.access import OPERATOR, Principal
from app.cli.runtime import open_service, read_settings, short_text
from app.kernel.errors import ValidationFailed
from app.workspaces.service import WORKSPACE_NAME, NewWorkspace, Workspaces


@click.group()
def workspace() -> None:
    """Look after workspaces."""


@workspace.command()
@click.argument("name")
@click.option("--owner", required=True, metavar="ID", help="The user who owns it.")
@click.option("--title", callback=short_text, help="What it is called on the pages (its name).")
@click.option("--engine", type=click.Choice(["kv", "transit"]), default="kv", show_default=True)
def create(name: str, owner: str, title: str | None, engine: str) -> None:
    """Make a workspace with its first owner."""
    if not WORKSPACE_NAME.fullmatch(name):
        raise ValidationFailed("A workspace's name must match [a-z][a-z0-9-]{1,62}.")
    new = NewWorkspace(name, title, "transit" if engine == "transit" else "kv", owner=owner)
    with open_service(read_settings()) as resources:
        Workspaces(resources).create(new, principal=Principal(OPERATOR))
    click.echo(f"{name} is there, and {owner} owns it.")
