"""httpbin, the real one, as an upstream: each of its endpoints called through a block and, beside it, by requests."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from tests.support.actors import Workspace
from tests.support.service import Service, free_port

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "canary-httpbin-7f3a9c21d5e8"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# What stands for the parameters of each rule.
PARAMETERS: Final = {
    "n": "3", "value": "aGVsbG8gd29ybGQ=", "user": "ada", "passwd": "let-me-in", "name": "a", "offset": "1",
    "etag": "abc", "numbytes": "100", "codes": "418", "delay": "0", "anything": "a/b-c", "qop": "auth",
    "algorithm": "SHA-256", "stale_after": "never", "filename": "favicon.ico",
}  # fmt: skip
QUERIES: Final = {
    "/redirect-to": {"url": "/get", "status_code": "307"},
    "/response-headers": {"X-Mine": "a value", "freeform": "x"},
    "/drip": {"duration": "0", "numbytes": "10", "delay": "0"},
    "/bytes/3": {"seed": "1"},
    "/stream-bytes/3": {"seed": "1"},
    "/cookies/set": {"a": "b"},
    "/cookies/delete": {"a": ""},
    "/links/3/1": {},
}
# What differs between any two requests, whoever makes them.
CHANGES: Final = frozenset({"/uuid", "/headers", "/user-agent", "/digest-auth"})
OURS: Final = frozenset({"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "User-Agent"})


@pytest.fixture(scope="module")
def httpbin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Run the pinned httpbin; give its address and all of its rules."""
    folder = tmp_path_factory.mktemp("httpbin")
    python = folder / "bin" / "python"
    pins = ROOT / "requirements" / "httpbin.txt"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=300)
    subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", pins], check=True, timeout=600)
    listing = (
        "import json; from httpbin import app; left = {'HEAD', 'OPTIONS', 'TRACE'};"
        "print(json.dumps([[rule.rule, sorted(rule.methods - left)] for rule in app.url_map.iter_rules()]))"
    )
    told = subprocess.run([python, "-c", listing], check=True, capture_output=True, text=True, timeout=120)
    rules = json.loads(told.stdout.splitlines()[-1])
    port = free_port()
    server = subprocess.Popen(
        [python, "-m", "httpbin.core", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _await(f"http://127.0.0.1:{port}/get")
        yield f"http://127.0.0.1:{port}", rules
    finally:
        server.terminate()
        server.wait(30)


def _await(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("httpbin doesn't answer")


def target_of(rule: str) -> str:
    """Write a rule's path with its parameters filled in."""
    parts = []
    for part in rule.split("/"):
        name = part.rpartition(":")[2].strip("<>")
        parts.append(PARAMETERS[name] if part.startswith("<") else part)
    return "/".join(parts)


def direct(url: str, method: str, target: str) -> requests.Response:
    with closing(requests.Session()) as session:
        return session.request(
            method, url + target, params=QUERIES.get(target, {}), timeout=30, allow_redirects=False,
            headers={"Authorization": f"Bearer {TOKEN}", "Accept": "*/*"},
            json={"hello": "world"} if method in ("POST", "PUT", "PATCH") else None,
        )  # fmt: skip


def through(workspace: Workspace, url: str, method: str, target: str, name: str) -> dict[str, Any]:
    call: dict[str, Any] = {
        "method": method,
        "url": url + target,
        "query": [{"name": key, "value": value} for key, value in QUERIES.get(target, {}).items()],
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
    }
    if method in ("POST", "PUT", "PATCH"):
        call["body"] = {"type": "json", "content": {"hello": "world"}}
    workspace.block(name, call)
    answer = workspace.run(name)
    assert answer.status_code == 200, (method, target, answer.text)
    return dict(answer.json())


def raw_body(answer: dict[str, Any]) -> bytes:
    body = answer["body"]
    if body["type"] == "base64":
        return base64.b64decode(body["content"])
    return body["content"].encode() if body["type"] == "text" else json.dumps(body["content"]).encode()


def comparable(document: Any) -> Any:
    """Leave out of what an echo says what differs between two clients: headers of their own, and the secret."""
    if isinstance(document, dict):
        return {
            key: comparable({name: each for name, each in value.items() if name not in OURS})
            if key == "headers" and isinstance(value, dict)
            else comparable(value)
            for key, value in document.items()
            if key != "token"
        }
    if isinstance(document, list):
        return [comparable(each) for each in document]
    return document


def test_every_endpoint_answers_through_a_block_as_it_answers_anybody(
    service: Service, httpbin: tuple[str, list[tuple[str, list[str]]]]
) -> None:
    url, rules = httpbin
    workspace = Workspace.make(service)
    workspace.secret("TOKEN", TOKEN, visibility="restricted", allowed_hosts=[url.removeprefix("http://")])
    tried = 0
    for rule, methods in sorted(rules):
        for method in methods:
            target = target_of(rule)
            wanted = direct(url, method, target)
            found = through(workspace, url, method, target, f"b{tried}")
            tried += 1
            what = (method, target)
            assert found["status"] == wanted.status_code, what
            assert TOKEN not in json.dumps(found), what
            if any(target.startswith(each) for each in CHANGES):
                continue
            if found["body"]["type"] == "json":
                assert comparable(found["body"]["content"]) == comparable(wanted.json()), what
            elif found["redactions"] == 0:
                assert raw_body(found) == wanted.content, what
            headers = {each["name"].lower(): each["value"] for each in found["headers"]}
            if not found["redactions"]:  # an ETag measures what came
                assert headers.get("etag") == wanted.headers.get("etag"), what
            for name in ("location", "set-cookie", "www-authenticate", "cache-control", "x-mine"):
                assert headers.get(name) == wanted.headers.get(name), (what, name)
    assert tried >= 70
