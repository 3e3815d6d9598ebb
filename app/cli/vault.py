"""``strongroom vault``: the operator's commands about policies, roles and the key that signs logins."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from app.cli.exit_codes import DONE, FAILED, TO_DO
from app.cli.runtime import (
    as_json_option,
    count_noun,
    open_vault,
    print_rows,
    read_settings,
    vault_files,
    vault_setup,
)
from app.cli.vault_keys import rewrap, rotate_key
from app.kernel.errors import ServiceError
from app.policies import service, verify
from app.policies.plan import Change, Plan
from app.policies.service import Setup
from app.policies.table import ROLES
from app.settings import Settings
from app.vault.environment import ignored_variables
from app.vault.operator import VaultOperator
from app.vault.recovery import operator_token
from app.wiring import mounts, vault_server

prune_option = click.option("--prune", is_flag=True, help="Also delete what is ours and no longer wanted.")


@click.group()
def vault() -> None:
    """Set Vault up from the policy files, and prove that it keeps to them.

    VAULT_ADDR, VAULT_CACERT and VAULT_NAMESPACE say which Vault, VAULT_TOKEN (or ~/.vault-token) who you are. Without
    VAULT_ADDR it is the embedded one, and its recovery key gives the token.
    """
    for ignored in ignored_variables(os.environ):
        click.echo(f"{ignored.name} is set and not obeyed: {ignored.why}.", err=True)


vault.add_command(rotate_key)
vault.add_command(rewrap)


@vault.command()
@prune_option
@click.option("--fail-on-new-grants", is_flag=True, help="Exit 1 where a policy would grant what it doesn't yet.")
@as_json_option
def plan(prune: bool, fail_on_new_grants: bool, as_json: bool) -> None:
    """Show what differs between the files and Vault; exit 0 for nothing, 2 for something to do.

    It ends with what the change newly grants: computed over the policies' paths, `+` and `*` included, and parameters.
    """
    settings = read_settings(serving=False)
    setup = vault_setup(settings)
    with operator(settings) as live:
        seen = service.find_changes(live, setup, prune=prune)
    if as_json:
        click.echo(json.dumps(_document(seen)))
    else:
        _show(seen)
        click.echo("Nothing to do." if seen.in_order else f"{count_noun(len(seen.changes), 'change')} to make.")
        for role, path, capability in seen.new_grants:
            click.echo(f"Newly granted: {role}: {capability} on {path}")
        if not seen.new_grants:
            click.echo("The change grants nothing new.")
    if fail_on_new_grants and seen.new_grants:
        raise click.exceptions.Exit(FAILED)
    raise click.exceptions.Exit(DONE if seen.in_order else TO_DO)


@vault.command()
@click.option("--yes", is_flag=True, help="Don't ask.")
@prune_option
@click.option(
    "--prune-at-most",
    type=click.IntRange(min=0),
    default=service.PRUNE_AT_MOST,
    show_default=True,
    help="Stop before anything is changed where more would be deleted.",
)
@as_json_option
def apply(yes: bool, prune: bool, prune_at_most: int, as_json: bool) -> None:
    """Make mounts, roles and policies as the files say; doing it twice does nothing."""
    settings = read_settings(serving=False)
    setup = vault_setup(settings)
    with operator(settings) as live:
        seen = service.find_changes(live, setup, prune=prune)
        if not as_json:
            _show(seen)
        if seen.changes and not yes:
            click.confirm("Apply these changes?", abort=True, err=True)
        done = service.apply(live, setup, prune=prune, prune_at_most=prune_at_most, agreed=seen)
    if as_json:
        click.echo(json.dumps({"changes": [asdict(change) for change in done]}))
    else:
        nothing = "Nothing to do." if seen.in_order else "Nothing changed."
        click.echo(f"{count_noun(len(done), 'change')} made." if done else nothing)
    left = [change for change in seen.by_hand if change.kind != "audit"]
    if left:
        raise ServiceError(f"Left to be done by hand: {', '.join(f'{change.kind} {change.name}' for change in left)}.")


@vault.command(name="verify")
@click.option("--wait", is_flag=True, help="Also wait until tokens have ended (five minutes), and try them then.")
@as_json_option
def verify_table(wait: bool, as_json: bool) -> None:
    """Log in as every role and try everything, in two scratch workspaces; exit 1 on a single surprise."""
    settings = read_settings(serving=False)
    pem, grants = read_signing_key(settings), vault_setup(settings).grants
    with operator(settings) as live:
        pause = time.sleep if wait else None
        cells = verify.verify(live, mounts(settings), pem, clock=time.time, wait=pause, grants=grants)
    surprises = verify.failures(cells)
    if as_json:
        click.echo(json.dumps({"cells": [asdict(cell) | {"ok": cell.ok} for cell in cells]}))
    else:
        print_rows(_matrix(cells), as_json=False)
        if not wait:
            click.echo("\nNot waited for: the end of a token's five minutes. --wait does.")
        click.echo(f"{len(cells)} tries, {len(surprises)} surprises.")
    for cell in surprises:
        click.echo(f"{cell.role}: {cell.door}: {cell.verb} was {cell.found} ({cell.status}){_cause(cell)}", err=True)
    raise click.exceptions.Exit(FAILED if surprises else DONE)


@vault.command()
@click.argument("roles", nargs=-1, type=click.Choice(ROLES))
@click.option("--accessor", help="The login mount's accessor, where Vault isn't to be asked for it.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write a file for each into this folder.")
@as_json_option
def export(roles: Sequence[str], accessor: str | None, out: Path | None, as_json: bool) -> None:
    """Print the policies filled in, all or those of ROLES, for teams that manage Vault with other tools."""
    settings = read_settings(serving=False)
    files = vault_files(settings)
    setup = Setup(mounts(settings), {role: files[role] for role in roles or sorted(files)}, [])
    if accessor is None and service.needs_accessor(setup):
        with operator(settings) as live:
            accessor = service.read_accessor(live, setup)
    texts = {f"strongroom-{role}": text for role, text in service.export(setup, accessor=accessor or "").items()}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / f"{name}.hcl").write_text(text, encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"policies": texts}))
    elif out is None:
        click.echo("\n".join(f"# policy {name}\n\n{text}" for name, text in texts.items()), nl=False)


@vault.command()
@click.option(
    "--overlap",
    type=click.IntRange(0, 86400),
    default=30,
    show_default=True,
    help="Seconds for which Vault takes the old key, too.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the new key here and leave the one in use: Vault takes both until the next `apply`.",
)
def rotate_signing_key(overlap: int, out: Path | None) -> None:
    """Change the key that signs logins, without an outage.

    The file in use is replaced, and every process that reads it goes on with the new key. Where processes have copies
    of it, take --out, bring the new key to all of them, and let `apply` end the old one.
    """
    settings = read_settings(serving=False)
    read_signing_key(settings)
    with operator(settings) as live:
        if out is not None:
            service.add_signing_key(live, mounts(settings), settings.signing_key_path, out)
            click.echo(f"The new key is in {out}; Vault takes both. Bring it to every process, then `vault apply`.")
            return
        service.rotate_signing_key(live, mounts(settings), settings.signing_key_path, wait=lambda: time.sleep(overlap))
    click.echo("The key was changed; the old one opens nothing any more.")


# --- what the commands about Vault share


def read_signing_key(settings: Settings) -> bytes:
    """Return the private key that signs logins.

    Raises:
        ServiceError: where it isn't given, or is the public half only.
    """
    vault_setup(settings)
    return settings.signing_key_path.read_bytes()


@contextmanager
def operator(settings: Settings) -> Iterator[VaultOperator]:
    """Reach Vault as its operator: by the operator's own token, or on the embedded default by the recovery key.

    Raises:
        ServiceError: where there is no token.
    """
    with open_vault(settings):
        server = vault_server(settings)
        if not settings.embedded:
            with VaultOperator(server, _own_token()) as live:
                yield live
            return
        files = vault_files(settings)
        policy = service.export(Setup(mounts(settings), files, []), accessor="none")["operator"]
        with (
            operator_token(settings.vault_dir, server.address, policy) as token,
            VaultOperator(server, token) as live,
        ):
            yield live


def _own_token() -> str:
    """Return the token that HashiCorp's and OpenBao's own command lines would use."""
    token = os.environ.get("VAULT_TOKEN", "").strip()
    if not token:
        try:
            token = (Path.home() / ".vault-token").read_text().strip()
        except (OSError, RuntimeError):
            token = ""
    if not token:
        raise ServiceError("VAULT_TOKEN is missing, and ~/.vault-token too: these commands act as Vault's operator.")
    return token


# --- how it looks


def _show(seen: Plan) -> None:
    for change in (*seen.changes, *seen.by_hand):
        _show_change(change)
    for kind, name in seen.leftovers:
        click.echo(f"{kind} {name} is ours and no longer wanted; --prune deletes it.\n")
    for warning in seen.warnings:
        click.echo(f"Warning: {warning}")


def _show_change(change: Change) -> None:
    click.secho(f"{change.action} {change.kind} {change.name}", bold=True)
    for line in change.diff.splitlines():
        click.secho(line, fg={"+": "green", "-": "red"}.get(line[:1]))
    click.echo()


def _document(seen: Plan) -> dict[str, object]:
    return {
        "changes": [asdict(change) for change in seen.changes],
        "by_hand": [asdict(change) for change in seen.by_hand],
        "leftovers": [{"kind": kind, "name": name} for kind, name in seen.leftovers],
        "warnings": list(seen.warnings),
        "new_grants": [
            {"role": role, "path": path, "capability": capability} for role, path, capability in seen.new_grants
        ],
    }


def _cause(cell: verify.Cell) -> str:
    return f": {cell.cause}" if cell.cause else ""


def _matrix(cells: Sequence[verify.Cell]) -> Sequence[dict[str, object]]:
    """Turn the tries into a row for each door and verb, with a column for each role."""
    columns = list(dict.fromkeys(cell.role for cell in cells))
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for cell in cells:
        blank: dict[str, object] = {"door": cell.door, "verb": cell.verb} | dict.fromkeys(columns)
        row = rows.setdefault((cell.door, cell.verb), blank)
        row[cell.role] = ("yes" if cell.found == "allowed" else "no") + ("" if cell.ok else " (!)")
    return list(rows.values())
