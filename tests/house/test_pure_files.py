"""Each pure file has a test file of its name that needs no server; what is pure, the linter's contract says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import PURE

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
(CONTRACT,) = (each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["id"] == "pure")


def files_of(module: str) -> list[Path]:
    path = ROOT / module.replace(".", "/")
    if not path.is_dir():
        return [path.with_suffix(".py")]
    inside = sorted(each for each in path.rglob("*.py") if each.name != "__init__.py")
    return inside or [path / "__init__.py"]


FILES: Final = [file for module in CONTRACT["source_modules"] for file in files_of(module)]


def path_of_tests(file: Path) -> Path:
    """Return where the tests of a file stand; those of a room in one file, under the room's name."""
    name = file.parent.name if file.name == "__init__.py" else file.stem
    return ROOT / "tests" / file.parent.relative_to(ROOT / "app") / f"test_{name}.py"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_pure_file_has_a_test_of_its_name_that_needs_no_server(file: Path) -> None:
    assert file.is_file()
    tests = path_of_tests(file)
    assert tests.is_file()
    inside = tests.relative_to(ROOT / "tests")
    assert any(Path(name) in (inside, *inside.parents) for name in PURE)
