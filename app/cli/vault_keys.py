"""``strongroom vault rotate-key`` and ``rewrap``: the two keys of a workspace with the transit engine.

They need no operator's token: Vault lets the service's own roles do it, the owner rotate and the mover rewrap.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import click

from app.access import OPERATOR, Access, Role
from app.cli.exit_codes import TO_DO
from app.cli.runtime import as_json_option, open_service, read_settings
from app.resources import Resources
from app.variables.secrets.keys import Rewrapped, WorkspaceKeys


@click.command("rotate-key")
@click.argument("workspace")
@as_json_option
def rotate_key(workspace: str, as_json: bool) -> None:
    """Give WORKSPACE's two keys a new version.

    New values are encrypted under it from now on. What is stored stays readable under the older versions, which Vault
    keeps; `strongroom vault rewrap` moves it to the new one.
    """
    with open_service(read_settings()) as resources:
        versions = WorkspaceKeys(resources).rotate(access=_access(workspace))
    if as_json:
        click.echo(json.dumps({"workspace": workspace, "key_versions": dict(versions)}))
        return
    for visibility, version in versions.items():
        click.echo(f"The key {workspace}.{visibility} is at version {version}.")


@click.command()
@click.argument("workspace")
@as_json_option
def rewrap(workspace: str, as_json: bool) -> None:
    """Move WORKSPACE's values to the newest version of their keys.

    The value in force of each secret is stored anew, as a new version with the same value; no plaintext leaves Vault.
    It can be stopped at any point and called again. Older versions stay under the older key versions: they can be
    rolled back to until an operator raises `min_decryption_version` of a key, which makes them unreadable for good.

    Exit code 2 where some secrets couldn't be moved.
    """
    with open_service(read_settings()) as resources:
        done = _rewrap(workspace, resources)
    counts = Counter(each.outcome for each in done)
    failed = [each for each in done if each.outcome == "failed"]
    if as_json:
        told = {"rewrapped": counts["rewrapped"], "unchanged": counts["unchanged"]}
        problems = [{"name": each.name, "problem": each.problem} for each in failed]
        click.echo(json.dumps({"workspace": workspace, **told, "failed": problems}))
    else:
        click.echo(f"{counts['rewrapped']} rewrapped, {counts['unchanged']} under the newest key already.")
        for each in failed:
            click.echo(f"  {each.name}: {each.problem}")
    if failed:
        raise click.exceptions.Exit(TO_DO)


def _rewrap(workspace: str, resources: Resources) -> list[Rewrapped]:
    access, keys = _access(workspace), WorkspaceKeys(resources)
    names = keys.secrets_to_rewrap(access=access)
    moving = keys.rewrap(names, access=access)
    with click.progressbar(moving, length=len(names), label="Rewrapping", file=sys.stderr) as shown:
        return list(shown)


def _access(workspace: str) -> Access:
    return Access(OPERATOR, workspace, Role.OWNER)
