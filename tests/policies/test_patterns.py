"""What a change of a policy newly grants, over patterns and parameters."""

from __future__ import annotations

import pytest

from app.policies.patterns import covers, new_grants


@pytest.mark.parametrize(
    ("wide", "narrow", "told"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/b", "a/+", False),
        ("a/+", "a/b/c", False),
        ("a/*", "a/b/c", True),
        ("a/*", "a/b*", True),
        ("a/b*", "a/*", False),
        ("a/b", "a/b*", False),
        ("+/b*", "x/bc", True),
        ("*", "a/+", True),
        ("a/+/+", "a/b/+", True),
        ("a/b/+", "a/+/+", False),
    ],
)
def test_one_pattern_covers_another(wide: str, narrow: str, told: bool) -> None:
    assert covers(wide, narrow) is told


def rule(path: str, capabilities: str, more: str = "") -> str:
    return f'path "{path}" {{\n capabilities = {capabilities}\n{more}}}\n'


@pytest.mark.parametrize(
    ("text", "before", "found"),
    [
        (rule("a/b", '["read"]'), None, [("r", "a/b", "read")]),
        (rule("a/b", '["read"]'), rule("a/+", '["read", "list"]'), []),
        (rule("a/+", '["read"]'), rule("a/b", '["read"]'), [("r", "a/+", "read")]),
        (rule("a/b", '["read", "update"]'), rule("a/b", '["read"]'), [("r", "a/b", "update")]),
        (rule("a/b", '["read"]'), rule("a/b", '["deny"]') + rule("a/+", '["read"]'), [("r", "a/b", "read")]),
        (rule("a/b", '["deny"]'), None, []),
        (rule("a/b", '["read"]'), "no policy at all", [("r", "a/b", "read")]),
        (
            rule("a/b", '["update"]', 'allowed_parameters = { "x" = [] }\n'),
            rule("a/b", '["update"]', 'allowed_parameters = { "x" = ["1"] }\n'),
            [("r", "a/b", "update")],
        ),
        (
            rule("a/b", '["update"]', 'allowed_parameters = { "x" = ["1"] }\n'),
            rule("a/b", '["update"]'),
            [],
        ),
        (
            rule("a/b", '["update"]'),
            rule("a/b", '["update"]', 'required_parameters = ["x"]\n'),
            [("r", "a/b", "update")],
        ),
    ],
)
def test_only_what_is_new_is_told(text: str, before: str | None, found: list[tuple[str, str, str]]) -> None:
    assert list(new_grants("r", text, before)) == found
