"""docs/settings.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from app.settings import describe

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_lists_every_setting_as_the_code_has_it() -> None:
    rows = [f"| `{each.variable}` | {each.meaning} | {each.default} |" for each in describe()]
    listed = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert listed == rows
