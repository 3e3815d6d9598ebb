"""The file of the operators' grants: what it may say, and what policies come of it."""

from __future__ import annotations

from typing import Any

import pytest

from app.policies.grants import InvalidGrantsFile, grant_policies, parse_grants
from app.vault.options import Mounts

GOOD = """
[[grant]]
workspace = "acme"
path = "secret/team-a/zendesk"
fields = ["token"]
hosts = ["*.zendesk.com"]
"""


def with_line(name: str, line: str) -> str:
    return "\n".join(line if each.startswith(f"{name} =") else each for each in GOOD.splitlines())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[grant]", "TOML: "),
        ("[[grants]]", "nothing else: grants"),
        ("grant = 1", "nothing else"),
        ("grant = [1]", "isn't a table"),
        (GOOD + 'owner = "me"', "unknown key: owner"),
        (with_line("fields", ""), "lacks fields"),
        (GOOD + GOOD, "path secret/team-a/zendesk twice"),
        (with_line("workspace", 'workspace = "Acme*"'), "must be a workspace's name"),
        (with_line("fields", "fields = []"), "fields must be a list"),
        (with_line("hosts", "hosts = []"), "hosts must be a list"),
        (with_line("hosts", 'hosts = ["*"]'), "hosts:"),
        (with_line("hosts", 'hosts = ["*.com"]'), "hosts:"),
        (with_line("hosts", 'hosts = ["https://x.example.com"]'), "hosts:"),
        *(
            (with_line("path", f'path = "{path}"'), "must be a mount and a path")
            for path in (
                "secret",
                "secret/+",
                "secret/a*",
                "secret/{{x}}",
                "secret/../x",
                "secret//x",
                "/secret/x",
                "secret/x/",
                "secret/$x",
            )
        ),
        *(
            (with_line("path", f'path = "{path}/x"'), "can be granted")
            for path in ("sys", "auth", "identity", "cubbyhole")
        ),
        (with_line("path", 'path = "strongroom/data/acme/masked/X"'), "Strongroom's own"),
        (with_line("path", 'path = "strongroom-transit/keys/x"'), "Strongroom's own"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_entry(text: str, told: str) -> None:
    with pytest.raises(InvalidGrantsFile, match=told.replace("+", r"\+")):
        parse_grants(text, mounts=Mounts())


def test_the_policy_names_the_path_as_its_engine_has_it_and_both_forms_where_there_is_none() -> None:
    grants = parse_grants(GOOD, mounts=Mounts())
    versions = {"1": "secret/team-a/zendesk", "2": "secret/data/team-a/zendesk"}
    for version, path in versions.items():
        engines: dict[str, dict[str, Any]] = {
            "secret/": {"type": "kv", "options": {"version": version}},
            "sec/": {"type": "ssh"},
        }
        made = grant_policies(grants, engines, known=frozenset({"acme"}))
        assert f'path "{path}" {{' in made.texts["acme"]
        assert made.texts["acme"].count("path ") == 2
        assert made.warnings == ()
    waiting = grant_policies(grants, {}, known=frozenset())
    assert all(f'path "{path}" {{' in waiting.texts["acme"] for path in versions.values())
    assert [warning.split()[0] for warning in waiting.warnings] == ["The", "There"]
    with pytest.raises(InvalidGrantsFile, match="isn't KV"):
        grant_policies(grants, {"secret/": {"type": "transit"}})
