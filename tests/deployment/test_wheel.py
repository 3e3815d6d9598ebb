"""The wheel that `make dist` builds serves from an empty environment, far from the tree that it was built from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.service import Service, await_ready, environment, free_port
from tests.support.topology import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOT_SOURCES = ("build", "dist", "var", "__pycache__", "*.egg-info", ".*")


def finish(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build in a copy of the tree; returns the folder with the wheel and the sdist."""
    tree = tmp_path_factory.mktemp("tree") / "strongroom"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    environ = sys.prefix
    # The packages to build with are here already: their stamp counts as new, so nothing is installed from the copy.
    finish("make", "dist", f"VENV={environ}", "-o", f"{environ}/.dev.stamp", folder=tree)
    return tree / "dist"


@pytest.fixture(scope="module")
def served(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Install the pinned packages and the wheel, nothing else, and serve from there."""
    folder = tmp_path_factory.mktemp("installed")
    finish(sys.executable, "-m", "venv", "venv", folder=folder)
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    finish(*pip, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt", folder=folder)
    finish(*pip, "--no-deps", "--no-index", next(built.glob("*.whl")), folder=folder)
    port = free_port()
    environ = environment(folder, port)
    environ.pop("PYTHONPATH", None)
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [folder / "venv" / "bin" / "strongroom", "serve"], env=environ, cwd=folder, stdout=log, stderr=log
        )
    service = Service(folder, port, environ, process)
    try:
        await_ready(service)
        service.platform = json.loads(command(service, "token", "create", "--platform", "--json"))["token"]
        yield service
    finally:
        service.stop()


def command(service: Service, *arguments: str) -> str:
    strongroom = service.folder / "venv" / "bin" / "strongroom"
    done = subprocess.run(
        [strongroom, *arguments], env=service.environ, cwd=service.folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_every_policy_and_every_guide(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "app").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    policies = {f"app/policies/files/{path.name}" for path in (ROOT / "vault-policies").glob("*.hcl")}
    docs = ROOT / "docs"
    guides = {path for kind in ("*.md", "adr/*.md", "screenshots/*.png") for path in docs.glob(kind)}
    assert inside == package | policies | {f"app/pages/guides/{path.relative_to(docs)}" for path in guides}


def test_the_sdist_holds_what_its_tests_read(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    tops = ("app", "demo", "deploy", "docs", "requirements", "tests", "vault-policies")
    needed = {str(path.relative_to(ROOT)) for top in tops for path in (ROOT / top).rglob("*") if path.is_file()}
    needed = {name for name in needed if "__pycache__" not in name} | {"Dockerfile", "docker-compose.yml", "Makefile"}
    assert needed - inside == set()


def test_the_installed_service_stores_a_secret_and_shows_it_to_nobody(served: Service) -> None:
    assert served.ask("POST", "/workspaces", {"name": "acme"}).status_code == 201
    body = {"name": "TOKEN", "value": "canary-of-the-wheel", "visibility": "masked"}
    made = served.ask("POST", "/workspaces/acme/secrets", body)
    assert made.status_code == 201
    assert "canary" not in made.text


def test_the_installed_service_has_its_pages_with_all_that_they_load(served: Service) -> None:
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(f"{served.url}/sign-in", timeout=30)
        assert page.status_code == 200
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert loaded
        assert {session.get(served.url + path, timeout=30).status_code for path in loaded} == {200}


def test_the_installed_commands_find_policies_and_migrations(served: Service) -> None:
    assert json.loads(command(served, "vault", "plan", "--json"))["changes"] == []
    assert [each for each in json.loads(command(served, "doctor", "--json")) if each["state"] == "red"] == []
