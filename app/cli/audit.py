"""``strongroom audit``: the record, verified and handed out."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import click

from app.access import OPERATOR, Access, Role
from app.audit.chain import Restore, Verdict, rfc3339
from app.audit.checkpoints import chains, verify_chain
from app.audit.export import Format, export_events, verify_export
from app.audit.restores import Restores
from app.audit.service import SERVICE_CHAIN, Filters
from app.cli.exit_codes import FAILED
from app.cli.runtime import as_json_option, count_noun, open_service, print_rows, read_settings
from app.identity.tokens import Tokens
from app.kernel.errors import NotFound, ValidationFailed
from app.resources import Resources
from app.workspaces.service import list_names

_KEY: Final = re.compile(r"(?:v?([0-9]+)[: ]\s*)?([A-Za-z0-9+/]{43}=)")


@click.group()
def audit() -> None:
    """Verify the record, and export it."""


@audit.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--public-key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `audit public-key` printed; with it an export is verified offline.",
)
@click.option("--workspace", metavar="WS", help="This workspace's chain only.")
@as_json_option
def verify(file: Path | None, key_file: Path | None, workspace: str | None, as_json: bool) -> None:
    """Verify every chain of the record, or those of an NDJSON export in FILE; exit 1 where one was tampered with."""
    verdicts = _verdicts(file, key_file, workspace)
    print_rows([_row(verdict) for verdict in verdicts], as_json=as_json)
    if any(verdict.fault for verdict in verdicts):
        raise click.exceptions.Exit(FAILED)


def _verdicts(file: Path | None, key_file: Path | None, workspace: str | None) -> Sequence[Verdict]:
    if file is not None and key_file is not None:
        with file.open("rb") as lines:
            return _only(workspace, verify_export(lines, _read_keys(key_file)))
    with open_service(read_settings()) as resources:
        keys = _read_keys(key_file) if key_file else resources.vault.checkpoint_public_keys()
        if file is not None:
            with file.open("rb") as lines:
                return _only(workspace, verify_export(lines, keys))
        return [
            verify_chain(chain, sessions=resources.sessions, vault=resources.vault, keys=keys)
            for chain in expect_chains(workspace, resources)
        ]


def expect_chains(workspace: str | None, resources: Resources) -> Sequence[str]:
    """Return the chains that must be there: those with a trace in the database or in Vault, and every workspace's.

    Args:
        workspace: The one whose chain is asked for; None for all.

    Raises:
        NotFound: The record has no such workspace.
    """
    workspaces = list_names(sessions=resources.sessions)
    known = {*chains(resources.sessions), *resources.vault.chains_with_checkpoint(), *workspaces}
    # A workspace that an operator made by hand left its event in its own chain alone; a token is in the service's.
    if Tokens(resources.sessions, resources.clock).list_all():
        known.add(SERVICE_CHAIN)
    if workspace is not None and workspace not in known:
        raise NotFound(f"The record has no workspace {workspace}.")
    return sorted(known) if workspace is None else [workspace]


def _only(workspace: str | None, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    kept = [each for each in verdicts if workspace is None or each.chain == workspace]
    if not kept:
        raise NotFound("The export has no event." if workspace is None else f"The export has no event of {workspace}.")
    return kept


def _select_chains(workspace: str | None, resources: Resources) -> Sequence[str]:
    known = chains(resources.sessions)
    if workspace is not None and workspace not in known:
        raise NotFound(f"The record has no workspace {workspace}.")
    return known if workspace is None else [workspace]


def _read_keys(path: Path) -> Mapping[int, str]:
    text = path.read_text(errors="replace")
    try:
        read = json.loads(text)
        keys = {int(version): str(key) for version, key in read.items()}
    except (ValueError, AttributeError):
        keys = {int(match[1] or 1): match[2] for match in _KEY.finditer(text)}
    try:
        whole = all(len(base64.b64decode(key, validate=True)) == 32 for key in keys.values())
    except binascii.Error:
        whole = False
    if not keys or not whole:
        raise ValidationFailed(f"{path} holds no public key; it must be what `strongroom audit public-key` printed.")
    return keys


def _row(verdict: Verdict) -> dict[str, object]:
    fault = verdict.fault
    return {
        "chain": verdict.chain or "(service)",
        "events": verdict.end.seq,
        "signed": verdict.signed.seq if verdict.signed else 0,
        "signed_at": rfc3339(verdict.signed.at) if verdict.signed else None,
        "unsigned": verdict.unsigned,
        "fault": fault.kind if fault else None,
        "event": fault.seq if fault else None,
        "finding": fault.told if fault else _well(verdict),
    }


def _well(verdict: Verdict) -> str:
    words = "all of it is signed"
    if verdict.unsigned:
        words = f"{count_noun(verdict.unsigned, 'event')} after the last checkpoint, not signed yet"
    return "; ".join(["verified", words, *map(_restore_words, verdict.restores)])


def _restore_words(restore: Restore) -> str:
    day = restore.at.date().isoformat()
    return f"an older record was accepted on {day}: events {restore.after + 1} to {restore.through} are not all here"


@audit.command("accept-restore")
@click.option("--yes", is_flag=True, help="Don't ask.")
def accept_restore(yes: bool) -> None:
    """Accept the database as it is after an older one was restored; what is missing is named for good."""
    with open_service(read_settings()) as resources:
        restores = Restores(resources)
        missing = restores.missing()
        if not missing:
            click.echo("Nothing is missing: the record reaches as far as Vault says.")
            return
        for each in missing:
            name = each.chain or "(service)"
            click.echo(f"{name}: events {each.after + 1} to {each.through} are missing, or not what they were")
        if not yes:
            click.confirm("Accept this record? It will be said in the record and in Vault, for good.", abort=True)
        restores.accept(missing)
    click.echo(f"Accepted for {count_noun(len(missing), 'chain')}.")


@audit.command()
@click.option("--workspace", metavar="WS", help="This workspace's events only (all, and the service's own).")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option("--output", type=click.File("wb", atomic=True), default="-", help="Where to (standard output).")
def export(workspace: str | None, form: Format, output: IO[bytes]) -> None:
    """Write the record, newest first; NDJSON can be verified later with `audit verify FILE`."""
    with open_service(read_settings()) as resources:
        for chain in _select_chains(workspace, resources):
            for piece in _export(chain, form, resources):
                output.write(piece)


def _export(chain: str, form: Format, resources: Resources) -> Iterator[bytes]:
    access = Access(OPERATOR, None if chain == SERVICE_CHAIN else chain, Role.OWNER)
    return export_events(
        Filters(), form, access=access, sessions=resources.sessions, vault=resources.vault, clock=resources.clock
    )


@audit.command("public-key")
@as_json_option
def public_key(as_json: bool) -> None:
    """Print the public keys with which anybody verifies checkpoints: key version, then ed25519 in base64."""
    with open_service(read_settings()) as resources:
        keys = resources.vault.checkpoint_public_keys()
    if as_json:
        click.echo(json.dumps({str(version): key for version, key in keys.items()}))
    else:
        for version, key in sorted(keys.items()):
            click.echo(f"v{version}:{key}")
