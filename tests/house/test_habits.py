"""What surrounds the code holds to it: pins, the workflow, what runs before a commit."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = re.compile(r"^[A-Za-z0-9][\w.-]*")


def names(lines: list[str]) -> set[str]:
    """Return the packages that requirement lines name, as package indexes spell them."""
    found = (NAME.match(line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in found if name}


def pinned(file: str) -> set[str]:
    return names([line for line in (ROOT / "requirements" / file).read_text().splitlines() if "==" in line])


def test_what_the_service_needs_is_pinned() -> None:
    assert names(PROJECT["dependencies"]) <= pinned("runtime.txt")


@pytest.mark.parametrize("kind", ["build", "dev", "tools", "bench", "litellm", "generators", "httpbin", "frameworks"])
def test_what_the_project_needs_besides_is_pinned(kind: str) -> None:
    wanted = names((ROOT / "requirements" / f"{kind}.in").read_text().splitlines())
    assert wanted
    assert wanted <= pinned("runtime.txt" if kind == "build" else f"{kind}.txt")


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_package_index_is_named(path: Path) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", path.read_text())


@pytest.mark.parametrize("folder", ["contracts/generators", "attacks/producers/express"])
def test_the_lock_of_node_packages_names_no_index_and_has_a_hash_for_each(folder: str) -> None:
    lock = json.loads((ROOT / "tests" / folder / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert all("resolved" not in package and package["integrity"].startswith("sha512-") for package in packages)


def test_the_workflow_runs_on_every_python_that_the_project_names() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    versions = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)]
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == versions
    assert any(step.get("run") == ".ci/run" for step in workflow["jobs"]["test"]["steps"])
    assert workflow["permissions"] == {"contents": "read"}


def test_what_runs_before_a_commit_is_part_of_the_check() -> None:
    makefile = (ROOT / "Makefile").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert "\ncheck: types style\n" in makefile
    check = "".join(makefile.partition(f"\n{part}:")[2].partition("\n\n")[0] for part in ("types", "style"))
    for hook in hooks:
        assert hook["entry"] == "make check" or hook["entry"].replace(".venv/bin", "$(BIN)") in check, hook["id"]


def test_every_target_is_listed_or_part_of_one_that_is() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert targets == phony
    listed = set(re.findall(r'@echo "make ([a-z-]+)', makefile))
    assert targets - listed == {"help", "system-packages", "bench-setup", "style", "types"}
