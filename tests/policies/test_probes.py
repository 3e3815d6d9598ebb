"""What `vault verify` tries: every verb at every door, in workspaces that nobody can have."""

from __future__ import annotations

from app.policies.probes import (
    ANY_FOLDER,
    DOORS,
    LOGIN_ROLES,
    OTHER,
    OURS,
    Probe,
    Scratch,
    bypass_probes,
    key_deletion_probes,
    old_version_probes,
    signing_probes,
    table_probes,
)
from app.policies.table import TABLE
from app.vault import VISIBILITIES
from app.vault.options import Mounts
from app.vault.paths import WORKSPACE

MOUNTS = Mounts(kv="kv-here", transit="transit-here", jwt="jwt-here")
SCRATCH = Scratch(
    {f"{name}.{each}": f"vault:v1:{name}{each}" for name in (OURS, OTHER) for each in VISIBILITIES},
    "sig",
    "wrapped",
)


def everything() -> list[Probe]:
    found = [each for role in LOGIN_ROLES for each in table_probes(MOUNTS, role, SCRATCH)]
    found += [each for role in LOGIN_ROLES for each in signing_probes(MOUNTS, role, SCRATCH)]
    return [*found, *key_deletion_probes(MOUNTS), *old_version_probes(MOUNTS), *bypass_probes(MOUNTS, SCRATCH)]


def test_the_scratch_workspaces_are_none_that_anybody_can_have() -> None:
    assert not WORKSPACE.fullmatch(OURS)
    assert not WORKSPACE.fullmatch(OTHER)


def test_no_request_holds_a_placeholder_or_a_wildcard() -> None:
    for each in everything():
        assert not set("@{}+*") & set(each.path), each


def test_every_door_of_the_table_is_tried_with_every_verb_it_grants() -> None:
    tried = {(each.door, each.verb) for each in everything()}
    granted = {(door, verb) for role in LOGIN_ROLES for door, verbs in TABLE[role].items() for verb in verbs}
    # A POST to a key is one request for both: Vault looks whether the key is there, and calls it an update then.
    made_anew = {(door, "create") for door in DOORS if "/keys/" in door and door.endswith(VISIBILITIES)}
    # The pipeline's one block is tried through the doors of each folder; what lies in _record is created at most.
    elsewhere = {(ANY_FOLDER, "read"), ("@@KV@@/data/_record/+", "update")}
    # Reading a signing key and importing one are requests of their own.
    assert granted - made_anew - elsewhere <= tried | {(f"{door.partition('*')[0]}*", verb) for door, verb in tried}
    assert {(door, "update") for door, _ in made_anew} <= tried
    assert {door for door, _ in granted if "*" not in door and door != ANY_FOLDER} == set(DOORS)


def test_what_is_deleted_is_tried_last() -> None:
    doors = [each.door for each in table_probes(MOUNTS, "owner", SCRATCH)]
    first = next(number for number, door in enumerate(doors) if "/metadata/" in door)
    assert all("/metadata/" in door for door in doors[first:])
    assert LOGIN_ROLES[-1] == "owner"


def test_each_role_has_entries_of_its_own() -> None:
    paths = {
        role: {each.path for each in table_probes(MOUNTS, role, SCRATCH) if "/data/" in each.path}
        for role in LOGIN_ROLES
    }
    for role, own in paths.items():
        for other in LOGIN_ROLES:
            assert other == role or not {path for path in own if path.endswith(f"/{role}")} & paths[other]


def test_the_other_workspace_is_tried_through_side_doors_alone() -> None:
    mains = [each for role in LOGIN_ROLES for each in table_probes(MOUNTS, role, SCRATCH)]
    assert not [each for each in mains if OTHER in each.path]
    assert {each.method for each in bypass_probes(MOUNTS, SCRATCH) if OTHER in each.path} == {
        "GET",
        "LIST",
        "POST",
        "DELETE",
    }
