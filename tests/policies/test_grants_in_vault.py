"""The operators' grants in Vault: each opens just what it names, for whom it names."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kernel.errors import NotGranted, ValueNotAllowedHere, VaultUnavailable
from app.kernel.secret import SecretValue
from app.policies.grants import InvalidGrantsFile, parse_grants
from app.policies.service import apply, find_changes, read_grants
from app.policies.verify import failures, verify
from app.vault import Grant
from app.vault.client import VaultClient
from app.vault.options import Mounts, VaultOptions
from tests.policies.conftest import Team
from tests.policies.test_grants import GOOD


def test_a_file_that_is_not_there_grants_nothing(tmp_path: Path) -> None:
    assert read_grants(tmp_path / "grants.toml", mounts=Mounts()) == ()
    (tmp_path / "grants.toml").mkdir()
    with pytest.raises(InvalidGrantsFile, match="can't be read"):
        read_grants(tmp_path / "grants.toml", mounts=Mounts())


@pytest.fixture
def granted(team: Team) -> Team:
    """Two engines of the team's own, a value in each, and grants of both to the workspace acme."""
    text = GOOD + GOOD.replace("secret/team-a/zendesk", "old/zendesk")
    team.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    team.ask("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    team.ask("POST", "secret/data/team-a/zendesk", {"data": {"token": "canary-two", "port": 7}})
    team.ask("POST", "secret/data/team-a/other", {"data": {"token": "canary-other"}})
    team.ask("POST", "old/zendesk", {"token": "canary-one"})
    return dataclasses.replace(team, setup=dataclasses.replace(team.setup, grants=parse_grants(text, mounts=Mounts())))


@pytest.fixture
def vault(granted: Team) -> Iterator[VaultClient]:
    client = VaultClient(VaultOptions(granted.bao.server(granted.namespace), granted.key))
    yield client
    client.close()


def test_a_grant_opens_what_it_names_to_whom_it_names_and_ends_with_its_line(granted: Team, vault: VaultClient) -> None:
    path = "secret/team-a/zendesk"
    with granted.operator() as operator:
        apply(operator, granted.setup)
        assert find_changes(operator, granted.setup).in_order
    two, one = vault.read_granted("acme", path, "token"), vault.read_granted("acme", "old/zendesk", "token")
    assert (two.value, two.version) == (SecretValue("canary-two"), 1)
    assert (one.value, one.version) == (SecretValue("canary-one"), None)
    assert vault.grants("acme")[1] == Grant(path, ("token",), ("*.zendesk.com",))
    assert vault.grants("other") == []
    for field in ("port", "missing"):
        with pytest.raises(ValueNotAllowedHere):
            vault.read_granted("acme", path, field)
    for workspace, there in (("acme", "secret/team-a/other"), ("other", path)):
        with pytest.raises(NotGranted):
            vault.read_granted(workspace, there, "token")

    granted.ask("POST", "secret/data/team-a/zendesk", {"data": {"token": "canary-three"}})
    assert vault.read_granted("acme", path, "token").version == 2

    none = dataclasses.replace(granted.setup, grants=())
    with granted.operator() as operator:
        done = apply(operator, none)  # without --prune
        assert [(change.action, change.kind) for change in done] == [("delete", "policy"), ("delete", "role")]
    with pytest.raises(NotGranted):
        vault.read_granted("acme", path, "token")
    assert vault.grants("acme") == []


def test_a_path_starts_from_the_namespace_and_leads_into_none_below_it(granted: Team, vault: VaultClient) -> None:
    below = f"{granted.namespace}/below"
    assert granted.ask("GET", "sys/mounts").json()["data"].keys() >= {"secret/", "old/"}
    assert granted.bao.ask("POST", "sys/namespaces/below", {}, namespace=granted.namespace).ok
    assert granted.bao.ask("POST", "sys/mounts/secret", {"type": "kv"}, namespace=below).ok
    assert granted.bao.ask("POST", "secret/zendesk", {"token": "canary-below"}, namespace=below).ok
    text = GOOD.replace("secret/team-a/zendesk", "below/secret/zendesk")
    setup = dataclasses.replace(granted.setup, grants=parse_grants(text, mounts=Mounts()))
    with granted.operator() as operator:
        (warning,) = (each for each in find_changes(operator, setup).warnings if "below" in each)
        apply(operator, setup)
    assert "leads to no mount" in warning
    with pytest.raises((NotGranted, VaultUnavailable)):
        vault.read_granted("acme", "below/secret/zendesk", "token")


def test_verify_tries_each_grant_in_its_own_role_and_in_all_others_and_reads_no_value(granted: Team) -> None:
    with granted.operator() as operator:
        apply(operator, granted.setup)
        began = granted.bao.audit_log.stat().st_size
        tried = verify(operator, Mounts(), granted.key, clock=time.time, grants=granted.setup.grants)
    assert failures(tried) == ()
    cells = {(cell.role, cell.door, cell.verb): cell.found for cell in tried}
    path = "secret/data/team-a/zendesk"
    assert cells["grant-acme", path, "read"] == "allowed"
    assert cells["grant-acme", path, "update"] == "refused"
    assert cells["grant-acme", f"{path} and more", "read"] == "refused"
    assert cells["grant-acme", "for another workspace", "log in"] == "refused"
    assert cells["grant-acme", "a restricted value of its workspace", "read"] == "refused"
    for role in ("owner", "admin", "editor", "runtime", "mover", "renew"):
        assert cells[role, path, "read"] == cells[role, "old/zendesk", "read"] == "refused"
    with granted.bao.audit_log.open() as log:
        log.seek(began)
        read = [json.loads(line) for line in log if "team-a/zendesk" in line or "old/zendesk" in line]
    assert read
    assert not any(entry.get("response", {}).get("data", {}).get("data") for entry in read)


@pytest.mark.slow
def test_a_grant_that_reaches_too_far_is_a_surprise(granted: Team) -> None:
    with granted.operator() as operator:
        apply(operator, granted.setup)
        policy = granted.ask("GET", "sys/policies/acl/strongroom-runtime").json()["data"]["policy"]
        wider = policy + '\npath "secret/data/team-a/+" { capabilities = ["read"] }\n'
        granted.ask("PUT", "sys/policies/acl/strongroom-runtime", {"policy": wider})
        tried = verify(operator, Mounts(), granted.key, clock=time.time, grants=granted.setup.grants)
    assert {(cell.role, cell.door) for cell in failures(tried)} == {("runtime", "secret/data/team-a/zendesk")}
