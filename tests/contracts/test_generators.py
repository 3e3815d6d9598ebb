"""The OpenAPI document as others read it: a linter, and two generators of clients, one of which is then used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.service import Service

ROOT: Final = Path(__file__).parents[2]
NODE: Final = Path(__file__).with_name("generators")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    ran = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


@pytest.fixture(scope="module")
def document(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(service.ask("GET", "/openapi.json", keep=False).text)
    return path


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pinned packages of package-lock.json."""
    assert shutil.which("npm"), "These tests need npm (Debian's package npm)."
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE / name, folder)
    run("npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts", cwd=folder)
    return folder / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the pinned generator of Python clients."""
    folder = tmp_path_factory.mktemp("generator")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    pins = ROOT / "requirements" / "generators.txt"
    run(folder / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", pins, cwd=folder)
    return folder / "bin" / "python"


def test_the_recommended_rules_of_redocly_find_nothing(node: Path, document: Path) -> None:
    said = run(
        node / "redocly", "lint", "--extends", "recommended", "--format", "json", document,
        cwd=document.parent, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
    )  # fmt: skip
    assert json.loads(said[said.index("{") :])["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_the_types_that_typescript_gets_are_its_own(node: Path, document: Path) -> None:
    types = document.with_name("api.d.ts")
    run(node / "openapi-typescript", document, "-o", types, cwd=document.parent)
    use = document.with_name("use.ts")
    use.write_text(
        'import type { paths } from "./api";\n'
        'type Run = paths["/api/v1/workspaces/{ws}/blocks/{block}/run"]["post"];\n'
        'type Answer = Run["responses"][200]["content"]["application/json"];\n'
        "export const read = (answer: Answer): string => `${answer.status} ${answer.call_id}`;\n"
    )
    run(node / "tsc", "--noEmit", "--strict", "--target", "es2022", "--skipLibCheck", use, cwd=document.parent)
    use.write_text(use.read_text().replace("answer.call_id", "answer.no_such_member"))
    with pytest.raises(AssertionError, match="no_such_member"):
        run(node / "tsc", "--noEmit", "--strict", "--target", "es2022", "--skipLibCheck", use, cwd=document.parent)


USE: Final = """
import sys
from strongroom_client import AuthenticatedClient
from strongroom_client.api.workspaces import all_workspaces_post, one_workspace_get
from strongroom_client.models import WorkspaceBody

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
body = WorkspaceBody.from_dict({"name": "generated-client", "owner": "ada"})
made = all_workspaces_post.sync(client=client, body=body)
print(made.name)
print(one_workspace_get.sync("generated-client", client=client).title)
print(one_workspace_get.sync("no-such-workspace", client=client).to_dict()["code"])
"""


def test_a_client_that_python_gets_is_whole_and_works(python: Path, document: Path, service: Service) -> None:
    out = document.with_name("client")
    run(
        python.with_name("openapi-python-client"), "generate", "--fail-on-warning", "--path", document,
        "--output-path", out, cwd=document.parent, PATH=f"{python.parent}:{os.environ['PATH']}",
    )  # fmt: skip
    use = out / "use.py"
    use.write_text(USE)
    said: list[Any] = run(python, use, service.url, service.platform, cwd=out).splitlines()
    assert said == ["generated-client", "generated-client", "not_found"]
