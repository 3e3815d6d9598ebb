"""The lines with which a program runs a block do run it: as they are copied, by curl, Python and JavaScript."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

from app.pages.use_it import use_it
from tests.support.service import Service
from tests.support.streams import add_block, events_upstream
from tests.support.upstream import Upstream

HARD = {"ticket_id": 'it\'s "42" $HOME `id` <b>', "count": 7, "last": True, "none": None}
NODE = str(compute_driver_executable()[0])
RUN = {"curl": ["bash", "-c"], "Python": [sys.executable, "-c"], "JavaScript": [NODE, "--input-type=module", "-e"]}


def test_what_each_language_brings_is_written_as_that_language_writes_it() -> None:
    told = use_it("https://strongroom.example/run", HARD, streams=False)
    assert """it'"'"'s""" in told["curl"]
    assert "'last': True, 'none': None" in told["Python"]
    assert '"last": true, "none": null' in told["JavaScript"]
    for text in told.values():
        assert "stream" not in text.lower()


def url_of(service: Service, workspace: str, block: str) -> str:
    return f"{service.url}/api/v1/workspaces/{workspace}/blocks/{block}/run"


def run(service: Service, language: str, text: str, workspace: str) -> str:
    token = service.ask("POST", f"/workspaces/{workspace}/tokens", {"role": "runtime"}, keep=False).json()["token"]
    environ = {**service.environ, "STRONGROOM_TOKEN": token, "NO_PROXY": "*", "no_proxy": "*"}
    ran = subprocess.run([*RUN[language], text], env=environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("language", RUN)
def test_the_lines_run_the_block_with_their_variables(
    service: Service, upstream: Upstream, ws_name: str, language: str
) -> None:
    body: dict[str, Any] = {name: f"{{{{{name}}}}}" for name in HARD}
    call = {
        "method": "POST",
        "url": f"http://127.0.0.1:{upstream.port}/echo",
        "body": {"type": "json", "content": body},
    }
    made = service.ask("POST", f"/workspaces/{ws_name}/blocks", {"name": "run-me", "call": call})
    assert made.status_code == 201, made.text
    run(service, language, use_it(url_of(service, ws_name, "run-me"), HARD, streams=False)[language], ws_name)
    assert json.loads(upstream.seen[-1].body) == HARD


@pytest.mark.slow
@pytest.mark.parametrize("language", RUN)
def test_the_lines_of_a_block_that_streams_show_what_comes(
    service: Service, upstream: Upstream, ws_name: str, language: str
) -> None:
    go = threading.Event()
    go.set()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, ws_name)
    lines = use_it(url_of(service, ws_name, "s"), {}, streams=True)
    assert "data: " in run(service, language, lines[language], ws_name)
