"""What is wrong before anything runs is told in one clear line, and nothing starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError
from app.vault.keys import new_signing_key
from tests.support.service import STRONGROOM, free_port


def strongroom(folder: Path, *arguments: str | bytes, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.defpath, "STRONGROOM_DATA_DIR": str(folder / "var"), "PORT": str(free_port())} | more
    return subprocess.run([STRONGROOM, *arguments], env=environ, capture_output=True, text=True, timeout=60)


def told(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("STRONGROOM_OUTBOUND_CA", "/etc/hostname"),
        ("REDIS_URL", "redis.example.com:6379"),
        ("REDIS_URL", "redis://:canary@redis.example.com:no"),
        ("VAULT_CACERT_BYTES", "canary"),
        ("VAULT_CAPATH", "/nowhere/at/all"),
        ("VAULT_TLS_SERVER_NAME", "https://vault"),
        ("STRONGROOM_VAULT_FORWARD", "yes"),
        ("STRONGROOM_TRANSIT_MOUNT", "strongroom"),
        ("STRONGROOM_KV_MOUNT", "strongroom-transit/kv"),
    ],
)
def test_a_setting_that_could_not_work_is_a_fault(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: text})
    (fault,) = caught.value.faults
    assert variable in fault
    assert "canary" not in fault


@pytest.mark.parametrize(("text", "forwards"), [("active-node", "active-node"), ("off", None), ("", None)])
def test_forwarding_is_asked_for_by_its_name(text: str, forwards: str | None) -> None:
    assert Settings.from_env({"STRONGROOM_VAULT_FORWARD": text}).vault_forward == forwards


@pytest.mark.slow
def test_serve_names_the_variables_of_vault_s_that_it_does_not_obey(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        stopped = strongroom(tmp_path, "serve", PORT=port, VAULT_SKIP_VERIFY="canary", BAO_ADDR="canary")
    lines = [json.loads(line) for line in stopped.stderr.splitlines() if line.startswith("{")]
    named = [line["variable"] for line in lines if line["event"] == "variable_ignored"]
    assert named == ["BAO_ADDR", "VAULT_SKIP_VERIFY"]
    assert "canary" not in stopped.stderr


@pytest.mark.parametrize("text", ["redis://redis:6379", "rediss://:pw@redis.example.com/1", "redis+unix:///run/r.sock"])
def test_a_redis_is_named_by_its_url(text: str) -> None:
    assert Settings.from_env({"REDIS_URL": text}).redis_url == text


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"STRONGROOM_HOST": "::1", "PORT": "81"}, "http://[::1]:81"),
        ({"STRONGROOM_PUBLIC_URL": "https://strongroom.example.com/"}, "https://strongroom.example.com"),
    ],
)
def test_the_address_that_is_told_can_be_opened(environ: dict[str, str], url: str) -> None:
    assert Settings.from_env(environ).url == url


@pytest.mark.slow
def test_an_address_that_is_not_ours_is_not_called_a_taken_port(tmp_path: Path) -> None:
    line = told(strongroom(tmp_path, "serve", STRONGROOM_HOST="192.0.2.1"))
    assert line.startswith("strongroom: 192.0.2.1, port ")
    assert "STRONGROOM_HOST" in line


def test_a_port_that_is_taken_is_named(tmp_path: Path, taken: int) -> None:
    assert "is taken" in told(strongroom(tmp_path, "serve", PORT=str(taken)))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.slow
def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "var")
    assert told(strongroom(tmp_path, "serve", STRONGROOM_DATA_DIR=folder)).startswith(f"strongroom: {folder}: ")


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://strongroom:canary@127.0.0.1:{free_port()}/strongroom"
    for command in (["serve"], ["token", "list"], ["db", "upgrade"]):
        done = strongroom(tmp_path, *command, DATABASE_URL=url)
        assert told(done) == "strongroom: The database doesn't answer (OperationalError). See DATABASE_URL."
        assert "canary" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("key", [None, b"", b"guess me"])
def test_without_a_proper_key_for_sessions_nothing_starts(tmp_path: Path, key: bytes | None) -> None:
    (tmp_path / "signing.key").write_bytes(new_signing_key())
    if key is not None:
        (tmp_path / "secret.key").write_bytes(key)
    away = {
        "VAULT_ADDR": f"http://127.0.0.1:{free_port()}",
        "STRONGROOM_SIGNING_KEY_FILE": str(tmp_path / "signing.key"),
        "STRONGROOM_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
    }
    assert strongroom(tmp_path, "db", "upgrade", **away).returncode == 0
    stopped = strongroom(tmp_path, "serve", **away)
    assert "key that signs sessions" in told(stopped)
    assert stopped.stderr.count("key that signs sessions") == 1, "each of two processes says so"


@pytest.mark.slow
def test_what_only_workers_need_is_missed_before_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff")
    redis = {"REDIS_URL": "redis://127.0.0.1:1", "STRONGROOM_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    stopped = strongroom(tmp_path, "serve", **redis)
    assert told(stopped) == "strongroom: The file that STRONGROOM_REDIS_PASSWORD_FILE names can't be read."
    assert "worker" not in stopped.stderr
    host, _, port = (
        (tmp_path / "var" / "openbao" / "address").read_text().strip().removeprefix("http://").partition(":")
    )
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))), "the embedded Vault was left behind"


@pytest.mark.slow
def test_a_file_of_grants_that_is_wrong_is_one_line_and_nothing_is_applied(tmp_path: Path) -> None:
    grant = '[[grant]]\nworkspace = "acme"\npath = "secret/team"\nfields = ["token"]\nhosts = ["*.com"]\n'
    (tmp_path / "grants.toml").write_text(grant)
    stopped = strongroom(tmp_path, "serve", STRONGROOM_GRANTS_FILE=str(tmp_path / "grants.toml"))
    assert told(stopped).startswith("strongroom: Grant 1: hosts: ")
    assert "strongroom-grant-acme" not in (tmp_path / "var" / "openbao" / "audit.log").read_text()


def test_an_argument_that_is_no_text_is_a_wrong_call(tmp_path: Path) -> None:
    for arguments in ([b"user", b"disable", b"\xff"], [b"token", b"create", b"--platform", b"--label", b"\xff"]):
        assert told(strongroom(tmp_path, *arguments), 2) == "Error: An argument isn't in UTF-8."


def test_what_the_workers_are_forked_from_has_one_thread() -> None:
    """A fork copies a lock that another thread holds, and nobody ever lets go of the copy."""
    code = "import os, app.cli.server; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"
