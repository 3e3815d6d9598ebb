"""The threat model's list of attacks and the folder that holds them agree."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_attack_is_listed_with_what_it_shows_and_every_listed_one_is_there() -> None:
    gallery = (ROOT / "docs/threat-model.md").read_text().partition("## The gallery")[2]
    listed = re.findall(r"^\| `(test_\w+\.py)` \| (.{20,}) \|$", gallery, re.MULTILINE)
    files = {path.name for path in (ROOT / "tests/attacks").glob("test_*.py")}
    assert {name for name, _ in listed} == files
    assert len(listed) == len(files)


def test_what_is_not_defended_stands_there_by_name() -> None:
    undefended = (ROOT / "docs/threat-model.md").read_text().partition("## What is not defended")[2]
    for path in (ROOT / "tests/attacks").glob("test_*.py"):
        if "mark.xfail" in path.read_text():
            assert f"`{path.name}`" in undefended.partition("## The gallery")[0]
            assert "strict=True" in path.read_text()
