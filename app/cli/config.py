"""``strongroom config``."""

from __future__ import annotations

import click

from app.cli.runtime import print_rows, read_settings
from app.settings import describe


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config(as_json: bool) -> None:
    """List every setting with its meaning, its default and what it is now."""
    rows = [
        {"setting": each.variable, "meaning": each.meaning, "default": each.default, "now": each.value}
        for each in describe(read_settings())
    ]
    print_rows(rows, as_json=as_json)
