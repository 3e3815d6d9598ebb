"""The documents about the house hold to the code, and point to what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from pkgutil import resolve_name
from urllib.parse import unquote

import pytest

from app.web import idempotency
from app.web.errors import STATUS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/backend.md").read_text()
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("[!.m]*/README.md"),
        *(ROOT / "app").rglob("README.md"),
    ]
)


def terms() -> list[tuple[str, str, str]]:
    text = (ROOT / "docs/glossary.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| `(.+?)` \|$", text, re.MULTILINE)
    assert len(rows) == text.count("\n| ") - 1  # the head; and no row that is written otherwise
    return rows


@pytest.mark.parametrize(("word", "where"), [(word, where) for word, _, where in terms()])
def test_a_word_of_the_glossary_stands_in_the_code(word: str, where: str) -> None:
    assert resolve_name(where) is not None, word


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    words = [word.lower() for word, _, _ in terms()]
    assert words == sorted(set(words))
    assert 25 <= len(words) <= 60
    assert all(meaning.endswith(".") for _, meaning, _ in terms())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_to_a_file_of_the_project_finds_it(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path = unquote(link.partition("#")[0])
        if path and ":" not in path:
            assert (document.parent / path).exists(), link


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()
    for document in (ROOT / "docs").glob("*.md"):
        assert document.name == "index.md" or f"]({document.name})" in index, document.name


def test_every_decision_is_listed_and_has_the_four_parts() -> None:
    listed = (ROOT / "docs/adr/README.md").read_text()
    decisions = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for decision in decisions:
        assert f"]({decision.name})" in listed
        heads = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)
        assert heads == ["Context", "Options", "Decision", "What it costs"], decision.name


def test_the_drawn_tree_has_every_room_and_no_other() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    drawn = text.partition("```\napp/\n")[2].partition("```")[0]
    rooms = re.findall(r"^  (\w+(?:/|\.py)) ", drawn, re.MULTILINE)
    folders = {f"{path.parent.name}/" for path in (ROOT / "app").glob("*/__init__.py")}
    assert sorted(rooms) == sorted(folders | {path.name for path in (ROOT / "app").glob("[!_]*.py")})
    for named in re.findall(r"`(app/[\w/]+\.py)`", text):
        assert (ROOT / named).exists(), named
    for test in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / test).exists(), test


def test_the_rooms_are_drawn_in_the_order_in_which_they_may_import() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = next(each for each in project["tool"]["importlinter"]["contracts"] if each["id"] == "rooms")
    height = {room.strip(): number for number, layer in enumerate(rooms["layers"]) for room in layer.split("|")}
    text = (ROOT / "docs/architecture.md").read_text().partition("```\napp/\n")[2].partition("```")[0]
    drawn = re.findall(r"^  (\w+)(?:/|\.py) ", text, re.MULTILINE)
    assert [height[room] for room in drawn] == sorted(height[room] for room in drawn)


@pytest.mark.parametrize(
    ("words", "where", "limit"),
    [
        ("5 seconds for a request's head", "app.cli.server:HEAD_MILLISECONDS", 5000),
        ("which has 32 KiB at most", "app.cli.server:_HEAD_BYTES", 32 * 1024),
        ("10 seconds for its body", "app.web.front:_BODY_SECONDS", 10.0),
        ("16 KiB a second at least", "app.web.front:_BYTES_PER_SECOND", 16 * 1024),
        ("64 KiB of body before", "app.web.front:_LARGEST_UNPROVEN", 64 * 1024),
        ("30 seconds without taking", "app.web.front:_STALLED_SECONDS", 30.0),
        ("8,192 connections at most", "app.cli.server:_CONNECTIONS", 8192),
        ("is idle for 5", "app.cli.server:HEAD_MILLISECONDS", 5000),
    ],
)
def test_what_the_guide_says_of_clients_is_what_the_front_does(words: str, where: str, limit: float) -> None:
    assert words in (ROOT / "docs/deployment.md").read_text().replace("\n  ", " ")
    assert resolve_name(where) == limit


def test_every_code_of_a_problem_or_of_the_record_has_its_row_in_the_guide_for_programs() -> None:
    table = GUIDE.partition("\n## Errors, and what to do about each\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| ([0-9]{3}) \| .+ \|$", table, re.MULTILINE)
    assert sorted((code, int(status)) for code, status in rows) == sorted(STATUS.items())


def test_the_guide_for_programs_names_each_code_that_leaves_a_key_taken() -> None:
    sentence = re.search(r"^- Where a deed was begun and broken off[^)]+", GUIDE, re.MULTILINE)
    assert sentence is not None
    assert all(f"`{code}`" in sentence[0] for code in idempotency._IN_DOUBT_CODES)
