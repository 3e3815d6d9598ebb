"""Manners of the house that no linter knows: names of functions, how much stands in one place, the drawn tree."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
APP: Final = ROOT / "app"
SOURCES: Final = {path.relative_to(APP).as_posix(): path for path in sorted(APP.rglob("*.py"))}

# Past participles that don't end in -ed. Those that are also infinitives (read, put, set, run, cut, hit, split) tell
# what a function does, and are welcome.
IRREGULAR: Final = re.compile(
    r"beaten|become|been|begun|bent|bitten|bled|blown|born|bought|bound|broken|brought|built|caught|chosen|cast|crept|"
    r"dealt|done|drawn|driven|drunk|eaten|fallen|fed|felt|flown|forbidden|forgiven|forgotten|fought|found|frozen|given|"
    r"gone|got|gotten|ground|grown|had|heard|held|hidden|hung|kept|known|laid|led|left|lent|lit|lost|made|meant|met|"
    r"mistaken|overridden|paid|ridden|risen|rung|said|sat|seen|sent|sewn|shaken|shone|shown|shrunk|slept|sold|sought|"
    r"spelt|spent|spoken|spun|stolen|stood|struck|stuck|sung|sunk|swept|sworn|swum|taken|taught|thought|thrown|told|"
    r"torn|understood|undone|woken|won|worn|wound|woven|written|wrung"
)
# They end as participles do and are none.
INFINITIVES: Final = frozenset({"embed", "exceed", "feed", "heed", "need", "proceed", "seed", "shed", "speed"})
# Where a participle is the usual word: a decorator is read as an adjective of what it stands over (`@described(...)`),
# a context manager as one of its block (`with recorded(...)`).
ADJECTIVES: Final = frozenset({"described", "recorded"})
# A participle before one of these is a whole phrase (`sent_to`); before a noun it tells of what the noun is
# (`unfinished_secrets`).
PREPOSITIONS: Final = frozenset(
    {"as", "at", "by", "for", "from", "in", "into", "of", "off", "on", "out", "over", "to", "under", "up", "with"}
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def lines_of(function: Function) -> int:
    """Count the lines of a function, without its docstring, which may be as long as it has to be."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return lines
    return lines - ((first.end_lineno or 0) - first.lineno + 1)


def is_attribute(function: Function) -> bool:
    """Tell whether it is read and not called."""
    names = {getattr(each, "id", getattr(each, "attr", "")) for each in function.decorator_list}
    return bool(names & {"property", "cached_property", "setter"})


def is_participle(word: str) -> bool:
    return word not in INFINITIVES and bool(IRREGULAR.fullmatch(word) or re.fullmatch(r"[a-z]{2,}ed", word))


def is_named_by_a_participle(name: str) -> bool:
    """Tell whether nothing in the name is a noun or a verb: ``_made``, ``sent_to``."""
    first, *others = name.strip("_").split("_")
    return name not in ADJECTIVES and is_participle(first) and (not others or others[0] in PREPOSITIONS)


@pytest.mark.parametrize("name", ["_made", "told", "declared_by", "_kept", "_asked", "spelled_out"])
def test_participles_are_known(name: str) -> None:
    assert is_named_by_a_participle(name)


@pytest.mark.parametrize(
    "name", ["read", "_put", "feed", "_need", "unfinished_secrets", "make", "seed", "set_value", "run", "described"]
)
def test_verbs_and_nouns_are_no_participles(name: str) -> None:
    assert not is_named_by_a_participle(name)


def test_no_function_is_named_by_a_participle() -> None:
    found = {
        f"{name}: {function.name}"
        for name, path in SOURCES.items()
        for function in functions(ast.parse(path.read_text()))
        if not is_attribute(function) and is_named_by_a_participle(function.name)
    }
    assert not found


def test_one_word_is_one_thing() -> None:
    """A public class has its name for itself: ``Answer`` was four of them."""
    names = Counter(
        node.name
        for name, path in SOURCES.items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not {name for name, count in names.items() if count > 1}


def test_a_file_can_be_read_in_one_sitting() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in SOURCES.items()}
    assert not {f"{name}: {length}" for name, length in lengths.items() if length > 400}


def test_a_function_can_be_seen_at_once() -> None:
    found = {
        f"{name}: {function.name}"
        for name, path in SOURCES.items()
        if not name.startswith("migrations/versions/")  # as Alembic writes them: a list of tables
        for function in functions(ast.parse(path.read_text()))
        if lines_of(function) > 40
    }
    assert not found


def test_no_formatter_is_switched_off() -> None:
    assert not {name for name, path in SOURCES.items() if "# fmt: skip" in path.read_text()}
