"""Names in URLs that nothing can have."""

from __future__ import annotations

import pytest

from tests.support.service import Service, problem


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/blocks/a%00b"),
        ("POST", "/blocks/a%00b/run"),
        ("POST", "/secrets/a%00b/reveal"),
        ("DELETE", "/members/a%00?confirm=a"),
        ("GET", "%00/blocks"),
        ("DELETE", "/blocks/%ED%A0%80?confirm=x"),
        ("POST", f"/blocks/{'x' * 5000}/run"),
        ("GET", "/blocks/..%2F..%2Fsecrets"),
        ("GET", "//blocks"),
    ],
)
def test_a_name_that_nothing_can_have_is_not_found(service: Service, method: str, path: str) -> None:
    service.ask("POST", "/workspaces", {"name": "names"})
    answer = service.ask(method, f"/workspaces/names{path}", {})
    assert problem(answer) == (404, "not_found"), answer.text
    assert "\x00" not in service.ask("GET", "/workspaces/names/audit").json()["items"][0]["target"]["name"]
