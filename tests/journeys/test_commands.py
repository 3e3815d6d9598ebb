"""The commands, on the running service."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.support.service import Service, problem


def test_config_lists_every_setting(service: Service) -> None:
    rows = json.loads(service.command("config", "--json").stdout)
    assert {"STRONGROOM_DATA_DIR", "PORT", "VAULT_ADDR"} <= {row["setting"] for row in rows}


@pytest.mark.slow
def test_doctor_finds_all_green_but_what_tests_did(service: Service) -> None:
    rows = {row["check"]: row["state"] for row in json.loads(service.command("doctor", "--json").stdout)}
    for check in ("database", "tables", "vault", "role owner", "role runtime", "role record", "file modes"):
        assert rows[check] == "green", rows


@pytest.mark.slow
def test_vault_apply_has_nothing_left_to_do(service: Service) -> None:
    done = service.command("vault", "apply", "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing to do."), done.stderr


@pytest.mark.slow
def test_users_are_created_reset_and_disabled(service: Service) -> None:
    name = f"u{uuid.uuid4().hex[:8]}"
    assert service.command("user", "create", name, "--password-stdin", stdin="a long password\n").returncode == 0
    again = service.command("user", "create", name)
    assert (again.returncode, "already" in again.stderr) == (1, True)
    short = service.command("user", "reset-password", name, "--password-stdin", stdin="short\n")
    assert short.returncode == 1
    assert "12 characters" in short.stderr
    reset = service.command("user", "reset-password", name)
    assert "one-time password" in reset.stdout
    assert service.command("user", "disable", name).returncode == 0
    assert service.command("user", "disable", "nobody-here").returncode == 1
    refused = service.command("user", "reset-password", name)
    assert (refused.returncode, "is disabled" in refused.stderr) == (1, True)
    assert problem(service.ask("GET", "/me", user=name)) == (403, "forbidden")
    assert "one-time password" in service.command("user", "create", name).stdout
    assert service.ask("GET", "/me", user=name).status_code == 200


@pytest.mark.slow
def test_tokens_are_made_listed_and_revoked(service: Service) -> None:
    made = json.loads(service.command("token", "create", "--platform", "--label", "x", "--json").stdout)
    assert service.ask("GET", "/me", token=made["token"]).status_code == 200
    listed = service.command("token", "list", "--json").stdout
    assert made["id"] in listed
    assert made["token"] not in listed
    assert service.command("token", "revoke", made["id"]).returncode == 0
    assert problem(service.ask("GET", "/me", token=made["token"])) == (401, "unauthenticated")
    assert service.command("token", "create").returncode == 2
    assert service.command("token", "create", "--platform", "--ad-hoc").returncode == 2
    assert service.command("token", "create", "--platform", "--label", "x" * 129).returncode == 2
    assert service.command("token", "revoke", "nothing").returncode == 1


@pytest.mark.slow
def test_a_label_does_not_steer_the_terminal(service: Service) -> None:
    made = json.loads(service.command("token", "create", "--platform", "--label", "a\x1b[2J\nb", "--json").stdout)
    (line,) = [line for line in service.command("token", "list").stdout.splitlines() if line.startswith(made["id"])]
    assert r"a\x1b[2J\nb" in line
    assert service.command("token", "revoke", made["id"]).returncode == 0


@pytest.mark.slow
def test_a_folder_that_can_not_be_written_to_is_one_line(service: Service) -> None:
    done = service.command("vault", "export", "editor", "--accessor", "x", "--out", "/proc/nowhere")
    assert (done.returncode, done.stderr) == (1, "strongroom: /proc/nowhere: No such file or directory.\n")


def test_a_workspace_is_made_for_its_owner(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    assert service.command("workspace", "create", name, "--owner", "zoe").returncode == 0
    assert service.ask("GET", f"/workspaces/{name}", user="zoe").json()["name"] == name
    assert service.command("workspace", "create", name, "--owner", "zoe").returncode == 1
    assert service.command("workspace", "create", f"{name}-2", "--owner", "zoe", "--title", "x" * 129).returncode == 2


@pytest.mark.slow
def test_reconcile_and_upgrade_do_nothing_twice(service: Service) -> None:
    assert service.command("db", "upgrade").returncode == 0
    assert service.command("reconcile").returncode == 0  # whatever another test left
    done = service.command("reconcile", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_a_wrong_setting_stops_with_one_clear_line(service: Service) -> None:
    environ = dict(service.environ)
    service.environ = environ | {"STRONGROOM_STOP_SECONDS": "soon"}
    try:
        stopped = service.command("config")
    finally:
        service.environ = environ
    assert stopped.returncode == 1
    assert (
        stopped.stderr.strip()
        == "strongroom: STRONGROOM_STOP_SECONDS is wrong: it must be a whole number from 0 to 3600."
    )
