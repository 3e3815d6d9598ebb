"""Workspaces with the transit engine: from the first write to the keys' end, through the API and the commands."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from app.vault.options import Server
from app.vault.recovery import operator_token
from app.vault.transport import VaultConnections
from tests.support.service import STRONGROOM, Service, problem
from tests.support.upstream import Upstream

EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


def canary() -> str:
    return "canary-" + secrets.token_hex(16)


@pytest.fixture
def transit(service: Service) -> str:
    name = f"w{secrets.token_hex(6)}"
    assert service.ask("POST", "/workspaces", {"name": name, "engine": "transit"}).status_code == 201
    return name


def make(service: Service, workspace: str, name: str, value: str, upstream: Upstream, kind: str = "restricted") -> None:
    body = {"name": name, "value": value, "visibility": kind, "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    made = service.ask("POST", f"/workspaces/{workspace}/secrets", body)
    assert made.status_code == 201, made.text


def used(service: Service, workspace: str, name: str, upstream: Upstream) -> str | None:
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/",
        "headers": [{"name": "Authorization", "value": "{{secrets." + name + "}}"}],
    }
    answer = service.ask("POST", f"/workspaces/{workspace}/calls", call)
    assert answer.status_code == 200, answer.text
    return upstream.seen[-1].header("Authorization")


@contextmanager
def as_root(service: Service) -> Iterator[Any]:
    """Ask the service's own Vault anything, with a token that may do everything."""
    folder = service.folder / "var" / "openbao"
    address = (folder / "address").read_text().strip()
    with operator_token(folder, address, EVERYTHING) as token, closing(VaultConnections(Server(address))) as line:

        def ask(method: str, path: str, body: Any = None) -> Any:
            return line.ask(method, path, token=token, body=body, repeat=False)

        yield ask


def command(service: Service, *arguments: str) -> Any:
    done = service.command("vault", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def key_version(service: Service, workspace: str, path: str) -> str:
    with as_root(service) as ask:
        stored = ask("GET", f"strongroom/data/{workspace}/{path}").data["data"]["value"]
    assert stored.startswith("vault:v")
    return str(stored.split(":")[1])


@pytest.mark.slow
def test_keys_rotate_and_values_follow_without_losing_anything(
    service: Service, transit: str, upstream: Upstream
) -> None:
    values = {"R": canary(), "M": canary()}
    make(service, transit, "R", values["R"], upstream)
    make(service, transit, "M", values["M"], upstream, "masked")
    assert command(service, "rotate-key", transit)["key_versions"] == {"masked": 2, "restricted": 2}
    assert key_version(service, transit, "restricted/R") == "v1"
    assert command(service, "rewrap", transit) == {
        "workspace": transit,
        "rewrapped": 2,
        "unchanged": 0,
        "failed": [],
    }
    assert command(service, "rewrap", transit)["unchanged"] == 2
    assert key_version(service, transit, "restricted/R") == "v2"
    assert used(service, transit, "R", upstream) == values["R"]
    revealed = service.ask("POST", f"/workspaces/{transit}/secrets/M/reveal", keep=False)
    assert revealed.json()["value"] == values["M"]
    secret = service.ask("GET", f"/workspaces/{transit}/secrets/R").json()
    assert (secret["version"], secret["allowed_hosts"]) == (2, [f"127.0.0.1:{upstream.port}"])
    versions = service.ask("GET", f"/workspaces/{transit}/secrets/R/versions").json()["items"]
    assert [(each["version"], each["created_by"]) for each in versions] == [(2, "operator"), (1, "ada")]
    # A version under the older key can still be gone back to, and takes new values after it.
    put = service.ask("PUT", f"/workspaces/{transit}/secrets/R/value", {"value": canary()})
    assert put.json()["version"] == 3
    assert service.ask("POST", f"/workspaces/{transit}/secrets/R/rollback", {"version": 1}).status_code == 200
    assert used(service, transit, "R", upstream) == values["R"]
    events = service.ask("GET", f"/workspaces/{transit}/audit?action=workspace.update&outcome=done").json()["items"]
    assert events[-1]["detail"]["key_versions"] == {"masked": 2, "restricted": 2}


@pytest.mark.slow
def test_a_workspace_without_keys_has_none_to_rotate(service: Service) -> None:
    name = f"w{secrets.token_hex(6)}"
    service.ask("POST", "/workspaces", {"name": name})
    for arguments, told in ((("rotate-key", name), "engine kv"), (("rewrap", "nobody-has-this"), "no such workspace")):
        refused = service.command("vault", *arguments)
        assert refused.returncode == 1
        assert told in refused.stderr


def test_a_backup_restored_after_the_deletion_stays_unreadable(
    service: Service, transit: str, upstream: Upstream
) -> None:
    value = canary()
    make(service, transit, "TOKEN", value, upstream)
    path, key = f"strongroom/data/{transit}/restricted/TOKEN", f"strongroom-transit/keys/{transit}.restricted"
    decrypt = f"strongroom-transit/decrypt/{transit}.restricted"
    with as_root(service) as ask:
        backup = ask("GET", path).data["data"]
        assert value not in str(backup)
        assert ask("POST", decrypt, {"ciphertext": backup["value"]}).status == 200
    assert service.ask("DELETE", f"/workspaces/{transit}?confirm={transit}").status_code == 204
    with as_root(service) as ask:
        assert ask("GET", key).status == 404
        assert ask("POST", path, {"data": backup, "options": {"cas": 0}}).status == 200
        assert ask("GET", path).data["data"] == backup
        assert ask("POST", decrypt, {"ciphertext": backup["value"]}).status == 400
        # Not with a new key of the same name either; and nobody is given the workspace's name again.
        assert ask("POST", key, {"type": "aes256-gcm96"}).status in (200, 204)
        assert ask("POST", decrypt, {"ciphertext": backup["value"]}).status == 400
    assert problem(service.ask("POST", "/workspaces", {"name": transit})) == (409, "name_taken")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_rewrap_that_is_killed_goes_on_when_it_is_called_again_and_a_new_value_wins(
    service: Service, transit: str, upstream: Upstream, chance: random.Random
) -> None:
    kills = sorted(chance.sample(range(3, 45), 3))
    values = {f"S{number}": canary() for number in range(60)}
    for name, value in values.items():
        make(service, transit, name, value, upstream)
    command(service, "rotate-key", transit)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            value = canary()
            if service.ask("PUT", f"/workspaces/{transit}/secrets/S59/value", {"value": value}).ok:
                values["S59"] = value

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for enough in kills:
            _kill_a_rewrap(service, transit, enough)
        done = command(service, "rewrap", transit)
    finally:
        stop.set()
        writer.join()
    assert done["failed"] == []
    assert 0 < done["rewrapped"] <= len(values) - kills[-1]
    assert command(service, "rewrap", transit)["rewrapped"] == 0
    for name, value in values.items():
        assert used(service, transit, name, upstream) == value
    assert service.command("reconcile", "--now").returncode == 0
    doctor = json.loads(service.command("doctor", "--json").stdout)
    assert not [each for each in doctor if each["check"].startswith(f"binding {transit}/")]


def _kill_a_rewrap(service: Service, workspace: str, enough: int) -> None:
    """Start one and kill it as soon as so many secrets have a second version."""
    process = subprocess.Popen(
        [STRONGROOM, "vault", "rewrap", workspace],
        env=dict(service.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        listed = service.ask("GET", f"/workspaces/{workspace}/secrets?limit=200").json()["items"]
        if sum(each["version"] > 1 for each in listed) >= enough:
            break
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def vault_requests(service: Service, path: str) -> dict[str, str]:
    """What Vault was asked at a path, by its own audit log: request id and operation."""
    log = (service.folder / "var" / "openbao" / "audit.log").read_text()
    entries = [json.loads(line) for line in log.splitlines() if path in line]
    asked = [each["request"] for each in entries if each["type"] == "request" and each["request"]["path"] == path]
    return {each["id"]: each["operation"] for each in asked}


def save_block(service: Service, workspace: str, name: str, upstream: Upstream) -> str:
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/",
        "headers": [{"name": "Authorization", "value": "{{secrets." + name + "}}"}],
    }
    made = service.ask("POST", f"/workspaces/{workspace}/blocks", {"name": "block", "call": call})
    assert made.status_code == 201, made.text
    return f"/workspaces/{workspace}/blocks/block/run"


def test_calls_decrypt_each_time_and_read_ciphertext_once_and_the_record_names_both(
    service: Service, transit: str, upstream: Upstream
) -> None:
    value = canary()
    make(service, transit, "TOKEN", value, upstream)
    path = save_block(service, transit, "TOKEN", upstream)
    for _ in range(4):
        assert service.ask("POST", path, {}).status_code == 200
        assert upstream.seen[-1].header("Authorization") == value
    # Each of the service's processes has read it once; a slow machine may have had it twice.
    reads = vault_requests(service, f"strongroom/data/{transit}/restricted/TOKEN")
    reads = {key: operation for key, operation in reads.items() if operation == "read"}
    assert 1 <= len(reads) < 4
    opened = vault_requests(service, f"strongroom-transit/decrypt/{transit}.restricted")
    assert len(opened) == 4  # one for each: they didn't come together
    events = service.ask("GET", f"/workspaces/{transit}/audit?action=call.run&outcome=done").json()["items"]
    told = [each["detail"]["vault_request_ids"] for each in events]
    assert {ids[0] for ids in told} == set(reads)
    assert sorted(ids[1] for ids in told) == sorted(opened)
    assert value not in (service.folder / "var" / "openbao" / "audit.log").read_text()


@pytest.mark.slow
def test_what_is_changed_here_counts_at_once_for_ciphertext_too(
    service: Service, transit: str, upstream: Upstream
) -> None:
    first, second = canary(), canary()
    make(service, transit, "TOKEN", first, upstream)
    path, secret = save_block(service, transit, "TOKEN", upstream), f"/workspaces/{transit}/secrets/TOKEN"
    token = service.ask("POST", f"/workspaces/{transit}/tokens", {"role": "runtime"}, keep=False).json()

    def run(bearer: str | None = None) -> int:
        return service.ask("POST", path, {}, token=bearer, user=None if bearer else "ada").status_code

    def sent_now() -> str | None:
        assert [run() for _ in range(3)] == [200] * 3
        return upstream.seen[-1].header("Authorization")

    assert sent_now() == first
    assert service.ask("PUT", f"{secret}/value", {"value": second}).status_code == 200
    assert sent_now() == second
    assert service.ask("POST", f"{secret}/rollback", {"version": 1}).status_code == 200
    assert sent_now() == first
    assert command(service, "rotate-key", transit)["key_versions"]["restricted"] == 2
    assert command(service, "rewrap", transit)["rewrapped"] == 1
    assert sent_now() == first
    assert run(token["token"]) == 200
    assert service.ask("DELETE", f"/workspaces/{transit}/tokens/{token['id']}").status_code == 204
    assert run(token["token"]) == 401
    assert service.ask("DELETE", f"{secret}?confirm=TOKEN&force=true").status_code == 204
    assert run() == 422
    make(service, transit, "TOKEN", second, upstream)
    assert sent_now() == second
