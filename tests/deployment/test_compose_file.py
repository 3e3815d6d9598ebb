"""docker-compose.yml and the Dockerfile: well formed, pinned, and no wider than they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tests.support.topology import COPIES, ROOT, compose

SCHEMA = Path(__file__).parents[1] / "support" / "vendor" / "compose-spec" / "compose-spec.json"
SERVICES = sorted(compose()["services"])
# PostgreSQL's versions have two numbers, everybody else's three.
PINNED = re.compile(r"(postgres:\d+\.\d+|[a-z0-9./-]+:\d+\.\d+\.\d+)[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")


def test_the_file_is_what_the_compose_specification_says() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert "2019-09" in schema["$schema"]  # told with http, so that the library doesn't know it by itself
    jsonschema.Draft201909Validator(schema).validate(compose())


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_by_version(name: str) -> None:
    assert PINNED.fullmatch(compose()["services"][name]["image"])


def test_vault_needs_no_capability_says_how_it_is_and_is_unsealed_after_a_reboot() -> None:
    services = compose()["services"]
    vault, unseal = services["vault"], services["vault-unseal"]
    assert vault["environment"]["SKIP_SETCAP"] == "1"
    assert "cap_add" not in vault
    assert "disable_mlock = true" in (ROOT / "deploy" / "vault.hcl").read_text()
    assert "vault status" in vault["healthcheck"]["test"][1]
    assert (unseal["restart"], unseal["command"][-1]) == ("unless-stopped", "--keep-unsealed")
    assert unseal["volumes"] == services["vault-init"]["volumes"]


def test_the_dockerfile_builds_in_two_stages_on_pinned_images_and_runs_as_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all(PINNED.fullmatch(base) for base in bases)
    assert "USER 10001:10001" in lines
    assert any("--require-hashes" in line for line in lines)
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert all((ROOT / path).exists() for path in copied)


@pytest.mark.parametrize("name", [*COPIES, "migrate"])
def test_the_service_has_no_right_that_it_does_not_need(name: str) -> None:
    service = compose()["services"][name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(volume.endswith(":ro") for volume in service["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_password_key_or_token_is_given_by_environment(name: str) -> None:
    for variable, value in compose()["services"][name].get("environment", {}).items():
        assert variable.endswith("_FILE") or not re.search("PASSWORD|TOKEN|KEY|SECRET", variable)
        assert not re.search(r"//[^/@]*:[^/@]*@", str(value)), "a password in a URL"


def test_only_the_proxy_can_be_reached_from_outside_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in compose()["services"].items() if each.get("ports")}
    assert published == {"proxy": ["127.0.0.1:8443:8443"]}
    assert compose()["networks"]["inside"] == {"internal": True}
