"""``strongroom doctor``: what is well, what is not, and what to do about it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click
from sqlalchemy.exc import SQLAlchemyError

from app.audit.checkpoints import verify_chain
from app.cli.audit import expect_chains
from app.cli.exit_codes import FAILED
from app.cli.runtime import as_json_option, count_noun, open_vault, print_rows, read_settings, vault_setup
from app.cli.vault import operator
from app.kernel.errors import StrongroomError
from app.migrations import pending
from app.policies.probes import LOGIN_ROLES
from app.policies.service import find_changes
from app.resources import Resources
from app.settings import Settings
from app.variables.secrets.reconcile import (
    count_unasked_wildcards,
    faulty_keys,
    mismatched_bindings,
    unfinished_secrets,
    unknown_values,
)
from app.vault import Grant
from app.vault.environment import ignored_variables
from app.vault.roles import grant_role
from app.wiring import open_resources
from app.workspaces.service import list_names

Colour = Literal["green", "amber", "red"]
_PROBE = "strongroom-doctor"
# A login lives for a minute, so that clocks further apart than half of one begin to refuse each other.
_CLOCKS_AMBER, _CLOCKS_RED = 5.0, 30.0
_EVENTS_READ = 10_000
_WORKSPACES_READ, _UNKNOWN_TOLD = 1_000, 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    state: Colour
    finding: str


@click.command()
@click.option("--operator", "as_operator", is_flag=True, help="Look at Vault's own setup too, with VAULT_TOKEN.")
@as_json_option
def doctor(as_operator: bool, as_json: bool) -> None:
    """Check everything that the service stands on, and say what to do; exit 1 on anything red.

    Vault's own setup (policies, audit devices) can only be seen by its operator. On the embedded default the recovery
    key makes you one; elsewhere say --operator.
    """
    settings = read_settings()
    with open_vault(settings), open_resources(settings) as resources:
        findings = examine(settings, resources, as_operator=as_operator or settings.embedded)
    print_rows([asdict(finding) for finding in findings], as_json=as_json)
    if any(finding.state == "red" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def examine(settings: Settings, resources: Resources, *, as_operator: bool) -> Sequence[Finding]:
    """Run every check; one that fails doesn't keep the others from running."""
    setup = _setup if as_operator else _setup_unseen
    checks: Sequence[Callable[[Settings, Resources], Iterator[Finding]]] = (
        _database,
        _vault,
        _variables,
        _keys,
        _roles,
        _grants,
        setup,
        _bindings,
        _signing_keys,
        _wildcards,
        _unknown,
        _record,
        _unfinished_changes,
        _modes,
    )
    return [finding for check in checks for finding in _run(check, settings, resources)]


def _run(
    check: Callable[[Settings, Resources], Iterator[Finding]], settings: Settings, resources: Resources
) -> Sequence[Finding]:
    try:
        return list(check(settings, resources))
    except StrongroomError as error:
        return [Finding(check.__name__.strip("_"), "red", error.detail)]
    except SQLAlchemyError:
        return [
            Finding(check.__name__.strip("_"), "red", "not looked at: the database doesn't answer, or lacks our tables")
        ]


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
    if health.outdated is not None:
        yield Finding("vault version", "amber", health.outdated)
    elif health.ok:
        yield Finding("vault version", "green", "one that we work with")
    if health.ahead is not None:
        apart = abs(health.ahead)
        colour: Colour = "red" if apart > _CLOCKS_RED else "amber" if apart > _CLOCKS_AMBER else "green"
        told = (
            "Vault's goes with ours" if colour == "green" else f"Vault's is {health.ahead:+.0f} s from ours: set both"
        )
        yield Finding("clock", colour, told)


def _variables(settings: Settings, resources: Resources) -> Iterator[Finding]:
    ignored = ignored_variables(os.environ)
    for each in ignored:
        yield Finding(f"variable {each.name}", "amber", f"set, and not obeyed: {each.why}")
    if not ignored:
        yield Finding("variables", "green", "none of Vault's that isn't obeyed")


def _keys(settings: Settings, resources: Resources) -> Iterator[Finding]:
    doubtful = resources.vault.keys_in_doubt()
    for key in doubtful:
        yield Finding(
            f"key {key}",
            "red",
            "its last change may be half done, so nothing is encrypted or signed under it: rotate it again"
            " (`strongroom vault rotate-key`), or store its secret's key again",
        )
    if not doubtful:
        yield Finding("keys", "green", "each as Vault stored it")


def _roles(settings: Settings, resources: Resources) -> Iterator[Finding]:
    for role in reversed(LOGIN_ROLES):
        try:
            resources.vault.probe_role(role, _PROBE)
        except StrongroomError as error:
            yield Finding(f"role {role}", "red", f"{error.detail} Run `strongroom vault plan`.")
        else:
            yield Finding(f"role {role}", "green", "logs in")


def _grants(settings: Settings, resources: Resources) -> Iterator[Finding]:
    wanted: dict[str, set[Grant]] = {}
    for one in vault_setup(settings).grants:
        wanted.setdefault(one.workspace, set()).add(one.grant)
    for workspace, grants in sorted(wanted.items()):
        try:
            resources.vault.probe_role(grant_role(workspace), workspace)
            same = set(resources.vault.grants(workspace)) == grants
        except StrongroomError as error:
            yield Finding(f"grants of {workspace}", "red", f"{error.detail} Run `strongroom vault apply`.")
            continue
        told = "as in the file" if same else "others were applied than the file has: run `strongroom vault apply`"
        yield Finding(f"grants of {workspace}", "green" if same else "amber", told)
    if not wanted:
        yield Finding("grants", "green", "none")


def _setup_unseen(settings: Settings, resources: Resources) -> Iterator[Finding]:
    for check in ("policies", "audit devices"):
        yield Finding(
            check, "amber", "not looked at: say --operator and give VAULT_TOKEN, or run `strongroom vault plan`"
        )


def _setup(settings: Settings, resources: Resources) -> Iterator[Finding]:
    with operator(settings) as live:
        seen = find_changes(live, vault_setup(settings))
    differing = len(seen.changes) + sum(change.kind != "audit" for change in seen.by_hand)
    told = (
        f"{count_noun(differing, 'difference')} from the files: run `strongroom vault plan`"
        if differing
        else "as in the files"
    )
    yield Finding("policies", "red" if differing else "green", told)
    unaudited = any(change.kind == "audit" for change in seen.by_hand)
    told = (
        "none: Vault keeps no record of its own; its owners switch one on"
        if unaudited
        else "Vault keeps its own record"
    )
    yield Finding("audit devices", "amber" if unaudited else "green", told)


def _record(settings: Settings, resources: Resources) -> Iterator[Finding]:
    keys, sound = resources.vault.checkpoint_public_keys(), 0
    for chain in expect_chains(None, resources):
        verdict = verify_chain(
            chain, sessions=resources.sessions, vault=resources.vault, keys=keys, events_at_least=_EVENTS_READ
        )
        if verdict.fault is None:
            sound += 1
            continue
        name = chain or "the service"
        yield Finding(f"record of {name}", "red", f"{verdict.fault.told}; run `strongroom audit verify`")
    told = f"{count_noun(sound, 'chain')} looked at and whole, as far as the newest {_EVENTS_READ:,} events of each"
    yield Finding("record", "green", told)


def _bindings(settings: Settings, resources: Resources) -> Iterator[Finding]:
    wrong = mismatched_bindings(sessions=resources.sessions, vault=resources.vault)
    for workspace, name in wrong:
        yield Finding(
            f"binding {workspace}/{name}",
            "red",
            "the database's row isn't what Vault was told; find out who changed it, then delete and create the secret",
        )
    if not wrong:
        yield Finding("bindings", "green", "every secret's row is the one that Vault was told of")


def _signing_keys(settings: Settings, resources: Resources) -> Iterator[Finding]:
    faulty = faulty_keys(sessions=resources.sessions, vault=resources.vault)
    for workspace, name, fault in faulty:
        yield Finding(f"signing key {workspace}/{name}", "red", f"{fault}: store its key again, or delete the secret")
    if not faulty:
        yield Finding("signing keys", "green", "each secret that signs has the key that counts")


def _wildcards(settings: Settings, resources: Resources) -> Iterator[Finding]:
    number = count_unasked_wildcards(sessions=resources.sessions)
    told = (
        f"{count_noun(number, 'restricted secret')} may go to any name under a wildcard, saved before that had to be"
        " asked for: name the hosts, or set wide"
        if number
        else "no restricted secret has one that wasn't asked for"
    )
    yield Finding("wildcards", "amber" if number else "green", told)


def _unknown(settings: Settings, resources: Resources) -> Iterator[Finding]:
    sessions, vault = resources.sessions, resources.vault
    looked_at = list_names(sessions=sessions)[:_WORKSPACES_READ]
    unknown = unknown_values(sessions=sessions, vault=vault, workspaces=looked_at)
    for workspace, visibility, name in unknown[:_UNKNOWN_TOLD]:
        path = f"{settings.kv_mount}/{workspace}/{visibility}/{name}"
        told = f"no secret's: bring its row back from a backup, or delete it: vault kv metadata delete {path}"
        yield Finding(f"value {workspace}/{name}", "amber", told)
    if len(unknown) > _UNKNOWN_TOLD:
        yield Finding("values", "amber", f"{count_noun(len(unknown) - _UNKNOWN_TOLD, 'more value')} like these")
    if not unknown:
        told = f"each that Vault holds is a secret's, in {count_noun(len(looked_at), 'workspace')}"
        yield Finding("values", "green", told)


def _unfinished_changes(settings: Settings, resources: Resources) -> Iterator[Finding]:
    names = unfinished_secrets(sessions=resources.sessions)
    told = f"{count_noun(len(names), 'secret')}: run `strongroom reconcile`" if names else "none"
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
