"""The key that signs logins is changed while calls run, and none of them notices."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.errors import VaultUnavailable
from app.policies.service import add_signing_key, apply, find_changes, rotate_signing_key
from app.vault.client import VaultClient
from app.vault.keys import public_key
from app.vault.options import Mounts, Server, VaultOptions
from tests.policies.conftest import Team
from tests.support.service import Service
from tests.support.upstream import Upstream


def opens(server: Server, key: bytes | Path) -> bool:
    client = VaultClient(VaultOptions(server, key))
    try:
        client.probe_role("runtime", "acme")
    except VaultUnavailable:
        return False
    else:
        return True
    finally:
        client.close()


@pytest.mark.slow
def test_no_call_fails_while_the_key_is_changed_under_a_running_service(service: Service, upstream: Upstream) -> None:
    folder = Path(service.environ["STRONGROOM_DATA_DIR"])
    server = Server((folder / "openbao" / "address").read_text().strip())
    old = (folder / "signing.key").read_bytes()
    statuses: list[int] = []
    changed = threading.Event()

    def call_from_new_workspaces() -> None:
        """Every workspace is a new one, so every step of it is a new login."""
        more = 2
        while more:
            more -= changed.is_set()
            name = f"w{uuid.uuid4().hex[:12]}"
            secret = {
                "name": "TOKEN",
                "value": f"canary-{uuid.uuid4().hex}",
                "visibility": "restricted",
                "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
            }
            header = {"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}
            call = {"method": "GET", "url": f"http://127.0.0.1:{upstream.port}/", "headers": [header]}
            for path, body in (
                ("/workspaces", {"name": name, "title": name}),
                (f"/workspaces/{name}/secrets", secret),
                (f"/workspaces/{name}/calls", call),
            ):
                statuses.append(service.ask("POST", path, body).status_code)

    callers = [threading.Thread(target=call_from_new_workspaces) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        done = service.command("vault", "rotate-signing-key", "--overlap", "3")
    finally:
        changed.set()
        for caller in callers:
            caller.join()
    assert done.returncode == 0, done.stderr
    assert len(statuses) >= 18
    assert set(statuses) == {200, 201}
    assert (folder / "signing.key").stat().st_mode & 0o777 == 0o600
    assert not opens(server, old)
    assert opens(server, folder / "signing.key")
    assert service.command("vault", "plan").returncode == 0


def rotating(team: Team, file: Path, wait: Callable[[], None]) -> None:
    with team.operator() as operator:
        apply(operator, team.setup)
        rotate_signing_key(operator, Mounts(), file, wait=wait)


def test_vault_takes_both_keys_until_the_end_of_the_overlap(team: Team, tmp_path: Path) -> None:
    file, server = tmp_path / "signing.key", team.bao.server(team.namespace)
    file.write_bytes(team.key)
    file.chmod(0o640)
    meanwhile: list[bool] = []
    rotating(team, file, lambda: meanwhile.extend([opens(server, team.key), opens(server, file)]))
    assert meanwhile == [True, True]
    assert (opens(server, team.key), opens(server, file)) == (False, True)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]


def test_a_rotation_that_was_cut_off_leaves_the_file_s_key_working_and_apply_ends_the_other(
    team: Team, tmp_path: Path
) -> None:
    file, server = tmp_path / "signing.key", team.bao.server(team.namespace)
    file.write_bytes(team.key)

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotating(team, file, killed)
    assert (opens(server, team.key), opens(server, file)) == (True, True)
    setup = dataclasses.replace(team.setup, public_keys=[public_key(file.read_bytes())])
    with team.operator() as operator:
        (change,) = apply(operator, setup)
    assert change.kind == "login settings"
    assert (opens(server, team.key), opens(server, file)) == (False, True)


def test_a_key_made_elsewhere_opens_beside_the_old_one_until_the_next_apply(team: Team, tmp_path: Path) -> None:
    file, out, server = tmp_path / "signing.key", tmp_path / "new.key", team.bao.server(team.namespace)
    file.write_bytes(team.key)
    with team.operator() as operator:
        apply(operator, team.setup)
        for _ in range(2):  # asked again, it is the same key
            add_signing_key(operator, Mounts(), file, out)
            assert (opens(server, file), opens(server, out)) == (True, True)
        assert file.read_bytes() == team.key
        new = dataclasses.replace(team.setup, public_keys=[public_key(out.read_bytes())])
        apply(operator, new)
        assert find_changes(operator, new).in_order
    assert (opens(server, file), opens(server, out)) == (False, True)
