"""``strongroom secret import-key``: a key is wrapped before it gets anywhere, and signs from then on."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.actors import Workspace
from tests.support.memory import holds
from tests.support.service import STRONGROOM, children_of
from tests.support.upstream import Upstream

KEY = "canary-key-that-was-wrapped-7Qx2Lm9TzR"


def definition(tmp_path: Path, upstream: Upstream, **more: Any) -> str:
    hosts = {"visibility": "restricted", "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(hosts | {"type": "hmac", "message": "{{$body}}"} | more))
    return str(file)


def signature(workspace: Workspace, upstream: Upstream, name: str, header: str = "X-Signature") -> str:
    call = {
        "method": "POST", "url": f"http://127.0.0.1:{upstream.port}/", "body": {"type": "text", "content": "signed"},
        "headers": [{"name": header, "value": f"{{{{secrets.{name}}}}}"}],
    }  # fmt: skip
    answer = workspace.ask("POST", "calls", call)
    assert answer.status_code == 200, answer.text
    return upstream.seen[-1].header(header) or ""


@pytest.mark.slow
def test_a_key_is_imported_and_takes_the_place_of_another(
    workspace: Workspace, upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    command, at = ("secret", "import-key", "SIGNS"), ("--workspace", workspace.name)
    new = workspace.service.command(*command, str(file), *at, "--new", definition(tmp_path, upstream))
    assert new.returncode == 0, new.stderr
    assert signature(workspace, upstream, "SIGNS") == hmac.digest(KEY.encode(), b"signed", "sha256").hex()
    raw = bytes(range(200, 240))
    encoded = base64.b64encode(raw).decode()
    again = workspace.service.command(*command, *at, "--encoding", "base64", stdin=encoded)
    assert again.returncode == 0, again.stderr
    assert "version 2" in again.stdout
    assert signature(workspace, upstream, "SIGNS") == hmac.digest(raw, b"signed", "sha256").hex()
    told = new.stdout + new.stderr + again.stdout + again.stderr
    assert KEY not in told
    assert encoded not in told
    _assert_never_seen(workspace)


def _assert_never_seen(workspace: Workspace) -> None:
    service = workspace.service
    processes = [service.process.pid, *children_of(service.process.pid)]
    ours = [pid for pid in processes if b"bao" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert ours
    assert not [pid for pid in ours if holds(pid, KEY.encode())]
    # The search finds what is there: what the service has in hand is found.
    assert [pid for pid in ours if holds(pid, b"STRONGROOM_DATA_DIR")]


@pytest.mark.slow
def test_a_private_key_of_a_jwt_and_a_key_of_aws_are_imported(
    workspace: Workspace, upstream: Upstream, tmp_path: Path
) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    file = tmp_path / "definition.json"
    at = ("--workspace", workspace.name, "--new", str(file))
    hosts = {"visibility": "restricted", "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    file.write_text(json.dumps(hosts | {"type": "jwt", "algorithm": "ES256", "claims": {"iss": "1"}}))
    made = workspace.service.command("secret", "import-key", "APP", *at, stdin=pem.decode())
    assert made.returncode == 0, made.stderr
    assert signature(workspace, upstream, "APP", "Authorization").count(".") == 2

    aws = {"type": "aws4", "access_key_id": "AKIDEXAMPLE", "region": "us-east-1", "service": "s3"}
    file.write_text(json.dumps(hosts | aws))
    made = workspace.service.command("secret", "import-key", "AWS", *at, stdin="x" * 40 + "\n")
    assert made.returncode == 0, made.stderr
    given = ("AWS", "--workspace", workspace.name, "--access-key-id", "AKIDNEW")
    made = workspace.service.command("secret", "import-key", *given, stdin="y" * 40)
    assert made.returncode == 0, made.stderr
    shown = workspace.ask("GET", "secrets/AWS").json()
    assert (shown["access_key_id"], shown["version"]) == ("AKIDNEW", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "more", "told"),
    [
        ("", {}, "1 to 512 bytes"),
        ("x" * 70_000, {}, "too large"),
        ("canary", {"type": "jwt", "algorithm": "ES256", "claims": {}}, "isn't a private key in PEM"),
        ("canary", {"key": "another"}, "give it as FILE"),
        ("canary", {"colour": "red"}, "Unknown field"),
    ],
)
def test_what_is_no_such_key_is_refused_and_nothing_is_there(
    workspace: Workspace, upstream: Upstream, tmp_path: Path, key: str, more: dict[str, Any], told: str
) -> None:
    given = definition(tmp_path, upstream, **more)
    if more.get("type", "hmac") != "hmac":
        document = json.loads(Path(given).read_text())
        del document["message"]
        Path(given).write_text(json.dumps(document))
    at = ("--workspace", workspace.name, "--new", given)
    done = workspace.service.command("secret", "import-key", "SIGNS", *at, stdin=key)
    assert done.returncode == 1
    assert told in done.stderr
    assert "canary" not in done.stderr
    assert workspace.ask("GET", "secrets/SIGNS").status_code == 404


@pytest.mark.slow
def test_a_secret_that_is_not_there_and_a_plain_value_take_no_key(workspace: Workspace) -> None:
    workspace.secret("PLAIN", "value-that-is-plain-1")
    for name, told in (("GONE", "GONE"), ("PLAIN", "hmac, jwt and aws4")):
        done = workspace.service.command("secret", "import-key", name, "--workspace", workspace.name, stdin="canary")
        assert done.returncode == 1
        assert told in done.stderr
    other = workspace.service.command("secret", "import-key", "PLAIN", "--workspace", "no-such-place", stdin="canary")
    assert other.returncode == 1


@pytest.mark.slow
def test_the_guide_s_commands_run_as_they_stand(workspace: Workspace, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "backend.md").read_text()
    commands = re.findall(r"^    (strongroom secret import-key .+)$", guide, re.MULTILINE)
    (shown,) = re.findall(r"^```json\n(\{\"name\": \"SLACK_SIGNING\".+?)^```$", guide, re.MULTILINE | re.DOTALL)
    definition = json.loads(shown)
    (tmp_path / "key").write_text(definition.pop("key"))
    (tmp_path / "slack-signing.json").write_text(json.dumps(definition))
    (tmp_path / "next-key").write_text(base64.b64encode(bytes(range(40))).decode())
    (tmp_path / "secret-access-key").write_text("canary/Secret+Access/Key0123456789abcdefg")
    there = {"name": "AWS", "type": "aws4", "visibility": "restricted", "allowed_hosts": ["s3.amazonaws.com"]}
    key = {"access_key_id": "AKIDBEFORE", "secret_access_key": "x" * 40, "region": "us-east-1", "service": "s3"}
    assert workspace.ask("POST", "secrets", there | key).status_code == 201
    assert len(commands) == 3
    environ = {**workspace.service.environ, "PATH": f"{STRONGROOM.parent}:{os.environ['PATH']}"}
    script = "\n".join(commands).replace("--workspace acme", f"--workspace {workspace.name}")
    ran = subprocess.run(["bash", "-eu"], input=script, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert workspace.ask("GET", "secrets/SLACK_SIGNING").json()["version"] == 2
    assert workspace.ask("GET", "secrets/AWS").json()["access_key_id"] == "AKIDEXAMPLE"
