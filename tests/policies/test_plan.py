"""What differs between what Vault should hold and what it holds, computed and not asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policies.plan import (
    AUDITED,
    ENGINE_SETTINGS,
    ORDER,
    RECORD_KEY_FACTS,
    TUNING,
    Body,
    Identity,
    Kind,
    Thing,
    is_grant,
    login_role,
    login_settings,
    plan,
    vault_path,
    wanted_things,
)
from app.policies.table import ROLES
from app.vault.options import Mounts
from app.vault.roles import SERVICE

MOUNT = Thing("engine mount", "kv", {"type": "kv", "options": {"version": "2"}, "config": {"max_lease_ttl": 0}})
POLICY = Thing("policy", "strongroom-editor", 'path "a" { capabilities = ["read"] }\n')
ROLE = Thing("role", "editor", {"token_ttl": 300, "bound_audiences": ["vault"], "bound_subject": ""})
KEY = Thing("key", "_record", {"type": "ed25519", "exportable": False})
AUDIT = Thing("audit", "any", "at least one\n")
THINGS = (ROLE, POLICY, MOUNT, KEY, AUDIT)


def live(*things: Thing) -> dict[Identity, Body]:
    return {(thing.kind, thing.name): thing.body for thing in things}


def test_what_is_as_it_should_be_needs_nothing() -> None:
    found = plan(THINGS, live(*THINGS))
    assert (found.changes, found.by_hand, found.leftovers) == ((), (), ())
    assert found.in_order


def test_what_is_missing_is_made_in_the_order_of_what_stands_on_what() -> None:
    found = plan(THINGS, {})
    assert [(change.kind, change.action) for change in found.changes] == [
        ("engine mount", "create"), ("key", "create"), ("policy", "create"), ("role", "create"),
    ]  # fmt: skip
    assert [(change.kind, change.action) for change in found.by_hand] == [("audit", "by hand")]
    assert [ORDER.index(change.kind) for change in found.changes] == sorted(
        ORDER.index(change.kind) for change in found.changes
    )


def test_a_missing_audit_device_alone_is_advice() -> None:
    found = plan(THINGS, live(ROLE, POLICY, MOUNT, KEY))
    assert found.in_order
    assert [change.kind for change in found.by_hand] == ["audit"]


def test_what_differs_is_shown_as_a_diff_from_vault_to_wanted() -> None:
    found = plan([POLICY], live(replace(POLICY, body='path "b" { capabilities = ["read"] }\n')))
    (change,) = found.changes
    assert change.action == "update"
    assert '-path "b" { capabilities = ["read"] }\n+path "a" { capabilities = ["read"] }\n' in change.diff
    assert change.diff.startswith("--- policy strongroom-editor (in Vault)\n+++ policy strongroom-editor (wanted)\n")


@pytest.mark.parametrize(
    ("thing", "body"),
    [
        (POLICY, '\n  path "a" { capabilities = ["read"] }  \n\n'),  # blanks around a policy
        (ROLE, {"token_ttl": 300, "bound_audiences": [" vault\n"], "bound_subject": None, "more": "theirs"}),
        (MOUNT, {"type": "kv", "options": {"version": "2", "other": "x"}, "config": {"max_lease_ttl": 0, "more": 1}}),
        (Thing("role", "r", {"policies": ["a", "b"]}), {"policies": ["b", "a"]}),
        (Thing("role", "r", {"flag": False, "listing": "hidden"}), {"listing": ""}),
    ],
)
def test_what_vault_writes_otherwise_or_somebody_else_set_is_no_difference(thing: Thing, body: Any) -> None:
    assert plan([thing], {(thing.kind, thing.name): body}).in_order


@pytest.mark.parametrize(
    ("thing", "body"),
    [
        (KEY, {"type": "ed25519", "exportable": True}),
        (MOUNT, {"type": "pki", "options": {"version": "2"}, "config": {"max_lease_ttl": 0}}),
        (MOUNT, {"type": "kv", "options": {"version": "1"}, "config": {"max_lease_ttl": 0}}),
    ],
)
def test_what_was_fixed_when_it_was_made_is_left_to_a_person(thing: Thing, body: Any) -> None:
    found = plan([thing], {(thing.kind, thing.name): body})
    assert not found.in_order
    assert found.changes == ()
    assert [change.name for change in found.by_hand] == [thing.name]
    assert found.strangers == ((thing.name,) if thing.kind == "engine mount" else ())


def test_how_a_mount_is_tuned_can_be_mended() -> None:
    found = plan([MOUNT], live(replace(MOUNT, body={**MOUNT.body, "config": {"max_lease_ttl": 60}})))  # type: ignore[dict-item]
    assert [change.action for change in found.changes] == ["update"]


def test_what_is_ours_and_not_wanted_goes_only_when_asked_to() -> None:
    old = Thing("policy", "strongroom-old", "x")
    kept = plan([POLICY], live(POLICY, old))
    assert (kept.changes, kept.leftovers) == ((), (("policy", "strongroom-old"),))
    pruned = plan([POLICY], live(POLICY, old), prune=True)
    assert [(change.name, change.action) for change in pruned.changes] == [("strongroom-old", "delete")]
    assert pruned.leftovers == ()


@given(st.permutations(THINGS), st.lists(st.sampled_from(THINGS)))
def test_carrying_it_out_leaves_nothing_to_do_in_whatever_order_it_is_told(
    order: list[Thing], there: list[Thing]
) -> None:
    holds = live(*there)
    found = plan(order, holds)
    assert found == plan(THINGS, holds)
    wanted = live(*THINGS)
    for change in (*found.changes, *found.by_hand):
        holds[change.kind, change.name] = wanted[change.kind, change.name]
    assert plan(order, holds).in_order


# --- what is wanted ---------------------------------------------------------------------------------------------------

MOUNTS = Mounts(kv="kv-here", transit="transit-here", jwt="jwt-here")


def test_a_role_takes_logins_of_its_own_name_for_five_minutes_and_nothing_by_default() -> None:
    assert login_role("editor") == {
        "role_type": "jwt",
        "user_claim": "workspace",
        "claim_mappings": {"workspace": "workspace"},
        "bound_audiences": ["vault"],
        "bound_claims_type": "string",
        "bound_claims": {"role": "editor"},
        "bound_subject": "",
        "groups_claim": "",
        "clock_skew_leeway": 30,
        "token_policies": ["strongroom-editor"],
        "token_no_default_policy": True,
        "token_type": "batch",
        "token_ttl": 300,
        "token_max_ttl": 300,
        "token_explicit_max_ttl": 0,
        "token_period": 0,
        "token_num_uses": 0,
        # what a stranger could have set besides, and what would let more in or tell more
        "expiration_leeway": 0,
        "not_before_leeway": 0,
        "user_claim_json_pointer": False,
        "verbose_oidc_logging": False,
    }
    assert login_role("record")["bound_claims"] == {"role": "record", "workspace": SERVICE}


def test_nobody_elses_keys_count_for_a_login() -> None:
    assert login_settings([" B\n", "A"]) == {
        "jwt_validation_pubkeys": ["A", "B"],
        "jwt_supported_algs": ["ES256"],
        "oidc_discovery_url": "",
        "jwks_url": "",
        "bound_issuer": "",
        "default_role": "",
    }


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("login mount", "sys/auth/x"),
        ("engine mount", "sys/mounts/x"),
        ("engine settings", "x/config"),
        ("key", "transit-here/keys/x"),
        ("login settings", "auth/x/config"),
        ("policy", "sys/policies/acl/x"),
        ("role", "auth/jwt-here/role/x"),
        ("audit", "sys/audit"),
    ],
)
def test_each_kind_of_thing_has_its_path(kind: Kind, path: str) -> None:
    assert vault_path(kind, "x", mounts=MOUNTS) == path


def test_everything_that_vault_should_hold_is_listed_and_nothing_else() -> None:
    texts = {role: f"text of {role}" for role in ROLES}
    things = wanted_things(
        mounts=Mounts(kv="kv-here", transit="transit-here", jwt="jwt-here"),
        public_keys=["a key"],
        policies=texts,
        grants={"acme": "text of acme's", "beta": "text of beta's"},
    )
    found = {(thing.kind, thing.name): thing.body for thing in things}
    assert len(found) == len(things)
    login = found.pop(("login mount", "jwt-here"))
    values = found.pop(("engine mount", "kv-here"))
    keys = found.pop(("engine mount", "transit-here"))
    for mount, facts in (
        (login, {"type": "jwt", "description": "Strongroom: logins"}),
        (values, {"type": "kv", "description": "Strongroom: values", "options": {"version": "2"}}),
        (keys, {"type": "transit", "description": "Strongroom: keys"}),
    ):
        assert isinstance(mount, dict)
        token_type = {"token_type": "default-service"} if mount is login else {}
        assert mount == facts | {"config": {**TUNING, **token_type}}
    assert found.pop(("engine settings", "kv-here")) == ENGINE_SETTINGS
    assert found.pop(("key", "_record")) == RECORD_KEY_FACTS
    assert found.pop(("login settings", "jwt-here")) == login_settings(["a key"])
    assert found.pop(("audit", "any")) == AUDITED
    roles = {name: body for (kind, name), body in found.items() if kind == "role"}
    assert roles == {role: login_role(role) for role in ROLES if role != "operator"} | {
        f"grant-{one}": login_role(f"grant-{one}", workspace=one) for one in ("acme", "beta")
    }
    policies = {name: body for (kind, name), body in found.items() if kind == "policy"}
    assert policies == {f"strongroom-{role}": text for role, text in texts.items()} | {
        "strongroom-grant-acme": "text of acme's", "strongroom-grant-beta": "text of beta's",
    }  # fmt: skip
    assert len(roles) + len(policies) == len(found)
    assert [thing.kind for thing in things] == sorted((thing.kind for thing in things), key=ORDER.index)


def test_a_role_without_a_policy_is_left_out_and_so_is_an_audit_device_that_cannot_be_seen() -> None:
    things = wanted_things(mounts=Mounts(), public_keys=[], policies={"editor": "text"}, audited=False)
    assert [thing.name for thing in things if thing.kind in ("policy", "role")] == ["strongroom-editor", "editor"]
    assert not [thing for thing in things if thing.kind == "audit"]


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("policy", "strongroom-grant-acme", True),
        ("policy", "strongroom-editor", False),
        ("policy", "grant-acme", False),
        ("role", "grant-acme", True),
        ("role", "editor", False),
        ("role", "strongroom-grant-acme", False),
        ("engine mount", "grant-acme", False),
        ("key", "strongroom-grant-acme", False),
    ],
)
def test_what_is_of_a_grant_is_told_by_its_name(kind: Kind, name: str, wanted: bool) -> None:
    assert is_grant(kind, name) is wanted


def test_what_a_policy_grants_already_is_not_granted_newly() -> None:
    more = replace(POLICY, body='path "a" { capabilities = ["list", "read"] }\n')
    assert plan([POLICY], {}).new_grants == (("editor", "a", "read"),)
    assert plan([more], live(POLICY)).new_grants == (("editor", "a", "list"),)
    assert plan([POLICY], live(more)).new_grants == ()


def test_a_policy_in_the_place_of_which_vault_holds_something_else_grants_all_of_it() -> None:
    assert plan([POLICY], {("policy", POLICY.name): {"odd": True}}).new_grants == (("editor", "a", "read"),)
