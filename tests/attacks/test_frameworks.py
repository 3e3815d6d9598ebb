"""Real frameworks as upstreams: what Django, FastAPI, Express and httpbin echo of a restricted value stays hidden."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

import pytest
import requests

from tests.attacks.conftest import Stage
from tests.attacks.test_layers import VALUES
from tests.support.service import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HERE: Final = Path(__file__).parent / "producers"
REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements"


@dataclass(frozen=True)
class Framework:
    """A server that echoes: how it is started, and its paths."""

    command: Callable[[Path, int], list[str | Path]]
    paths: Sequence[str]
    pins: str | None = "frameworks.txt"


DJANGO: Final = [
    *(f"/template/{number}" for number in range(27)),
    "/whole", "/shown", "/signed", "/failing", "/rest", "/rest?format=api", "/rest/invalid",
]  # fmt: skip
FASTAPI: Final = [
    "/whole", "/model", "/model/shown", "/packed", "/yaml", "/form",
    "/query", "/header", "/strict", "/strict/query", "/redirect", "/failing",
]  # fmt: skip
EXPRESS: Final = [
    "/whole", "/escaped", "/jsonp?callback=back", "/buffer",
    "/shown", "/cookie", "/location", "/file", "/yaml", "/failing",
]  # fmt: skip
FRAMEWORKS: Final = {
    "django": Framework(lambda at, port: [at / "bin/python", HERE / "echo_django.py", str(port)], DJANGO),
    "fastapi": Framework(lambda at, port: [at / "bin/python", HERE / "echo_fastapi.py", str(port)], FASTAPI),
    "express": Framework(lambda at, port: ["node", at / "echo.js", str(port)], EXPRESS, pins=None),
    "httpbin": Framework(
        lambda at, port: [at / "bin/python", "-m", "httpbin.core", "--host", "127.0.0.1", "--port", str(port)],
        ("/post", "/anything", "/anything/a/b", "/response-headers"), pins="httpbin.txt",
    ),
}  # fmt: skip


def _environment(framework: Framework, environments: dict[str, Path], factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pinned packages; those of Python share one where they have the same pins."""
    if (pins := framework.pins) is None:
        assert shutil.which("npm"), "npm is missing: `make producers` installs it"
        folder = factory.mktemp("express")
        for path in (HERE / "express").iterdir():
            shutil.copy(path, folder)
        command = ["npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=600)
        return folder
    if pins not in environments:
        folder = factory.mktemp("python")
        python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=300)
        install: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--require-hashes",
            "-r",
            REQUIREMENTS / pins,
        ]
        subprocess.run(install, check=True, timeout=600)
        environments[pins] = folder
    return environments[pins]


@pytest.fixture(scope="module")
def environments() -> dict[str, Path]:
    return {}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def upstream(
    request: pytest.FixtureRequest, environments: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """Run a framework; give its name and its port."""
    framework, port = FRAMEWORKS[request.param], free_port()
    command = framework.command(_environment(framework, environments, tmp_path_factory), port)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port)
        yield request.param, port
    finally:
        server.terminate()
        server.wait(30)


def _await(port: int) -> None:
    for _ in range(300):
        try:
            requests.get(f"http://127.0.0.1:{port}/get", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the framework doesn't answer")


# Where a value goes, as the service is asked to put it.
PLACES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "query": lambda text: {"query": [{"name": "x", "value": text}]},
    "header": lambda text: {"headers": [{"name": "X", "value": text}]},
    "form": lambda text: {"body": {"type": "form", "content": [{"name": "x", "value": text}]}},
    "json": lambda text: {"body": {"type": "json", "content": {"x": text}}},
    "text": lambda text: {"body": {"type": "text", "content": text}},
}


def direct(url: str, place: str, value: str) -> str:
    """Make the same call without the service, and return what came."""
    more: dict[str, dict[str, Any]] = {
        "query": {"params": {"x": value}}, "header": {"headers": {"X": value}}, "form": {"data": {"x": value}},
        "json": {"json": {"x": value}}, "text": {"data": value.encode(), "headers": {"Content-Type": "text/plain"}},
    }  # fmt: skip
    answer = requests.post(url, **more[place], timeout=60, allow_redirects=False)
    return "\n".join((*answer.headers.values(), answer.text))


def through(stage: Stage, url: str, place: str, name: str) -> dict[str, Any]:
    answer = stage.call(**{"url": url, "headers": []} | PLACES[place](f"{{{{secrets.{name}}}}}"))
    assert answer.status_code == 200, (url, place, answer.text[:300])
    return dict(answer.json())


# --- what five lines of code turn back: none of it is the service's own ----------------------------------------------


def readings(text: str) -> set[str]:
    """Return what a text reads as once one or two layers of it are undone."""
    known, new = {text}, {text}
    for _ in range(2):
        new = {reading for each in new for reading in _readings(each)} - known
        known |= new
    return known


def _readings(text: str) -> Iterator[str]:
    yield unquote(text)
    yield unquote_plus(text)
    yield html.unescape(text)
    yield re.sub(r"<[^>]*>", "", text)
    yield re.sub(r"[\s\"',\\]", "", text)
    yield re.sub(r"^\s*- ?", "", text, flags=re.MULTILINE).replace("\n", "")
    yield re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), text)
    yield text.replace("\\\\", "\\").replace('\\"', '"').replace("\\n", "\n").replace("\\/", "/")
    codes = re.findall(r"(?<![\w.])\d{1,3}(?![\w.])", text)
    yield bytes(int(code) for code in codes if int(code) < 256).decode("latin-1")
    yield "".join(re.findall(r"['\"](.)['\"](?!:)", text))
    for run in re.findall(r"[A-Za-z0-9+/_-]{16,}", re.sub(r"\\n|\s", "", text)):
        standard = run.replace("-", "+").replace("_", "/")
        yield base64.b64decode(standard[: len(standard) // 4 * 4]).decode("latin-1")
    for run in re.findall(r"(?:[0-9a-f]{2} ?){8,}", text):
        yield bytes.fromhex(run).decode("latin-1")


def shows(text: str, value: str) -> bool:
    """Tell whether a text holds a value; of several lines: all of them, whatever stands between."""
    lines = [line for line in value.splitlines() if line]
    return any(all(line in reading for line in lines) for reading in readings(text))


def texts_of(answer: dict[str, Any]) -> str:
    """Return all that the service said of an answer, as text."""
    body = answer["body"]
    content = body["content"]
    if body["type"] == "base64":
        content = base64.b64decode(content).decode("latin-1")
    headers = [header["value"] for header in answer["headers"]]
    return "\n".join((*headers, content if isinstance(content, str) else json.dumps(content)))


def _places(path: str, value: str) -> list[str]:
    if "/template/" in path:
        return ["form"]  # a filter makes the same of a value wherever it came
    return [place for place in PLACES if place != "header" or "\n" not in value]  # no header holds a line break


@pytest.mark.parametrize("which", VALUES)
def test_nothing_that_a_framework_echoes_turns_back_into_the_value(
    stage: Stage, upstream: tuple[str, int], which: str
) -> None:
    framework, port = upstream
    value, name = VALUES[which], f"ECHOED_{framework}_{which}"
    stage.add(
        name, value, visibility="restricted", allowed_places=["body", "header:X", "query"],
        allowed_hosts=[f"127.0.0.1:{port}"],
    )  # fmt: skip
    echoes, leaks = 0, []
    for path in FRAMEWORKS[framework].paths:
        url = f"http://127.0.0.1:{port}{path}"
        for place in _places(path, value):
            echoed = shows(direct(url, place, value), value)
            answer = through(stage, url, place, name)
            if shows(texts_of(answer), value) or (echoed and not answer["redactions"]):
                leaks.append((path, place))
            echoes += echoed
    assert not leaks
    assert echoes >= len(FRAMEWORKS[framework].paths)  # else the upstream doesn't do what it is there for
