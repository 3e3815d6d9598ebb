"""What each role may do at most: what has to hold of the table as a whole, whatever its rows say."""

from __future__ import annotations

import pytest

from app.policies.table import PARAMETERS, ROLES, TABLE, WORKSPACE
from app.vault import KEY_TYPE, SIGNING_KEY_TYPES

OF_PEOPLE = ("owner", "admin", "editor")
OF_WORKSPACES = (*OF_PEOPLE, "runtime", "decrypt", "sign", "renew", "mover")


def who_may(capability: str, start: str, part: str = "") -> set[str]:
    return {
        role
        for role, row in TABLE.items()
        for path, capabilities in row.items()
        if path.startswith(start) and part in path and capability in capabilities
    }


def test_each_role_has_a_row() -> None:
    assert sorted(TABLE) == sorted(ROLES)
    assert all(TABLE.values())


@pytest.mark.parametrize("role", OF_WORKSPACES)
def test_a_role_of_a_workspace_reaches_its_own_alone(role: str) -> None:
    assert [path for path in TABLE[role] if WORKSPACE not in path and path != "@@TRANSIT@@/wrapping_key"] == []


def test_what_is_restricted_is_read_by_the_pipeline_and_the_mover_alone() -> None:
    kv = who_may("read", "@@KV@@/data/", "/restricted/") | who_may("read", "@@KV@@/data/", f"{WORKSPACE}/+/")
    assert kv == {"runtime", "renew", "mover"}
    assert who_may("update", "@@TRANSIT@@/decrypt/", ".restricted") == {"decrypt", "mover"}


def test_an_access_token_is_read_by_those_who_renew_and_call() -> None:
    assert who_may("read", "@@KV@@/data/", "/tokens/") == {"renew"}
    assert who_may("delete", "@@KV@@/metadata/", "/tokens/") == {"owner", "admin"}


def test_a_signature_is_made_by_the_pipeline_alone() -> None:
    assert who_may("update", "@@TRANSIT@@/sign/", ".sign.") == {"sign"}
    assert who_may("update", "@@TRANSIT@@/hmac/", ".sign.") == {"sign"}
    assert who_may("update", "@@TRANSIT@@/keys/", ".sign.") == {"owner", "admin"}


def test_keys_of_values_are_made_and_removed_by_owners_alone() -> None:
    values = {
        role
        for role, row in TABLE.items()
        for path, capabilities in row.items()
        if path.startswith(f"@@TRANSIT@@/keys/{WORKSPACE}.")
        and ".sign." not in path
        and {"create", "delete"} & capabilities
    }
    assert values == {"owner"}


def test_the_record_and_the_workspaces_do_not_meet() -> None:
    assert {role for role, row in TABLE.items() if any("_record" in path for path in row)} == {
        "record",
        "health",
        "operator",
    }
    assert not any(WORKSPACE in path for role in ("record", "health", "operator") for path in TABLE[role])


def test_only_an_operator_changes_vault_itself() -> None:
    assert who_may("sudo", "") == {"operator"}
    assert {role for role, row in TABLE.items() if any(path.startswith(("sys/", "auth/")) for path in row)} == {
        "operator"
    }
    assert who_may("read", "@@KV@@/data/") & {"operator", "health"} == set()


@pytest.mark.parametrize(
    "path", [path for role in TABLE for path in TABLE[role] if path.endswith("*") and "sign" in path]
)
def test_where_a_path_ends_in_a_star_the_parameters_bound_it(path: str) -> None:
    bounds = PARAMETERS[path]
    assert bounds.allowed
    assert not {"exportable", "allow_plaintext_backup", "allow_rotation"} & set(bounds.allowed)
    assert bounds.required <= set(bounds.allowed)


def test_a_key_is_of_the_type_that_the_service_uses() -> None:
    for visibility in ("masked", "restricted"):
        assert PARAMETERS[f"@@TRANSIT@@/keys/{WORKSPACE}.{visibility}"].allowed == {"type": {KEY_TYPE}}
    assert PARAMETERS[f"@@TRANSIT@@/keys/{WORKSPACE}.sign.*"].allowed["type"] == set(SIGNING_KEY_TYPES)


def test_a_signature_is_always_over_a_hash_of_the_whole_input() -> None:
    bounds = PARAMETERS[f"@@TRANSIT@@/sign/{WORKSPACE}.sign.*"]
    assert bounds.required == set(bounds.allowed)
    assert "prehashed" not in bounds.allowed
    assert bounds.allowed["hash_algorithm"] == {"sha2-256"}
