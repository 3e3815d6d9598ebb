"""The operator's commands: by the standard variables on a Vault of the team's, by the recovery key on the embedded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.policies.table import ROLES
from tests.policies.conftest import Team, command
from tests.support.service import Service


@pytest.mark.slow
def test_the_standard_variables_and_the_operator_s_policy_are_enough(team: Team) -> None:
    planned = command(team, "vault", "plan", "--json")
    changes = json.loads(planned.stdout)["changes"]
    assert (planned.returncode, planned.stderr) == (2, "")
    assert {"kind", "name", "action", "diff"} == set(changes[0])

    unasked = command(team, "vault", "apply")
    assert (unasked.returncode, unasked.stderr.strip()[-8:]) == (1, "Stopped.")
    assert "strongroom/" not in team.ask("GET", "sys/mounts").json()["data"]

    applied = command(team, "vault", "apply", "--yes", "--json")
    assert (applied.returncode, len(json.loads(applied.stdout)["changes"])) == (0, len(changes))
    nothing = command(team, "vault", "plan")
    assert (nothing.returncode, nothing.stdout) == (0, "Nothing to do.\nThe change grants nothing new.\n")

    team.ask("PUT", "sys/policies/acl/strongroom-editor", {"policy": "# by hand\n"})
    drifted = command(team, "vault", "plan")
    assert drifted.returncode == 2
    assert drifted.stdout.startswith("update policy strongroom-editor\n--- policy strongroom-editor (in Vault)\n")
    assert "\n-# by hand\n" in drifted.stdout
    assert "\n1 change to make.\n" in drifted.stdout
    assert "Newly granted: editor: read on strongroom/data/" in drifted.stdout.splitlines()[-2]
    assert command(team, "vault", "plan", "--fail-on-new-grants").returncode == 1


def test_variables_that_another_command_line_goes_by_are_told_of(team: Team) -> None:
    other = {"BAO_ADDR": "http://canary", "VAULT_AGENT_ADDR": "http://canary", "VAULT_SKIP_VERIFY": "canary"}
    done = command(team, "vault", "plan", environ=other)
    assert [line.partition(" is set and not obeyed: ")[0] for line in done.stderr.splitlines()] == sorted(other)
    assert "canary" not in done.stderr
    assert done.returncode == 2


@pytest.mark.slow
def test_who_has_no_token_or_a_wrong_one_is_told_so(team: Team, tmp_path: Path) -> None:
    nobody = command(team, "vault", "plan", environ={"VAULT_TOKEN": "", "HOME": str(tmp_path)})
    assert (nobody.returncode, "VAULT_TOKEN is missing" in nobody.stderr) == (1, True)
    (tmp_path / ".vault-token").write_text("s.canary-of-a-token\n")
    refused = command(team, "vault", "plan", environ={"VAULT_TOKEN": "", "HOME": str(tmp_path)})
    assert (refused.returncode, "operator.hcl has what is needed" in refused.stderr) == (1, True)
    assert "canary" not in refused.stdout + refused.stderr
    distrusted = command(team, "vault", "plan", environ={"VAULT_CACERT": ""})
    assert (distrusted.returncode, "certificate" in distrusted.stderr) == (1, True)
    keyless = command(team, "vault", "plan", environ={"STRONGROOM_SIGNING_KEY_FILE": ""})
    assert (keyless.returncode, "signs Vault logins is missing" in keyless.stderr) == (1, True)


def test_a_file_that_grants_too_much_is_told_and_nothing_is_written(team: Team, tmp_path: Path) -> None:
    for role, text in team.setup.files.items():
        wider = text.replace('["create", "update", "delete"]', '["create", "update", "delete", "read"]')
        (tmp_path / f"{role}.hcl").write_text(wider if role == "admin" else text)
    stopped = command(team, "vault", "apply", "--yes", environ={"STRONGROOM_POLICIES_DIR": str(tmp_path)})
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert "admin.hcl grants more than the table: read" in stopped.stderr
    assert "strongroom/" not in team.ask("GET", "sys/auth").json()["data"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param({"owner": '"me"'}, "Grant 1 has an unknown key: owner.", marks=pytest.mark.slow),
        pytest.param({"hosts": '["*.co.uk"]'}, "Grant 1: hosts:", marks=pytest.mark.slow),
        (None, "Grant 2: acme has the path secret/team-a/zendesk twice."),
    ],
)
def test_a_file_of_grants_that_is_wrong_is_one_line_and_nothing_is_applied(
    team: Team, tmp_path: Path, more: dict[str, str] | None, told: str
) -> None:
    file = _write_grants(tmp_path, [more] if more is not None else [{}, {}])
    stopped = command(team, "vault", "apply", "--yes", environ={"STRONGROOM_GRANTS_FILE": str(file)})
    assert (stopped.returncode, stopped.stdout) == (1, "")
    (line,) = stopped.stderr.splitlines()
    assert told in line
    assert "strongroom/" not in team.ask("GET", "sys/auth").json()["data"]
    assert "strongroom/" not in team.ask("GET", "sys/mounts").json()["data"]


def _write_grants(folder: Path, entries: Sequence[dict[str, str]]) -> Path:
    """Write a file of grants; each entry says in TOML what is different from a good one."""
    good = {"workspace": '"acme"', "path": '"secret/team-a/zendesk"', "fields": '["token"]', "hosts": '["a.example"]'}
    lines = [f"{key} = {fact}" for entry in entries for key, fact in ({"[[grant]]": ""} | good | entry).items()]
    (folder / "grants.toml").write_text("\n".join(lines).replace("[[grant]] = ", "[[grant]]"))
    return folder / "grants.toml"


def test_export_needs_no_vault_where_the_accessor_is_given(team: Team, tmp_path: Path) -> None:
    nowhere = {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": ""}
    done = command(team, "vault", "export", "--accessor", "auth_jwt_7", "--out", str(tmp_path / "out"), environ=nowhere)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == {f"strongroom-{role}.hcl" for role in ROLES}
    assert "aliases.auth_jwt_7.metadata" in (tmp_path / "out" / "strongroom-owner.hcl").read_text()
    operator = command(team, "vault", "export", "operator", environ=nowhere)
    assert 'path "sys/policies/acl/strongroom-*"' in operator.stdout


def test_on_the_embedded_vault_the_recovery_key_gives_the_token_and_takes_it_back(service: Service) -> None:
    log = Path(service.environ["STRONGROOM_DATA_DIR"]) / "openbao" / "audit.log"
    begin = log.stat().st_size
    planned = service.command("vault", "plan", "--json")
    assert planned.returncode == 0, planned.stderr + planned.stdout
    with log.open() as file:
        file.seek(begin)
        entries = [json.loads(line) for line in file]
    last: dict[str, tuple[str, list[str]]] = {}
    for entry in entries:
        auth = entry.get("auth", {})
        if entry["type"] == "response" and "accessor" in auth:
            last[auth["accessor"]] = entry["request"]["path"], auth["token_policies"]
    policies = sorted(policies for path, (policies) in last.values() if path == "auth/token/revoke-self")
    assert policies == [["embedded-operator"], ["root"]]
    assert {path for path, policies in last.values() if policies in (["embedded-operator"], ["root"])} == {
        "auth/token/revoke-self"
    }


def test_verify_finds_no_surprise_on_the_embedded_vault(service: Service) -> None:
    done = service.command("vault", "verify", "--json")
    cells = json.loads(done.stdout)["cells"]
    assert (done.returncode, done.stderr) == (0, "")
    assert all(cell["ok"] for cell in cells)
    assert len(cells) > 1000
