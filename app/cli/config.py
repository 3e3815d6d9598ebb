"""``strongroom config``."""

from __future__ import annotations

import click

from app.cli.runtime import as_json_option, print_rows, read_settings
from app.settings import describe


@click.command()
@as_json_option
def config(as_json: bool) -> None:
    """List every setting with its meaning, its default and what it is now."""
    rows = [
        {"setting": each.variable, "meaning": each.meaning, "default": each.default, "now": each.value}
        for each in describe(read_settings())
    ]
    print_rows(rows, as_json=as_json)
