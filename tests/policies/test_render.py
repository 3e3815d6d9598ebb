"""The policy files, and what is refused before Vault hears of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from app.policies.hcl import InvalidPolicyFile, parse
from app.policies.render import check, render
from app.policies.service import Setup, export, read_files
from app.policies.table import ROLES, TABLE, WORKSPACE
from app.vault.options import Mounts

POLICIES = Path(__file__).parents[2] / "vault-policies"
FILES = read_files(POLICIES)
PIPELINE = ("runtime", "decrypt", "sign", "renew")
RESTRICTED = f'path "@@KV@@/data/{WORKSPACE}/restricted/+" {{\n  capabilities = ["read"]\n}}\n'


@pytest.mark.parametrize("role", ROLES)
def test_a_file_grants_exactly_its_row_of_the_table(role: str) -> None:
    check(role, FILES[role])
    granted = {rule.path: rule.capabilities for rule in parse(role, FILES[role])}
    assert granted == dict(TABLE[role])


@pytest.mark.parametrize("role", ["owner", "admin", "editor"])
def test_no_row_of_a_person_reads_or_decrypts_what_is_restricted(role: str) -> None:
    for path, capabilities in TABLE[role].items():
        if "restricted" in path:
            assert "/decrypt/" not in path
            assert "read" not in capabilities or "/data/" not in path


@pytest.mark.parametrize("role", ["owner", "admin", "editor"])
def test_a_restricted_read_is_refused_by_name(role: str) -> None:
    other = "\n".join(block for block in FILES[role].split("\n\n") if "/data/" not in block or "masked" in block)
    with pytest.raises(InvalidPolicyFile) as caught:
        check(role, other + "\n" + RESTRICTED)
    assert str(caught.value).startswith(f"{role}.hcl grants more than the table: read on ")


@pytest.mark.parametrize(
    "text",
    [
        'path "@@KV@@/data/*" { capabilities = ["read"] }',
        'path "*" { capabilities = ["sudo"] }',
        f'path "@@KV@@/data/{WORKSPACE}/+/+" {{ capabilities = ["read"] }}',
        f'path "@@KV@@/data/{WORKSPACE}/masked/*" {{ capabilities = ["read"] }}',
        f'path "@@KV@@/subkeys/{WORKSPACE}/masked/+" {{ capabilities = ["read"] }}',
        'path "@@KV@@/data/acme/masked/+" { capabilities = ["read"] }',
        'path "auth/token/create" { capabilities = ["update"] }',
        f'path "@@TRANSIT@@/decrypt/{WORKSPACE}.masked" {{ capabilities = ["update", "create"] }}',
    ],
)
def test_a_wider_path_or_verb_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicyFile, match="grants more than the table"):
        check("editor", text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('path "x" {\n  capabilities = ["read"\n', "the end"),
        ('path "x" {\n  capabilities = ["read"]\n}}\n', "line 3"),
        ('path "x" {\n  capabilities = [read, "all"]\n}', "words that Vault knows"),
        ('path "x" {\n  policy = "write"\n}', "policy can't stand in a policy"),
        ('name = "x"', "path expected"),
        ('path "x" { capabilities = ["read"] ; }', "line 1: not understood"),
        ('path "x" {}', "capabilities must be"),
        ('path "@@KV/data" { capabilities = ["read"] }', "unknown placeholder"),
        ('path "@@SECRETS@@/data" { capabilities = ["read"] }', "unknown placeholder: @@SECRETS@@"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InvalidPolicyFile, match=told):
        check("editor", text)


def test_a_path_twice_and_a_key_without_bounds_are_refused() -> None:
    masked = f'path "@@KV@@/data/{WORKSPACE}/masked/+" {{ capabilities = ["read"] }}\n'
    with pytest.raises(InvalidPolicyFile, match="twice"):
        check("editor", masked * 2)
    key = f'path "@@TRANSIT@@/keys/{WORKSPACE}.masked" {{ capabilities = ["update"] }}\n'
    with pytest.raises(InvalidPolicyFile, match="bound the parameters"):
        check("owner", key)
    exportable = key.replace(" }", ' allowed_parameters = { "type" = [], "exportable" = [] } }')
    with pytest.raises(InvalidPolicyFile, match="bound the parameters"):
        check("owner", exportable)


def test_a_file_may_grant_less() -> None:
    check("admin", "# nothing at all\n")
    check("editor", FILES["editor"].replace('"read"', '"deny"'))


def test_what_is_filled_in_holds_no_placeholder_and_the_names_given() -> None:
    texts = export(Setup(Mounts("kv1", "tr1", "jwt1"), FILES, []), accessor="auth_jwt_7")
    assert set(texts) == set(ROLES)
    assert not [role for role, text in texts.items() if "@@" in text]
    assert 'path "kv1/data/{{identity.entity.aliases.auth_jwt_7.metadata.workspace}}/masked/+"' in texts["editor"]
    assert 'path "auth/jwt1/role/+"' in texts["operator"]
    assert render("record", FILES["record"], accessor="", mounts=Mounts()).count("strongroom-transit/") == 3


def test_a_folder_with_a_file_missing_or_a_stranger_is_refused(tmp_path: Path) -> None:
    for role, text in FILES.items():
        (tmp_path / f"{role}.hcl").write_text(text)
    assert read_files(tmp_path) == FILES
    (tmp_path / "guest.hcl").write_text("")
    with pytest.raises(InvalidPolicyFile, match=r"guest\.hcl"):
        read_files(tmp_path)
    (tmp_path / "guest.hcl").rename(tmp_path / "guest.txt")
    (tmp_path / "mover.hcl").unlink()
    with pytest.raises(InvalidPolicyFile, match=r"mover\.hcl"):
        read_files(tmp_path)


def test_only_what_lies_in_the_own_workspace_is_open_to_a_role_of_one() -> None:
    for role, path in itertools.chain.from_iterable(
        ((role, path) for path in TABLE[role]) for role in ("owner", "admin", "editor", *PIPELINE, "mover")
    ):
        assert WORKSPACE in path or path == "@@TRANSIT@@/wrapping_key", (role, path)


MASKED = f'path "@@KV@@/data/{WORKSPACE}/masked/+"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'{MASKED} {{\n capabilities = ["read"]\n capabilities = ["read"]\n}}', "capabilities stands twice"),
        (f'{MASKED} {{ capabilities = ["read", "read"] }}', "a word stands twice"),
        (f'{MASKED} {{ capabilities = ["read"] allowed_parameters = {{ "a" = [] "A" = [] }} }}', "parameter a stands"),
        (
            f'{MASKED} {{ capabilities = ["read"] required_parameters = [] required_parameters = [] }}',
            "required_parameters stands twice",
        ),
        (
            f'{MASKED} {{ capabilities = ["read"] denied_parameters = {{ "a" = [] }} }}',
            "denied_parameters can't stand in a policy",
        ),
        ('path "x" { capabilities = ["deny"] }\npath "/x" { capabilities = ["deny"] }', "twice"),
    ],
)
def test_what_stands_twice_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidPolicyFile, match=told):
        check("editor", text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"algorithm"   = ["sha2-256", "sha2-512", "sha1"]', '"algorithm" = []'),
        ('"algorithm"   = ["sha2-256", "sha2-512", "sha1"]', '"algorithm" = ["*"]'),
        ('"input"       = []', '"*" = []'),
        ('"input"                = []', '"input" = []\n "prehashed" = []'),
        ('required_parameters = ["input", "algorithm", "key_version"]', ""),
    ],
)
def test_a_glob_s_parameters_are_compared_values_included(old: str, new: str) -> None:
    assert old in FILES["sign"]
    with pytest.raises(InvalidPolicyFile, match=r"must (bound|require)"):
        check("sign", FILES["sign"].replace(old, new))
