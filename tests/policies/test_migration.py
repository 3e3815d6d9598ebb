"""From the first version's roles and policies to this one's, while processes of both serve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from hvac.api.secrets_engines import Transit

from app.kernel.secret import SecretValue
from app.policies.service import apply, find_changes
from app.policies.table import WORKSPACE
from app.vault import VISIBILITIES, Engine, SecretAddress
from app.vault.client import VaultClient
from app.vault.options import VaultOptions
from app.vault.session import VaultSession
from tests.policies.conftest import Team

VALUE = SecretValue("canary-of-a-migration")
ENGINES: tuple[Engine, ...] = ("kv", "transit")


@pytest.fixture
def first(team: Team) -> Team:
    """What the first version applied: its ``runtime`` decrypts, by four blocks, and there are no other new roles."""
    with team.operator() as operator:
        apply(operator, team.setup)
    accessor = team.ask("GET", "sys/auth").json()["data"]["strongroom/"]["accessor"]
    workspace = WORKSPACE.replace("@@ACCESSOR@@", accessor)
    blocks = [f'path "strongroom/data/{workspace}/{one}/+" {{ capabilities = ["read"] }}' for one in VISIBILITIES]
    blocks += [
        f'path "strongroom-transit/decrypt/{workspace}.{one}" {{ capabilities = ["update"] }}' for one in VISIBILITIES
    ]
    team.ask("PUT", "sys/policies/acl/strongroom-runtime", {"policy": "\n".join(blocks)})
    for role in ("decrypt", "sign", "renew"):
        team.ask("DELETE", f"auth/strongroom/role/{role}")
        team.ask("DELETE", f"sys/policies/acl/strongroom-{role}")
    return team


def addresses() -> list[SecretAddress]:
    return [SecretAddress(f"{engine}-team", engine, "restricted", "TOKEN") for engine in ENGINES]


def use(vault: VaultClient) -> None:
    for at in addresses():
        assert vault.read_for_call(at).value == VALUE


def use_as_the_first_version_did(session: VaultSession, ciphertext: str) -> None:
    key = f"{addresses()[1].workspace}.restricted"
    session.transit(addresses()[1].workspace, "runtime", Transit.decrypt_data, key, ciphertext=ciphertext)


def test_new_processes_serve_before_during_and_after_and_old_ones_until_they_are_stopped(first: Team) -> None:
    options = VaultOptions(first.bao.server(first.namespace), first.key)
    with closing(VaultClient(options)) as new:
        for at in addresses():
            new.prepare_workspace(at.workspace, at.engine, role="owner")
            new.write_binding(at, "b" * 64, role="owner")
            new.write_value(at, VALUE, cas=0, role="owner")
        data = first.ask("GET", "strongroom/data/transit-team/restricted/TOKEN").json()["data"]["data"]
        old = VaultSession(options)
        use_as_the_first_version_did(old, data["value"])
        use(new)
        old.line.close()  # it is stopped
        faults = during(lambda: use(new), lambda: migrate(first))
        use(new)
    assert faults == []


def migrate(team: Team) -> None:
    with team.operator() as operator:
        seen = find_changes(operator, team.setup)
        changes = [(change.action, change.kind, change.name) for change in seen.changes]
        narrower = ("update", "policy", "strongroom-runtime")
        assert narrower in changes
        assert changes.index(("create", "role", "decrypt")) < changes.index(narrower)
        assert {grant[0] for grant in seen.new_grants} >= {"decrypt", "sign", "renew"}
        apply(operator, team.setup)
        assert find_changes(operator, team.setup).in_order


def during(use: Callable[[], None], deed: Callable[[], None]) -> list[str]:
    """Use it again and again while the deed is done, and tell what went wrong."""
    over, faults, uses = threading.Event(), [], []

    def again() -> None:
        while not over.is_set():
            try:
                use()
                uses.append(1)
            except Exception as error:
                faults.append(repr(error))

    users = [threading.Thread(target=again) for _ in range(3)]
    for user in users:
        user.start()
    try:
        deed()
    finally:
        over.set()
        for user in users:
            user.join()
    assert uses
    return faults
