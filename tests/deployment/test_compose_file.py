"""docker-compose.yml and the Dockerfile: well formed, pinned, and no wider than they say."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import jsonschema
import pytest
from sqlalchemy.engine import make_url

from app.cli.server import HEAD_MILLISECONDS
from app.settings import Settings
from app.web.front import MIB
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
def test_no_container_can_write_to_its_own_files_or_win_rights(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    unsealing = {key: {"DAC_OVERRIDE"} for key in ("vault-init", "vault-unseal")}
    given = {"prepare": {"CHOWN", "DAC_OVERRIDE", "FOWNER"}, **unsealing}
    assert set(service.get("cap_add", ())) == given.get(name, set())
    assert (service["user"] == "0:0") is (name in given)


def test_what_one_container_alone_may_read_no_other_has() -> None:
    """The authority's key, and each server's own key and password."""
    of = {
        "authority": {"prepare"},
        "vault-keys": {"prepare", "vault"},
        "proxy-keys": {"prepare", "proxy"},
        "database-keys": {"prepare", "postgres"},
        "redis-keys": {"prepare", "redis"},
        "keys": {"prepare", "vault-init", "vault-unseal", "migrate", *COPIES},
        "unseal": {"vault-init", "vault-unseal"},
    }
    having: dict[str, set[str]] = {volume: set() for volume in of}
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", ()):
            having.get(volume.split(":")[0], set()).add(name)
    assert having == of


def test_the_database_is_spoken_to_over_tls_alone_and_redis_asks_for_a_password() -> None:
    query = make_url(compose()["services"][COPIES[0]]["environment"]["DATABASE_URL"]).query
    assert (query["sslmode"], query["sslrootcert"]) == ("verify-full", "/run/tls/ca.pem")
    assert {"ssl=on", "hba_file=/run/database/pg_hba.conf"} <= set(compose()["services"]["postgres"]["command"])
    prepare = runpy.run_path(str(ROOT / "deploy" / "prepare.py"))
    assert {line.split()[0] for line in prepare["PG_HBA"].splitlines()} == {"local", "hostssl"}
    assert "requirepass" in prepare["REDIS_CONF"]


def test_the_proxy_gives_a_connection_up_before_the_service_does_and_waits_for_the_longest_call() -> None:
    proxy = (ROOT / "deploy" / "nginx.conf").read_text()
    settings = Settings.from_env({})

    def seconds(name: str) -> int:
        (found,) = re.findall(rf"^ *{name} (\d+)s;", proxy, re.MULTILINE)
        return int(found)

    assert seconds("keepalive_timeout") * 1000 < HEAD_MILLISECONDS
    assert seconds("proxy_read_timeout") > 300
    (body,) = re.findall(r"client_max_body_size (\d+)m;", proxy)
    assert int(body) * MIB >= settings.max_request_bytes * 4 // 3 + MIB


@pytest.mark.parametrize("name", SERVICES)
def test_no_password_key_or_token_is_given_by_environment(name: str) -> None:
    for variable, value in compose()["services"][name].get("environment", {}).items():
        assert variable.endswith("_FILE") or not re.search("PASSWORD|TOKEN|KEY|SECRET", variable)
        assert not re.search(r"//[^/@]*:[^/@]*@", str(value)), "a password in a URL"


def test_only_the_proxy_can_be_reached_from_outside_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in compose()["services"].items() if each.get("ports")}
    assert published == {"proxy": ["127.0.0.1:8443:8443"]}
    assert compose()["networks"]["inside"] == {"internal": True}
