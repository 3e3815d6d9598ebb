"""Plan and apply against a real Vault, under ``operator.hcl`` and never under root."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from app.kernel.errors import VaultRefused
from app.policies.hcl import InvalidPolicyFile
from app.policies.plan import PREFIX, login_role, plan, wanted_things
from app.policies.service import ChangeNotKept, PlanRefused, apply, find_changes, read_accessor
from app.policies.table import WORKSPACE
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server
from tests.policies.conftest import Team, command
from tests.support.hashicorp_shape import HashicorpShape
from tests.support.openbao import OpenBao
from tests.support.vault_proxy import vault_proxy


def applied(team: Team) -> None:
    with team.operator() as operator:
        apply(operator, team.setup)


def test_apply_makes_everything_and_twice_does_nothing_more(team: Team) -> None:
    with team.operator() as operator:
        with pytest.raises(InvalidPolicyFile, match="login mount isn't there yet"):
            read_accessor(operator, team.setup)
        seen = find_changes(operator, team.setup)
        assert {change.action for change in seen.changes} == {"create"}
        done = apply(operator, team.setup)
        assert [(change.kind, change.name) for change in done] == [
            (change.kind, change.name) for change in seen.changes
        ]
        assert find_changes(operator, team.setup).in_order
        assert apply(operator, team.setup) == ()


def test_the_operator_s_policy_is_the_least(team: Team) -> None:
    applied(team)
    with team.operator() as operator:
        for path in ("strongroom/data/acme/masked/X", "sys/policies/acl/default", "auth/token/accessors"):
            with pytest.raises(VaultRefused):
                operator.read(path)
        with pytest.raises(VaultRefused):
            operator.write("sys/policies/acl/theirs", {"policy": ""})
        with pytest.raises(VaultRefused):
            operator.write("strongroom-transit/keys/acme.masked", {"type": "aes256-gcm96"})


DRIFT: list[tuple[str, str, Any, str]] = [
    ("PUT", "sys/policies/acl/strongroom-admin", {"policy": '# gone\n'}, "policy strongroom-admin"),
    ("DELETE", "sys/policies/acl/strongroom-mover", None, "policy strongroom-mover"),
    ("POST", "auth/strongroom/role/owner", {**login_role("owner"), "token_max_ttl": 3600}, "role owner"),
    ("POST", "auth/strongroom/role/editor", {**login_role("editor"), "bound_claims": {"x": "y"}}, "role editor"),
    ("POST", "auth/strongroom/role/editor", {**login_role("editor"), "token_no_default_policy": False}, "role editor"),
    ("POST", "auth/strongroom/role/record", {**login_role("record"), "token_policies": ["a", "b"]}, "role record"),
    ("DELETE", "auth/strongroom/role/runtime", None, "role runtime"),
    ("POST", "sys/mounts/strongroom/tune", {"audit_non_hmac_response_keys": ["value"]}, "engine mount strongroom"),
    ("POST", "sys/mounts/strongroom/tune", {"default_lease_ttl": "1h"}, "engine mount strongroom"),
    ("POST", "sys/mounts/strongroom-transit/tune", {"description": "?"}, "engine mount strongroom-transit"),
    ("POST", "sys/auth/strongroom/tune", {"listing_visibility": "unauth"}, "login mount strongroom"),
    ("POST", "strongroom/config", {"cas_required": False, "max_versions": 3}, "engine settings strongroom"),
    ("POST", "strongroom/config", {"delete_version_after": "1h"}, "engine settings strongroom"),
    ("POST", "strongroom/config", {"metadata_cas_required": True}, "engine settings strongroom"),
    ("POST", "auth/strongroom/role/owner", {**login_role("owner"), "expiration_leeway": 3600}, "role owner"),
    ("POST", "auth/strongroom/role/owner", {**login_role("owner"), "not_before_leeway": 3600}, "role owner"),
    ("POST", "auth/strongroom/role/owner", {**login_role("owner"), "verbose_oidc_logging": True}, "role owner"),
    ("POST", "auth/strongroom/config", {"jwt_validation_pubkeys": [public_key(new_signing_key())]},
     "login settings strongroom"),
]  # fmt: skip


def test_every_hand_edit_shows_with_a_diff_and_is_put_right(team: Team) -> None:
    applied(team)
    for method, path, body, thing in DRIFT:
        team.ask(method, path, body)
        with team.operator() as operator:
            (change,) = find_changes(operator, team.setup).changes
            assert f"{change.kind} {change.name}" == thing
            assert f"--- {thing} (in Vault)\n+++ {thing} (wanted)\n" in change.diff
            assert any(line.startswith("+") for line in change.diff.splitlines()[2:])
            assert apply(operator, team.setup) == (change,)
            assert find_changes(operator, team.setup).in_order, thing


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"ttl": "1h"}, "expiration"),
        ({"allow_wildcards_in_identity_templates": True}, "allow_wildcards_in_identity_templates"),
        ({"allow_slashes_in_identity_templates": True}, "allow_slashes_in_identity_templates"),
        ({"cas_required": True, "cas": 1}, "cas_required"),
    ],
)
def test_what_openbao_keeps_beside_a_policy_s_text_shows_and_is_undone(
    team: Team, beside: dict[str, Any], told: str
) -> None:
    applied(team)
    path = "sys/policies/acl/strongroom-runtime"
    text = team.ask("GET", path).json()["data"]["policy"]
    team.ask("PUT", path, {"policy": text, **beside})
    with team.operator() as operator:
        (change,) = find_changes(operator, team.setup).changes
        assert f"-# kept beside the text: {told} = " in change.diff
        assert apply(operator, team.setup) == (change,)
        assert find_changes(operator, team.setup).in_order
    assert team.ask("GET", path).json()["data"].get(told) in (None, False)


def test_what_is_not_ours_is_never_touched(team: Team) -> None:
    theirs = {"policy": 'path "other/*" { capabilities = ["read"] }'}
    team.ask("PUT", "sys/policies/acl/theirs", theirs)
    team.ask("POST", "sys/mounts/other", {"type": "kv", "options": {"version": "2"}})
    team.ask("POST", "sys/auth/other", {"type": "jwt"})
    team.ask("POST", "auth/other/role/owner", login_role("admin"))
    before = [team.ask("GET", path).json()["data"] for path in ("sys/policies/acl/theirs", "auth/other/role/owner")]
    with team.operator() as operator:
        apply(operator, team.setup, prune=True)
        assert find_changes(operator, team.setup, prune=True).in_order
    after = [team.ask("GET", path).json()["data"] for path in ("sys/policies/acl/theirs", "auth/other/role/owner")]
    assert before == after
    assert "other/" in team.ask("GET", "sys/mounts").json()["data"]


def test_what_is_ours_and_no_longer_wanted_goes_with_prune_and_only_then(team: Team) -> None:
    applied(team)
    team.ask("PUT", f"sys/policies/acl/{PREFIX}auditor", {"policy": "# of an older version\n"})
    team.ask("POST", "auth/strongroom/role/auditor", login_role("owner"))
    with team.operator() as operator:
        seen = find_changes(operator, team.setup)
        assert (seen.in_order, seen.leftovers) == (True, (("policy", f"{PREFIX}auditor"), ("role", "auditor")))
        assert apply(operator, team.setup) == ()
        pruned = apply(operator, team.setup, prune=True)
        assert [(one.action, one.kind, one.name) for one in pruned] == [
            ("delete", "policy", f"{PREFIX}auditor"),
            ("delete", "role", "auditor"),
        ]
        assert "-# of an older version" in pruned[0].diff
        assert find_changes(operator, team.setup, prune=True).in_order


def test_many_deletions_at_once_have_to_be_allowed_by_their_number(team: Team) -> None:
    applied(team)
    for number in range(6):
        team.ask("POST", f"auth/strongroom/role/r{number}", login_role("owner"))
    with team.operator() as operator:
        with pytest.raises(PlanRefused, match="would delete 6 things"):
            apply(operator, team.setup, prune=True)
        assert len(find_changes(operator, team.setup).leftovers) == 6
        assert len(apply(operator, team.setup, prune=True, prune_at_most=6)) == 6


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sys/mounts/strongroom", {"type": "kv", "options": {"version": "1"}}),
        ("sys/mounts/strongroom-transit", {"type": "kv", "options": {"version": "2"}}),
        ("sys/auth/strongroom", {"type": "userpass"}),
    ],
)
def test_a_mount_of_another_type_is_somebody_else_s_and_stops_everything(team: Team, path: str, body: Any) -> None:
    team.ask("POST", path, body)
    tables = [team.ask("GET", part).json()["data"] for part in ("sys/mounts", "sys/auth")]
    with team.operator() as operator:
        seen = find_changes(operator, team.setup)
        assert (seen.in_order, seen.strangers) == (False, (path.rpartition("/")[2],))
        with pytest.raises(PlanRefused, match="somebody else's"):
            apply(operator, team.setup)
    assert tables == [team.ask("GET", part).json()["data"] for part in ("sys/mounts", "sys/auth")]


def test_a_plan_that_is_not_the_agreed_one_is_not_carried_out(team: Team) -> None:
    with team.operator() as operator:
        agreed = find_changes(operator, team.setup)
        apply(operator, team.setup)
        team.ask("PUT", "sys/policies/acl/strongroom-admin", {"policy": "# meanwhile\n"})
        with pytest.raises(PlanRefused, match="since the plan"):
            apply(operator, team.setup, agreed=agreed)


@pytest.mark.parametrize(
    "added",
    [
        f'path "@@KV@@/data/{WORKSPACE}/restricted/+" {{ capabilities = ["read"] }}',
        'path "@@KV@@/data/acme {',
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_written(team: Team, added: str) -> None:
    files = {**team.setup.files, "runtime": team.setup.files["runtime"] + "\n" + added}
    files["editor"] += "\n" + added
    bad = dataclasses.replace(team.setup, files=files)
    with team.operator() as operator:
        for deed in (find_changes, apply):
            with pytest.raises(InvalidPolicyFile):
                deed(operator, bad)
    assert "strongroom/" not in team.ask("GET", "sys/mounts").json()["data"]
    assert "strongroom/" not in team.ask("GET", "sys/auth").json()["data"]
    assert team.ask("GET", "sys/policies/acl?list=true").json()["data"]["keys"] == ["default", "strongroom-operator"]


def test_a_key_of_the_record_that_can_be_exported_is_left_to_a_hand(team: Team) -> None:
    applied(team)
    team.ask("POST", "strongroom-transit/keys/_record/config", {"exportable": True})
    with team.operator() as operator:
        seen = find_changes(operator, team.setup)
        assert (seen.in_order, [change.name for change in seen.by_hand]) == (False, ["_record"])
        assert apply(operator, team.setup) == ()


def test_audit_devices_are_looked_at_and_a_missing_one_is_advice(bao: OpenBao, team: Team) -> None:
    with bao.operator() as root:
        seen = find_changes(root, dataclasses.replace(team.setup, namespaced=False))
    assert "audit" not in {change.kind for change in seen.by_hand}
    things = wanted_things(mounts=Mounts(), public_keys=[], policies={})
    without = plan(things, {(thing.kind, thing.name): thing.body for thing in things if thing.kind != "audit"})
    assert without.in_order
    assert "+at least one audit device" in without.by_hand[0].diff


@pytest.mark.slow
def test_what_vault_was_told_and_did_not_take_is_named(team: Team) -> None:
    """HashiCorp Vault before 1.21 can't take a mount's response headers back, and answers that it did."""
    applied(team)
    team.ask("POST", "sys/mounts/strongroom/tune", {"allowed_response_headers": ["X-Canary"]})
    shape = HashicorpShape(lagging=False, before_1_21=True)
    with vault_proxy(team.bao.address, shape=shape, cacert=str(team.bao.cacert)) as proxy:
        through = VaultOperator(Server(proxy.address, namespace=team.namespace, read_timeout=30.0), team.token)
        with (
            through as operator,
            pytest.raises(ChangeNotKept, match="engine mount strongroom; all else was done") as caught,
        ):
            apply(operator, team.setup)
        assert "allowed_response_headers" in caught.value.detail
        done = command(team, "vault", "apply", "--yes", environ={"VAULT_ADDR": proxy.address})
        assert (done.returncode, "didn't make them: engine mount strongroom" in done.stderr) == (1, True)
    with team.operator() as operator:
        (change,) = apply(operator, team.setup)
        assert "X-Canary" in change.diff
        assert find_changes(operator, team.setup).in_order


@pytest.mark.slow
def test_an_older_server_is_a_warning_of_the_plan(team: Team) -> None:
    shape = HashicorpShape(lagging=False, version="2.0.3")
    with vault_proxy(team.bao.address, shape=shape, cacert=str(team.bao.cacert)) as proxy:
        done = command(team, "vault", "plan", environ={"VAULT_ADDR": proxy.address})
        assert "Warning: HashiCorp Vault 2.0.3 is older than we work with" in done.stdout
    assert "Warning" not in command(team, "vault", "plan").stdout
