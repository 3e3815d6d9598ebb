"""``strongroom vault``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from app.cli.runtime import read_settings, running_vault, vault_setup
from app.kernel.errors import ServiceError
from app.policies.service import apply as apply_setup
from app.policies.service import export, see_changes
from app.settings import Settings
from app.vault.operator import VaultOperator
from app.vault.recovery import operator_token
from app.wiring import vault_server


@click.group()
def vault() -> None:
    """Set Vault up from the policy files."""


@vault.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def apply(yes: bool, as_json: bool) -> None:
    """Make mounts, roles and policies as the files say; doing it twice does nothing."""
    settings = read_settings()
    setup = vault_setup(settings)
    with _operator(settings) as operator:
        wanted = see_changes(operator, setup)
        if wanted and not as_json:
            for change in wanted:
                click.echo(f"{change.action} {change.kind} {change.name}\n{change.diff}")
        if wanted and not yes:
            click.confirm("Make it so?", abort=True)
        done = apply_setup(operator, setup) if wanted else ()
    if as_json:
        click.echo(json.dumps({"changes": [asdict(change) for change in done]}))
    else:
        click.echo(f"{len(done)} changes made." if done else "Nothing to do.")


@contextmanager
def _operator(settings: Settings) -> Iterator[VaultOperator]:
    """Reach Vault as its operator: by ``VAULT_TOKEN``, or on the embedded default by its recovery key."""
    with running_vault(settings):
        server = vault_server(settings)
        if not settings.embedded:
            token = os.environ.get("VAULT_TOKEN")
            if not token:
                raise ServiceError("VAULT_TOKEN is missing: the `vault` commands act as Vault's operator.")
            with VaultOperator(server, token) as operator:
                yield operator
            return
        policy = export(vault_setup(settings), accessor="none")["operator"]
        with (
            operator_token(settings.vault_dir, server.address, policy) as token,
            VaultOperator(server, token) as operator,
        ):
            yield operator
