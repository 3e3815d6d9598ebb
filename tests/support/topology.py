"""The topology of docker-compose.yml without Docker: the same commands and environment, as processes on loopback.

What differs is told in one place, ``_here``: a container's name and port become a port on loopback, a volume a folder.
OpenBao stands in for Vault's image, PostgreSQL listens on a socket of its own, and upstreams may be on loopback.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from sqlalchemy.engine import make_url

from tests.support import databases
from tests.support.service import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COPIES = ("strongroom-1", "strongroom-2")


def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@dataclass
class Topology:
    """What runs: its folder, the ports of containers by name, and their processes."""

    folder: Path
    ports: Mapping[str, int]
    database_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.ports['proxy']}"

    @property
    def authority(self) -> str:
        return str(self.folder / "tls" / "ca.pem")

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment that the compose file gives a service, as it is here."""
        given = compose()["services"][service].get("environment", {})
        given = {name: self._here(str(value)) for name, value in given.items()}
        changed = {
            "STRONGROOM_HOST": "127.0.0.1",
            "STRONGROOM_DATA_DIR": str(self.folder / service),
            "STRONGROOM_POLICIES_DIR": str(ROOT / "vault-policies"),
            "DATABASE_URL": self.database_url,
            "PORT": str(self.ports.get(service, 8000)),
        }
        given |= {name: value for name, value in changed.items() if name in given}
        if service in COPIES:
            given |= {"STRONGROOM_OUTBOUND_NETWORKS": "127.0.0.0/8", "STRONGROOM_OUTBOUND_HTTP": "allow"}
        own = {"VAULT_AUDIT_LOG": str(self.folder / "vault-logs" / "audit.log"), "PYTHONPATH": str(ROOT)}
        return (
            {"PATH": f"{BIN}:{os.environ['PATH']}:/usr/sbin", "HOME": str(self.folder), "TMPDIR": str(self.folder)}
            | own
            | given
        )

    def command(self, service: str) -> list[str]:
        """Return the command that the compose file gives a service, as it is here."""
        command = [self._here(each) for each in compose()["services"][service]["command"]]
        return [str(BIN / command[0]), *(str(ROOT / each) if each.endswith(".py") else each for each in command[1:])]

    def run(self, service: str, command: list[str] | None = None, stdin: str = "") -> str:
        """Run a service's command, or another in its place as `docker compose run` does, to its end."""
        done = subprocess.run(
            command or self.command(service),
            env=self.environment(service),
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{service} {shlex.join(command or [])}: {done.stdout} {done.stderr}"
        return done.stdout

    def start(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=dict(environ), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def serve(self, copy: str) -> None:
        """Start one copy of the service, and wait until it is ready."""
        self.start(copy, self.command(copy), self.environment(copy))
        self.await_answer(copy, f"http://127.0.0.1:{self.ports[copy]}/readyz")

    def stop(self, name: str, *, kill: bool = False) -> None:
        process = self.processes.pop(name)
        if kill:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        process.wait(60)

    def restart_vault(self, *, kill: bool = False) -> None:
        self.stop("vault", kill=kill)
        _start_vault(self)
        self.await_answer("vault", f"https://127.0.0.1:{self.ports['vault']}/v1/sys/seal-status", anything=True)

    def start_redis(self) -> None:
        command = [self._here(each) for each in compose()["services"]["redis"]["command"]]
        port = str(self.ports["redis"])
        self.start("redis", [*command, "--port", port, "--bind", "127.0.0.1"], {"PATH": os.environ["PATH"]})

    def await_answer(self, name: str, url: str, *, anything: bool = False) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                answer = requests.get(url, timeout=2, verify=self.authority if url.startswith("https") else True)
                if anything or answer.ok:
                    return
            assert self.processes[name].poll() is None, self.log(name)
            time.sleep(0.05)
        raise AssertionError(self.log(name))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _here(self, text: str) -> str:
        for host, port in (("vault", 8200), ("redis", 6379), *((copy, 8000) for copy in COPIES)):
            text = text.replace(f"{host}:{port}", f"127.0.0.1:{self.ports[host]}")
        text = text.replace("vault:8201", f"127.0.0.1:{self.ports['vault-cluster']}")
        text = text.replace("localhost:8443", f"localhost:{self.ports['proxy']}")
        for inside, folder in (("/run", ""), ("/vault/file", "vault-data"), ("/vault/logs", "vault-logs")):
            text = re.sub(rf"(?<![\w.]){inside}(?=/|$|\")", str(self.folder / folder), text)
        return text


@contextmanager
def topology(folder: Path) -> Iterator[Topology]:
    """Start everything in the compose file's order, and stop it at the end."""
    names = ("vault", "vault-cluster", "redis", "proxy", *COPIES)
    base = make_url(databases.url_for(folder, postgresql=True))
    database = base.update_query_dict({"passfile": str(folder / "keys" / "pgpass")})
    made = Topology(folder, {name: free_port() for name in names}, database.render_as_string(hide_password=False))
    (folder / "unseal").mkdir()
    with ExitStack() as stack:
        stack.callback(_stop_all, made)
        made.run("prepare")
        _start_vault(made)
        made.run("vault-init")
        made.start_redis()
        made.run("migrate")
        for copy in COPIES:
            made.serve(copy)
        _start_proxy(made)
        yield made


def _stop_all(made: Topology) -> None:
    for name in reversed(list(made.processes)):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            made.stop(name)


def _start_vault(made: Topology) -> None:
    written = made._here((ROOT / "deploy" / "vault.hcl").read_text())
    written = written.replace("0.0.0.0:8200", f"127.0.0.1:{made.ports['vault']}")
    written = written.replace("0.0.0.0:8201", f"127.0.0.1:{made.ports['vault-cluster']}")
    # HashiCorp Vault lets an operator switch audit devices on, and make a root token with the unseal key; OpenBao wants
    # to be told that it may.
    recoverable = "  disable_unauthed_generate_root_endpoints = false"
    written = re.sub(r"(tls_key_file .*)", rf"\1\n{recoverable}", written)
    (made.folder / "vault.hcl").write_text(written + "\nunsafe_allow_api_audit_creation = true\n")
    environ = {"PATH": os.environ["PATH"]} | {
        name: made._here(value) for name, value in compose()["services"]["vault"]["environment"].items()
    }
    made.start("vault", [str(BIN / "bao"), "server", f"-config={made.folder / 'vault.hcl'}"], environ)


def _start_proxy(made: Topology) -> None:
    written = (ROOT / "deploy" / "nginx.conf").read_text().replace(" /tmp/", f" {made.folder}/")
    written = made._here(written)
    written = written.replace("listen 8443", f"listen 127.0.0.1:{made.ports['proxy']}")
    (made.folder / "nginx.conf").write_text(written)
    command = [
        "nginx",
        "-c",
        str(made.folder / "nginx.conf"),
        "-e",
        str(made.folder / "nginx.log"),
        "-g",
        "daemon off;",
    ]
    made.start("proxy", command, {"PATH": os.environ["PATH"] + ":/usr/sbin"})
    made.await_answer("proxy", f"{made.url}/healthz")
