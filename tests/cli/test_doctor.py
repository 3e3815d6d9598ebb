"""The doctor: green where all is well, and for each thing that is wrong one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.attacks.test_grants import operators
from tests.support import databases
from tests.support.chains import cut_back, remove
from tests.support.service import Service, running


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("doctor")) as service:
        service.ask("POST", "/workspaces", {"name": "acme"})
        service.ask("POST", "/workspaces/acme/variables", {"name": "PLAIN", "value": "x"})
        yield service


def examined(service: Service, **environ: str) -> dict[str, tuple[str, str]]:
    done = service.command("doctor", "--json", **environ)
    report = {each["check"]: (each["state"], each["finding"]) for each in json.loads(done.stdout)}
    assert done.returncode == (1 if any(state == "red" for state, _ in report.values()) else 0), done.stderr
    return report


def test_all_is_green_on_a_fresh_installation(own: Service) -> None:
    report = examined(own)
    assert {state for state, _ in report.values()} == {"green"}, report
    assert report.keys() >= {
        "database", "tables", "vault", "clock", "role runtime", "policies", "audit devices", "bindings", "record",
        "unfinished changes", "file modes", "signing keys",
    }  # fmt: skip


@pytest.mark.slow
def test_a_variable_of_vault_s_that_is_not_obeyed_is_named(own: Service) -> None:
    report = examined(own, VAULT_SKIP_VERIFY="canary", BAO_ADDR="canary")
    assert report["variable VAULT_SKIP_VERIFY"] == (
        "amber", "set, and not obeyed: Vault's certificate is always verified",
    )  # fmt: skip
    assert report["variable BAO_ADDR"][0] == "amber"
    assert "canary" not in str(report)


@pytest.mark.slow
def test_grants_that_were_not_applied_are_red_and_applied_ones_green(own: Service, tmp_path: Path) -> None:
    grant = '[[grant]]\nworkspace = "acme"\npath = "secret/team"\nfields = ["token"]\nhosts = ["api.example.com"]\n'
    (tmp_path / "grants.toml").write_text(grant)
    file = {"STRONGROOM_GRANTS_FILE": str(tmp_path / "grants.toml")}
    state, finding = examined(own, **file)["grants of acme"]
    assert (state, "strongroom vault apply" in finding) == ("red", True)
    assert own.command("vault", "apply", "--yes", **file).returncode == 0
    assert examined(own, **file)["grants of acme"] == ("green", "as in the file")
    (tmp_path / "grants.toml").write_text(grant.replace("token", "key"))
    state, finding = examined(own, **file)["grants of acme"]
    assert (state, "strongroom vault apply" in finding) == ("amber", True)
    assert own.command("vault", "apply", "--yes").returncode == 0
    assert examined(own)["grants"] == ("green", "none")


def test_the_version_is_one_that_we_work_with(own: Service) -> None:
    assert examined(own)["vault version"] == ("green", "one that we work with")


def test_a_record_that_was_changed_is_red_and_names_the_chain(own: Service) -> None:
    change = "UPDATE events SET actor_id = :actor WHERE chain = 'acme' AND seq = 1"
    with databases.connected(own.database_url) as connection:
        was = connection.execute(text("SELECT actor_id FROM events WHERE chain = 'acme' AND seq = 1")).scalar()
        connection.execute(text(change), {"actor": "somebody-else"})
    try:
        state, finding = examined(own)["record of acme"]
        assert state == "red"
        assert "event 1 isn't what was recorded" in finding
        assert "strongroom audit verify" in finding
    finally:
        with databases.connected(own.database_url) as connection:
            connection.execute(text(change), {"actor": was})


@pytest.mark.slow
def test_a_record_that_was_removed_is_red_since_vault_knows_of_it(own: Service) -> None:
    assert own.ask("POST", "/workspaces", {"name": "removed"}).ok
    export = own.ask("GET", "/workspaces/removed/audit", headers={"Accept": "application/x-ndjson"})
    assert export.ok  # the record is signed first
    with databases.connected(own.database_url) as connection:
        for table in ("events", "chain_heads", "checkpoints"):
            connection.execute(text(f"DELETE FROM {table} WHERE chain = 'removed'"))
    state, finding = examined(own)["record of removed"]
    assert state == "red"
    assert "strongroom audit verify" in finding
    accepted = own.command("audit", "accept-restore", "--yes")
    assert accepted.returncode == 0, accepted.stderr
    assert "record of removed" not in examined(own)


@pytest.mark.slow
def test_a_record_that_was_cut_back_to_an_older_checkpoint_is_red(own: Service) -> None:
    for made in ({"name": "cut-back"}, None):
        if made is not None:
            assert own.ask("POST", "/workspaces", made).ok
        else:
            assert own.ask("POST", "/workspaces/cut-back/variables", {"name": "LATER", "value": "x"}).ok
        export = own.ask("GET", "/workspaces/cut-back/audit", headers={"Accept": "application/x-ndjson"})
        assert export.ok  # the record is signed first
    with databases.connected(own.database_url) as connection:
        cut_back(connection, "cut-back")
    state, finding = examined(own)["record of cut-back"]
    assert state == "red"
    assert "strongroom audit verify" in finding
    accepted = own.command("audit", "accept-restore", "--yes")
    assert accepted.returncode == 0, accepted.stderr
    assert examined(own).get("record of cut-back", ("green", ""))[0] != "red"


def test_a_record_that_was_emptied_before_it_was_signed_is_red(own: Service) -> None:
    assert own.ask("POST", "/workspaces", {"name": "emptied"}).ok
    with databases.connected(own.database_url) as connection:
        remove(connection, "emptied")
    assert examined(own)["record of emptied"] == (
        "red", "there is no event at all, where there must be some; run `strongroom audit verify`",
    )  # fmt: skip
    assert own.ask("POST", "/workspaces/emptied/variables", {"name": "PLAIN", "value": "x"}).ok


def test_a_value_that_no_row_knows_is_amber_and_the_finding_says_what_to_do(own: Service) -> None:
    secret = {"name": "LOST", "value": "value-of-it", "visibility": "masked"}
    assert own.ask("POST", "/workspaces/acme/secrets", secret).status_code == 201
    with databases.connected(own.database_url) as connection:
        connection.execute(text("DELETE FROM variables WHERE name = 'LOST'"))
    state, finding = examined(own)["value acme/LOST"]
    assert state == "amber"
    assert "vault kv metadata delete strongroom/acme/masked/LOST" in finding


@pytest.mark.slow
def test_a_secret_whose_key_is_gone_from_vault_or_is_another_is_red(own: Service) -> None:
    body = {"name": "SIGNS", "type": "hmac", "visibility": "restricted", "message": "{{$body}}", "key": "canary-key",
            "allowed_hosts": ["api.example.com"]}  # fmt: skip
    secrets = "/workspaces/acme/secrets"
    assert own.ask("POST", secrets, body).status_code == 201
    assert examined(own)["signing keys"][0] == "green"
    key = "strongroom-transit/keys/acme.sign.SIGNS"
    with operators(own) as ask:
        ask("POST", f"{key}/config", {"deletion_allowed": True})
        ask("DELETE", key)
        state, finding = examined(own)["signing key acme/SIGNS"]
        assert (state, "its key is gone from Vault" in finding) == ("red", True)
        ask("POST", key, {"type": "ed25519"})
        assert "another type (ed25519)" in examined(own)["signing key acme/SIGNS"][1]
        ask("POST", f"{key}/config", {"deletion_allowed": True})
        ask("DELETE", key)
    again = own.ask("PUT", f"{secrets}/SIGNS/value", {"key": "canary-key-2"})
    assert again.status_code == 200, again.text
    report = examined(own)
    assert report["signing keys"][0] == "green", report
    assert own.ask("DELETE", f"{secrets}/SIGNS?confirm=SIGNS").status_code == 204


def test_a_policy_that_differs_from_its_file_is_red(own: Service, tmp_path: Path) -> None:
    for policy in (Path(__file__).parents[2] / "vault-policies").glob("*.hcl"):
        (tmp_path / policy.name).write_text(policy.read_text())
    with (tmp_path / "editor.hcl").open("a") as file:
        file.write('\npath "sys/tools/random" {\n  capabilities = []\n}\n')
    state, finding = examined(own, STRONGROOM_POLICIES_DIR=str(tmp_path))["policies"]
    assert state == "red"
    assert "strongroom vault plan" in finding


def test_a_key_that_others_can_read_is_red(own: Service) -> None:
    key = own.folder / "var" / "secret.key"
    key.chmod(0o644)
    try:
        found = [(check, state) for check, (state, _) in examined(own).items() if "secret.key" in check]
        assert found == [(f"mode of {key}", "red")]
    finally:
        key.chmod(0o600)


def test_a_database_that_does_not_answer_is_red_and_the_rest_is_looked_at(own: Service) -> None:
    report = examined(own, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert report["database"][0] == "red"
    assert report["bindings"][0] == report["record"][0] == "red"
    assert report["role runtime"][0] == "green"


@pytest.mark.slow
def test_tables_of_an_older_version_are_red(own: Service, tmp_path: Path) -> None:
    state, finding = examined(own, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")["tables"]
    assert state == "red"
    assert "strongroom db upgrade" in finding
