"""Real producers as upstreams: what Ruby, PHP, Perl, Node.js and Go write for a restricted value never comes back."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.attacks.conftest import Stage
from tests.attacks.test_layers import VALUES

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "producers"
PRODUCERS = {
    "ruby": ["ruby", str(HERE / "echo.rb")],
    "php": ["php", str(HERE / "echo.php")],
    "perl": ["perl", str(HERE / "echo.pl")],
    "node": ["node", str(HERE / "echo.js")],
    "go": ["go", "run", str(HERE / "echo.go")],
}


def _forms(producer: str, value: str, folder: Path) -> dict[str, bytes]:
    command = PRODUCERS[producer]
    assert shutil.which(command[0]), f"{command[0]} is missing: `make producers` installs it"
    environment = {**os.environ, "V": value, "GOCACHE": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: base64.b64decode(form) for name, form in lines}


@pytest.mark.parametrize("which", VALUES)
@pytest.mark.parametrize("producer", PRODUCERS)
def test_no_form_that_a_language_writes_comes_back(
    stage: Stage, producer: str, which: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forms = _forms(producer, VALUES[which], tmp_path_factory.mktemp("go"))
    assert len(forms) > 20
    name = f"PRODUCED_{producer}_{which}"
    stage.add(name, VALUES[which], visibility="restricted", allowed_places=["body"])
    missed = []
    for form, body in forms.items():
        stage.upstream.scripts["/"] = lambda h, body=body: h.answer(body, headers={"Content-Type": "text/plain"})  # type: ignore[misc]
        answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
        assert answer.status_code == 200, (form, answer.text[:300])
        if not answer.json()["redactions"]:
            missed.append(form)
    assert not missed
