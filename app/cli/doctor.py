"""``strongroom doctor``: what is well, what is not, and what to do about it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from app.cli.runtime import open_service, print_rows, read_settings
from app.kernel.errors import StrongroomError
from app.migrations import pending
from app.resources import Resources
from app.settings import Settings
from app.variables.reconcile import mismatched_bindings, unfinished_secrets

Colour = Literal["green", "amber", "red"]
_VAULT_ROLES = ("owner", "admin", "editor", "runtime", "mover", "record", "health")
_PROBE = "strongroom-doctor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    state: Colour
    finding: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check database, Vault, roles, bindings, unfinished changes and file modes; exit 1 on anything red."""
    settings = read_settings()
    with open_service(settings) as resources:
        findings = examine(settings, resources)
    print_rows([asdict(finding) for finding in findings], as_json=as_json)
    if any(finding.state == "red" for finding in findings):
        raise click.exceptions.Exit(1)


def examine(settings: Settings, resources: Resources) -> Sequence[Finding]:
    """Run every check; one that fails doesn't keep the others from running."""
    checks: Sequence[Callable[[Settings, Resources], Iterator[Finding]]] = (
        _database, _vault, _roles, _bindings, _unfinished, _modes,
    )  # fmt: skip
    return [finding for check in checks for finding in _run(check, settings, resources)]


def _run(
    check: Callable[[Settings, Resources], Iterator[Finding]], settings: Settings, resources: Resources
) -> Sequence[Finding]:
    try:
        return list(check(settings, resources))
    except StrongroomError as error:
        return [Finding(check.__name__.strip("_"), "red", error.detail)]


def _database(settings: Settings, resources: Resources) -> Iterator[Finding]:
    problem = resources.sessions.problem()
    yield Finding("database", "red" if problem else "green", problem or "answers")
    if not problem:
        late = pending(resources.sessions.engine)
        yield Finding(
            "tables", "red" if late else "green", "run `strongroom db upgrade`" if late else "of this version"
        )


def _vault(settings: Settings, resources: Resources) -> Iterator[Finding]:
    health = resources.vault.health()
    yield Finding("vault", "green" if health.ok else "red", health.reason or f"answers (version {health.version})")


def _roles(settings: Settings, resources: Resources) -> Iterator[Finding]:
    for role in _VAULT_ROLES:
        try:
            resources.vault.probe_role(role, _PROBE)
        except StrongroomError as error:
            yield Finding(f"role {role}", "red", f"{error.detail} Run `strongroom vault plan`.")
        else:
            yield Finding(f"role {role}", "green", "logs in")


def _bindings(settings: Settings, resources: Resources) -> Iterator[Finding]:
    wrong = mismatched_bindings(sessions=resources.sessions, vault=resources.vault)
    for workspace, name in wrong:
        yield Finding(
            f"binding {workspace}/{name}", "red",
            "the database's row isn't what Vault was told; find out who changed it, then delete and create the secret",
        )  # fmt: skip
    if not wrong:
        yield Finding("bindings", "green", "every secret's row is the one that Vault was told of")


def _unfinished(settings: Settings, resources: Resources) -> Iterator[Finding]:
    names = unfinished_secrets(sessions=resources.sessions)
    told = f"{len(names)} secrets wait for `strongroom reconcile`" if names else "none"
    yield Finding("unfinished changes", "amber" if names else "green", told)


def _modes(settings: Settings, resources: Resources) -> Iterator[Finding]:
    files = [settings.signing_key_path, settings.secret_key_path]
    if settings.embedded:
        files += [
            settings.data_dir / "strongroom.db",
            settings.vault_dir / "seal.key",
            settings.vault_dir / "recovery.json",
        ]
    open_ones = [path for path in files if path.exists() and _others_can_read(path)]
    for path in open_ones:
        yield Finding(f"mode of {path}", "red", f"others can read it: chmod 600 {path}")
    if not open_ones:
        yield Finding("file modes", "green", "keys and database are for their owner alone")


def _others_can_read(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
