"""S3 as somebody else has built it: moto signs each request once more, by Amazon's own library, and compares."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.support.actors import Workspace
from tests.support.service import Service, free_port

_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
_UNSIGNED = 3  # requests that make the user and the key


@contextmanager
def moto(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Run moto with its check of signatures; gives its host and port, and an access key's id and secret."""
    port = free_port()
    environ = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_UNSIGNED), "no_proxy": "*"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        with requests.Session() as session:
            session.trust_env = False
            _await(session, f"http://127.0.0.1:{port}/moto-api/data.json", process, folder)
            yield f"127.0.0.1:{port}", *_make_key(session, f"http://127.0.0.1:{port}/")
    finally:
        process.terminate()
        process.wait(20)


def _await(session: requests.Session, url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            session.get(url, timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    raise AssertionError((folder / "moto.log").read_text()[-2000:])


def _make_key(session: requests.Session, url: str) -> tuple[str, str]:
    scope = "Credential=nobody/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none"
    text = ""
    for action, more in (
        ("CreateUser", {}),
        ("PutUserPolicy", {"PolicyName": "all", "PolicyDocument": _POLICY}),
        ("CreateAccessKey", {}),
    ):
        body = {"Action": action, "Version": "2010-05-08", "UserName": "strongroom", **more}
        answer = session.post(url, data=body, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"}, timeout=30)
        assert answer.ok, answer.text
        text = answer.text
    found = re.search(r"<AccessKeyId>(\w+)</AccessKeyId>.*<SecretAccessKey>([^<]+)</SecretAccessKey>", text)
    assert found
    return found[1], found[2]


@pytest.mark.slow
def test_s3_takes_what_is_signed_with_the_key_and_nothing_else(service: Service, tmp_path: Path) -> None:
    workspace = Workspace.make(service, members={})
    with moto(tmp_path) as (host, key_id, key):

        def make(name: str, secret: str) -> None:
            body = {
                "name": name, "type": "aws4", "visibility": "restricted", "allowed_hosts": [host],
                "region": "us-east-1", "service": "s3", "access_key_id": key_id, "secret_access_key": secret,
            }  # fmt: skip
            assert workspace.ask("POST", "secrets", body, keep=False).status_code == 201

        def call(method: str, path: str, secret: str = "S3", **more: Any) -> Any:
            body = {"method": method, "url": f"http://{host}{path}", "auth": {"type": "aws4", "secret": secret}}
            answer = workspace.ask("POST", "calls", body | more)
            assert answer.status_code == 200, answer.text
            assert key not in answer.text
            return answer.json()

        make("S3", key)
        make("WRONG", f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
        assert call("PUT", "/reports")["status"] == 200
        objects = ("plain.pdf", "2026/my report (1).pdf", "ünï/çode+=&.txt", "a//b", "~tilde-_.x")
        raw = {"type": "base64", "content": "JVBERi0xLjcKAP8=", "content_type": "application/pdf"}
        for name in objects:
            path = f"/reports/{quote(name)}"
            meta = [{"name": "X-Amz-Meta-Kind", "value": "a  report"}]
            assert call("PUT", path, body=raw, headers=meta)["status"] == 200, name
            assert call("GET", path)["body"] == {"type": "base64", "content": "JVBERi0xLjcKAP8="}, name
        query = [{"name": "list-type", "value": "2"}, {"name": "prefix", "value": "2026/"}]
        listed = call("GET", "/reports", query=query)
        assert "<Key>2026/my report (1).pdf</Key>" in listed["body"]["content"]
        refused = call("GET", "/reports/plain.pdf", secret="WRONG")
        assert (refused["status"], "SignatureDoesNotMatch" in refused["body"]["content"]) == (403, True)
        assert call("DELETE", "/reports/plain.pdf")["status"] == 204
        assert call("GET", "/reports/plain.pdf")["status"] == 404
