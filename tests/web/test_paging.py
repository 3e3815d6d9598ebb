"""Cursors that nobody was given."""

from __future__ import annotations

from typing import Any

import pytest

from app.web.paging import cursor
from tests.support.actors import Workspace
from tests.support.service import Service, problem

NO_TEXT = ["\ud800", "\x00", 1, None, ["a"], {}]
NO_NUMBER = [2**63, -1, True, 1.5, "1", None, [1]]
NO_MOMENT = [
    [],
    ["2026-01-01T00:00:00Z"],
    ["2026-01-01T00:00:00Z", 1],
    ["2026-01-01T00:00:00Z", "\ud800"],
    ["2026-01-01T00:00:00Z", "a", "b"],
    ["9999-12-31T23:59:59-01:00", "a"],
    ["now", "a"],
    [1, 2],
    [["[", "["], "a"],
    "a",
]


@pytest.fixture(scope="module")
def ws_path(service: Service) -> str:
    workspace = Workspace.make(service)
    workspace.secret("KEY", "k9-4417aa02d8")
    return workspace.path


@pytest.mark.parametrize(
    ("name", "positions"),
    [
        *((name, NO_TEXT) for name in ("members", "secrets", "variables", "blocks")),
        ("audit", NO_NUMBER),
        ("secrets/KEY/versions", NO_NUMBER),
        ("tokens", NO_MOMENT),
    ],
)
def test_a_cursor_that_was_made_up_is_refused(service: Service, ws_path: str, name: str, positions: list[Any]) -> None:
    for position in positions:
        made_up = cursor(name.rpartition("/")[2], position)
        answer = service.ask("GET", f"{ws_path}/{name}?cursor={made_up}")
        assert problem(answer) == (422, "validation_failed"), position
        assert list(answer.json()["errors"]) == ["query:cursor"]
