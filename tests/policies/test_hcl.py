"""What a policy file may say, and every way in which it says too much."""

from __future__ import annotations

import pytest

from app.policies.hcl import InvalidPolicyFile, PathRule, parse

WHOLE = """\
# a comment
path "kv/data/{{identity.entity.aliases.x.metadata.workspace}}/+" {  // another
  capabilities = ["read", "list",]
}
path "transit/keys/a" {
  capabilities = ["update"]
  allowed_parameters = {
    "Type" = ["aes256-gcm96", "ed25519"]
    input = [],
  }
  required_parameters = ["type"]
}
path "a\\"b\\\\c" { capabilities = [] }
"""


def test_path_blocks_are_read_one_after_the_other() -> None:
    assert parse("owner", WHOLE) == [
        PathRule("kv/data/{{identity.entity.aliases.x.metadata.workspace}}/+", frozenset({"read", "list"})),
        PathRule(
            "transit/keys/a",
            frozenset({"update"}),
            {"type": frozenset({"aes256-gcm96", "ed25519"}), "input": frozenset()},
            frozenset({"type"}),
        ),
        PathRule('a"b\\c', frozenset()),
    ]
    assert parse("owner", "") == []


def block(inside: str, path: str = "a") -> str:
    return f'path "{path}" {{ {inside} }}\n'


READ = 'capabilities = ["read"]'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (block(f"{READ}\n{READ}"), "capabilities stands twice. OpenBao would grant what both say."),
        (block('capabilities = ["read", "read"]'), "a word stands twice in a list"),
        (block('capabilities = ["reed"]'), "must be a list of words that Vault knows"),
        (block(""), "must be a list of words that Vault knows"),
        (block("required_parameters = []"), "must be a list of words that Vault knows"),
        (block(f'{READ}\npolicy = "write"'), "policy can't stand in a policy here"),
        (block(f"{READ}\nmin_wrapping_ttl = 5"), "min_wrapping_ttl can't stand in a policy here"),
        (block(f"{READ}\ndenied_parameters = {{}}"), "denied_parameters can't stand in a policy here"),
        (block(f"{READ}\nallowed_parameters = {{ a = [] \n A = [] }}"), "the parameter a stands twice"),
        (block(f"{READ}\nallowed_parameters = {{ a = [1, 1] }}"), "a word stands twice in a list"),
        (block(READ) + block(READ), 'has path "a" twice'),
        (block(READ) + block(READ, "/a"), 'has path "/a" twice'),
        ('name = "x"', "path expected"),
        ('"path" "a" {}', "path expected"),
        ("path a {}", "line 1: text expected"),
        ('path "a"', "the end: { expected"),
        (f'path "a" {{\n {READ}\n', "the end: word expected"),
        ('path "a" {\n capabilities = "read"\n}', "line 2: [ expected"),
        ('path "a" {\n capabilities = ["read" "list"]\n}', "line 2: ] expected"),
        ('path "a" {\n capabilities = ["read"\n', "the end: ] expected"),
        ('path "a" {\n capabilities : ["read"]\n}', "line 2: not understood"),
        ('\n\npath "a\n" {}', "line 3: not understood"),
        ('path "a\\n" {}', "line 1: not understood"),
        ("/* path */", "line 1: not understood"),
        (block(f"{READ}\nallowed_parameters = [] "), "{ expected"),
    ],
)
def test_whatever_else_a_file_says_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InvalidPolicyFile) as caught:
        parse("owner", text)
    assert words in str(caught.value)
    assert str(caught.value).startswith("owner.hcl")
