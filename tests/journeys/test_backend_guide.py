"""The back-end guide and the README: snippets run as they stand, and the table of errors is the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from app.web.errors import STATUS
from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.upstream import Upstream

ROOT = Path(__file__).parents[2]
GUIDE, README = (ROOT / "docs" / "backend.md").read_text(), (ROOT / "README.md").read_text()

PROGRAMS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_snippets_run_as_they_stand(service: Service, upstream: Upstream, tmp_path: Path, language: str) -> None:
    script = "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE))
    assert script.count("\n") > 20
    here = f"127.0.0.1:{upstream.port}"
    script = script.replace("https://api.example.com", f"http://{here}").replace("api.example.com", here)
    script = script.replace("acme", f"w{uuid.uuid4().hex[:10]}")
    file = tmp_path / "snippets"
    file.write_text(script)
    environ = os.environ | {"STRONGROOM_URL": service.url, "STRONGROOM_TOKEN": service.platform}
    ran = subprocess.run([*PROGRAMS[language], file], env=environ, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert upstream.seen


def test_the_snippet_for_fetch_shows_a_stream(service: Service, upstream: Upstream) -> None:
    workspace = Workspace.make(service, members={})
    url = f"http://127.0.0.1:{upstream.port}/v2/tickets"
    workspace.block("watch-tickets", {"url": url}, answer="stream")
    (script,) = re.findall(r"^```js\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    environ = os.environ | {"STRONGROOM_URL": service.url, "STRONGROOM_TOKEN": service.platform}
    command = [compute_driver_executable()[0], "--input-type=module", "-e", script.replace("acme", workspace.name)]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert '"path": "/v2/tickets"' in ran.stdout


def test_the_readmes_first_call_runs_as_it_stands(service: Service, upstream: Upstream) -> None:
    workspace, here = f"w{uuid.uuid4().hex[:10]}", f"127.0.0.1:{upstream.port}"
    assert service.ask("POST", "/workspaces", {"name": workspace}, user="owner").status_code == 201
    (script,) = re.findall(r"^```bash\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    script = script.replace("http://127.0.0.1:8000", service.url).replace("/main/", f"/{workspace}/")
    script = script.replace("https://example.com", f"http://{here}").replace('"example.com"', f'"{here}"')
    environ = os.environ | {"TOKEN": service.platform, "no_proxy": "127.0.0.1"}
    ran = subprocess.run(["bash", "-eu"], input=script, env=environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    (seen,) = upstream.seen
    assert (seen.path, seen.header("Authorization")) == ("/index.html", "Bearer k3-f81d02c6b7aa49e5")
    assert "[secret:API_TOKEN]" in ran.stdout
    assert "[redacted:API_TOKEN]" in ran.stdout
    assert "k3-f81d02c6b7aa49e5" not in ran.stdout


def test_every_code_is_explained_with_its_status_and_no_other() -> None:
    told = {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \| \S", GUIDE, re.MULTILINE)}
    assert told == dict(STATUS)
