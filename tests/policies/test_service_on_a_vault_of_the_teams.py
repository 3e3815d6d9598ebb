"""The service in production's way: on a Vault of the team's, in a namespace, without anybody's standing token."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

import pytest

from app.policies.service import apply
from tests.policies.conftest import Team
from tests.support.service import STRONGROOM, environment, running


@pytest.mark.slow
def test_the_service_never_uses_the_operator_s_token(team: Team, tmp_path: Path) -> None:
    with team.operator() as operator:
        apply(operator, team.setup)
    files = {"STRONGROOM_SIGNING_KEY_FILE": tmp_path / "signing", "STRONGROOM_SECRET_KEY_FILE": tmp_path / "secret"}
    files["STRONGROOM_SIGNING_KEY_FILE"].write_bytes(team.key)
    files["STRONGROOM_SECRET_KEY_FILE"].write_bytes(secrets.token_bytes(32))
    for file in files.values():
        file.chmod(0o600)
    log = team.bao.audit_log
    begin = log.stat().st_size
    # Root: whatever the service did with this token would work, and nothing but Vault's own record would tell.
    standing = {**team.environ(), "VAULT_TOKEN": team.bao.root, "HOME": str(tmp_path)}
    (tmp_path / ".vault-token").write_text(team.bao.root)
    standing |= {name: str(file) for name, file in files.items()}
    subprocess.run(
        [STRONGROOM, "db", "upgrade"], env=environment(tmp_path, 1, **standing), check=True, capture_output=True
    )
    with running(tmp_path, **standing) as service:
        assert service.ask("POST", "/workspaces", {"name": "acme", "title": "Acme"}).status_code == 201
        secret = {"name": "TOKEN", "value": "canary-of-the-team", "visibility": "masked"}
        assert service.ask("POST", "/workspaces/acme/secrets", secret).status_code == 201
        shown = service.ask("POST", "/workspaces/acme/secrets/TOKEN/reveal")
        assert shown.json()["value"] == "canary-of-the-team"
        report = service.command("doctor", "--json")
        assert report.returncode == 0
        unseen = {each["check"] for each in json.loads(report.stdout) if each["state"] == "amber"}
        assert unseen == {"policies", "audit devices"}
        end = log.stat().st_size
        seen = json.loads(service.command("doctor", "--operator", "--json").stdout)
        assert {each["state"] for each in seen if each["check"] in unseen} == {"green"}
    with log.open() as lines:
        lines.seek(begin)
        entries = [json.loads(line) for line in lines.read(end - begin).splitlines()]
    used = {tuple(entry["auth"].get("policies", ())) for entry in entries if entry.get("auth")}
    assert ("strongroom-owner",) in used
    assert not [policies for policies in used if "root" in policies or "strongroom-operator" in policies]
