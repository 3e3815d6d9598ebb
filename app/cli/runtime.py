"""What commands share: settings from the environment, and everything opened for as long as a command takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError

from app.db import Sessions, open_engine
from app.kernel.errors import ServiceError
from app.migrations import pending, upgrade
from app.policies.service import Setup, read_files, read_grants
from app.resources import Resources
from app.settings import Settings
from app.vault import embedded
from app.vault.keys import public_key, read_or_make
from app.wiring import mounts, open_resources
from app.workspaces.service import list_names

_LONGEST: Final = 128

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def read_settings(*, serving: bool = True) -> Settings:
    """Read the settings from this process's environment; ``serving`` False does without the keys of a service."""
    return Settings.from_env(os.environ, serving=serving)


def prepare_folder(settings: Settings) -> None:
    """Make the data folder, for its owner's eyes alone."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def open_database(settings: Settings) -> Iterator[Sessions]:
    """Open the database alone, with its tables at this version.

    Raises:
        ServiceError: a production database still has the tables of an older version.
    """
    prepare_folder(settings)
    sessions = Sessions(open_engine(settings.database_url))
    try:
        if pending(sessions.engine):
            if not settings.embedded:
                raise ServiceError("The database's tables are older than this version: run `strongroom db upgrade`.")
            upgrade(sessions.engine)
        yield sessions
    finally:
        sessions.close()


@contextmanager
def open_service(settings: Settings) -> Iterator[Resources]:
    """Open everything; on the embedded default the running Vault is found, or one is started meanwhile."""
    with open_database(settings), open_vault(settings), open_resources(settings) as resources:
        yield resources


@contextmanager
def open_vault(settings: Settings) -> Iterator[None]:
    """Have a Vault that answers for as long as the block runs."""
    if not settings.embedded:
        yield
        return
    found = embedded.find_or_start(settings.vault_dir, port=settings.vault_port)
    try:
        yield
    finally:
        found.stop()


def policies_folder(settings: Settings) -> Path:
    """Return the folder with the policy files: the operator's, the checkout's, or the one inside the package."""
    packaged = Path(__file__).parent.parent / "policies" / "files"
    checkout = Path(__file__).parent.parent.parent / "vault-policies"
    return settings.policies_dir or (packaged if packaged.is_dir() else checkout)


def vault_files(settings: Settings) -> Mapping[str, str]:
    """Return the policy files, by role."""
    return read_files(policies_folder(settings))


def vault_setup(settings: Settings) -> Setup:
    """Say what Vault is to be set up with. On the embedded default the key that signs logins is made if need be.

    Raises:
        ServiceError: where that key isn't given, or is none.
    """
    grants = read_grants(settings.grants_file or policies_folder(settings) / "grants.toml", mounts=mounts(settings))
    return Setup(
        mounts=mounts(settings),
        files=vault_files(settings),
        public_keys=[public_key(_signing_key(settings))],
        namespaced=settings.vault_namespace is not None,
        grants=grants,
        workspaces=_known_workspaces(settings) if grants else None,
    )


def _known_workspaces(settings: Settings) -> frozenset[str] | None:
    """Return the workspaces that there are; None where the database doesn't tell, which no command here needs."""
    sessions = Sessions(open_engine(settings.database_url))
    try:
        return frozenset(list_names(sessions=sessions))
    except SQLAlchemyError:
        return None
    finally:
        sessions.close()


def _signing_key(settings: Settings) -> bytes:
    if settings.embedded:
        return read_or_make(settings.signing_key_path)
    try:
        return settings.signing_key_file.read_bytes() if settings.signing_key_file else b""
    except OSError:
        raise ServiceError("The file that STRONGROOM_SIGNING_KEY_FILE names can't be read.") from None


def count_noun(number: int, noun: str) -> str:
    """Say how many there are of something: "1 chain", "2 chains"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str = "none") -> None:
    """Print a table, or with ``--json`` a list of objects; where there are no rows, the table's place says so."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2))
        return
    if not rows:
        click.echo(empty)
        return
    columns = list(rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    # What others chose to call a thing must not steer the operator's terminal.
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))


def short_text(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Take an option's text as the API would: at most 128 characters."""
    if text is not None and len(text) > _LONGEST:
        raise click.BadParameter(f"has more than {_LONGEST} characters")
    return text
