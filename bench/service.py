"""The service under measurement: started as anybody would, filled over its own API, and made large where asked."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final

import requests
from sqlalchemy import text

from app.db import open_engine
from app.vault.keys import load_signing_key
from app.vault.recovery import operator_token
from app.vault.tokens import sign_login
from bench.load import Asked
from bench.processes import await_answer, free_port, named, running, tree

STRONGROOM: Final = Path(sys.executable).with_name("strongroom")
WORKERS: Final = 2
OWNER: Final = "owner"
_FILLERS: Final = 8


@dataclass(frozen=True, slots=True)
class Strongroom:
    """A running service with its embedded Vault."""

    folder: Path
    port: int
    pid: int
    platform: str

    @property
    def base(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def vault_address(self) -> str:
        """Where its Vault listens."""
        return (self.folder / "openbao" / "address").read_text().strip()

    @property
    def pids(self) -> list[int]:
        """Its processes, without Vault's."""
        return tree(self.pid, without="bao")

    @property
    def vault_pids(self) -> list[int]:
        """Vault's."""
        return named(self.pid, "bao")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API as the workspaces' owner. Raises ``RuntimeError`` on anything but a 2xx."""
        headers = {"Authorization": f"Bearer {self.platform}", "Strongroom-Act-As": OWNER}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, f"{self.base}/api/v1{path}", json=body, headers=headers, timeout=60)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def vault_token(self, workspace: str) -> str:
        """Log in at Vault as the call pipeline does: a batch token of five minutes."""
        key = load_signing_key((self.folder / "signing.key").read_bytes())
        jwt = sign_login(key, workspace=workspace, role="runtime", now=time.time())
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.vault_address}/v1/auth/strongroom/login", json={"role": "runtime", "jwt": jwt}, timeout=10
            )
        return str(answer.json()["auth"]["client_token"])


@contextmanager
def strongroom(folder: Path, program: Path = STRONGROOM) -> Iterator[Strongroom]:
    """Run the service for as long as the block runs: its defaults, but for where upstreams may be."""
    port = free_port()
    environ, log = _environ(folder, port), folder.with_suffix(".log")
    with running([str(program), "serve"], environ=environ, log=log) as pid:
        await_answer(f"http://127.0.0.1:{port}/readyz", log=log, status=200)
        made = subprocess.run(
            [program, "token", "create", "--platform", "--json"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        yield Strongroom(folder, port, pid, json.loads(made.stdout)["token"])


@contextmanager
def strongrooms(folder: Path, programs: Mapping[str, Path]) -> Iterator[dict[str, Strongroom]]:
    """Run several services, which start side by side: each in a folder of its name."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        begun = {
            name: pool.submit(stack.enter_context, strongroom(folder / name, program))
            for name, program in programs.items()
        }
        yield {name: each.result() for name, each in begun.items()}


def time_start(folder: Path, program: Path) -> float:
    """Return the seconds from ``strongroom serve`` on an existing folder to ready, and end it again."""
    port, log = free_port(), folder.with_suffix(".log")
    began = time.monotonic()
    with running([str(program), "serve"], environ=_environ(folder, port), log=log):
        await_answer(f"http://127.0.0.1:{port}/readyz", log=log, status=200, every=0.01)
        return time.monotonic() - began


def _environ(folder: Path, port: int) -> dict[str, str]:
    ours = ("STRONGROOM_", "VAULT_", "BAO_", "DATABASE_URL", "REDIS_URL", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "STRONGROOM_DATA_DIR": str(folder),
        "PORT": str(port),
        "STRONGROOM_OUTBOUND_NETWORKS": "127.0.0.0/8",
        "STRONGROOM_OUTBOUND_HTTP": "allow",
        "STRONGROOM_RATE_LIMIT": "100000000/minute",
        "STRONGROOM_CALLS_IN_FLIGHT": "64",  # as many as connections that press it
        "STRONGROOM_WORKERS": str(WORKERS),
    }


@dataclass(frozen=True, slots=True)
class Filled:
    """A workspace to call: its name, a runtime token of it, and the values of its secrets by name."""

    name: str
    token: str
    values: Mapping[str, str]

    def runs(self, service: Strongroom, blocks: Sequence[str]) -> Asked:
        """Say what a client of these blocks asks."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        paths = [f"/api/v1/workspaces/{self.name}/blocks/{block}/run" for block in blocks]
        return Asked(service.base, paths, method="POST", headers=headers, body="{}")


def fill(service: Strongroom, name: str, *, engine: str, secrets_wanted: int, urls: Mapping[str, str]) -> Filled:
    """Make a workspace with secrets ``S0…`` and a block for each; and ``plain-…``, ``redacted-…`` for further URLs."""
    service.ask("POST", "/workspaces", {"name": name, "engine": engine})
    values = {f"S{number}": secrets.token_urlsafe(24) for number in range(secrets_wanted)}
    for secret, value in values.items():
        body = {"name": secret, "value": value, "visibility": "restricted", "allowed_hosts": [host_of(urls["1k"])]}
        service.ask("POST", f"/workspaces/{name}/secrets", body)
        _block(service, name, secret.lower(), urls["1k"], secret)
    for size, url in urls.items():
        _block(service, name, f"redacted-{size}", url, "S0")
        _block(service, name, f"plain-{size}", url, None)
    made = service.ask("POST", f"/workspaces/{name}/tokens", {"role": "runtime", "label": "bench"})
    return Filled(name, made["token"], values)


def host_of(url: str) -> str:
    """Return host and port of a URL."""
    return url.removeprefix("http://").partition("/")[0]


def _block(service: Strongroom, workspace: str, name: str, url: str, secret: str | None) -> None:
    value = "none" if secret is None else f"Bearer {{{{secrets.{secret}}}}}"
    call = {"method": "GET", "url": url, "headers": [{"name": "Authorization", "value": value}]}
    service.ask("POST", f"/workspaces/{workspace}/blocks", {"name": name, "title": name, "call": call})


@contextmanager
def reading_token(service: Strongroom, path: str) -> Iterator[str]:
    """Lend the peers a token that reads (and fills) what is below a path of the KV mount."""
    policy = f'path "{path}/*" {{ capabilities = ["create", "read", "update"] }}'
    with operator_token(service.folder / "openbao", service.vault_address, policy) as token:
        yield token


def enlarge(service: Strongroom, pattern: Filled, *, workspaces: int, each: int) -> None:
    """Multiply a workspace's rows until there are so many workspaces of so many secrets, and fill Vault alike."""
    engine = open_engine(f"sqlite:///{service.folder / 'strongroom.db'}")
    numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {}) "
    with engine.begin() as connection:
        for table, key in (("workspaces", "name"), ("members", "workspace")):
            columns = _columns(connection, table, {key: "printf('filler-%d', n.n)"})
            connection.execute(
                text(f"{numbers.format(workspaces - 1)} INSERT INTO {table} SELECT {columns} FROM {table}, n"
                     f" WHERE {table}.{key} = :pattern"),
                {"pattern": pattern.name},
            )  # fmt: skip
        chosen = {
            "id": "printf('%08d%08d%016d', n.n, m.n, 0)",
            "workspace": "printf('filler-%d', n.n)",
            "name": "printf('S%d', m.n)",
            "folded_name": "printf('s%d', m.n)",
        }
        columns = _columns(connection, "variables", chosen)
        connection.execute(
            text(f"{numbers.format(workspaces - 1)},"
                 f" m(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM m WHERE n < {each - 1})"
                 f" INSERT INTO variables SELECT {columns} FROM variables, n, m"
                 " WHERE variables.workspace = :pattern AND variables.name = 'S0'"),
            {"pattern": pattern.name},
        )  # fmt: skip
    engine.dispose()
    with reading_token(service, "strongroom/data") as token:
        _fill_vault(service.vault_address, token, workspaces - 1, each)


def _columns(connection: Any, table: str, chosen: Mapping[str, str]) -> str:
    names = [row[1] for row in connection.execute(text(f"PRAGMA table_info({table})"))]
    return ", ".join(chosen.get(name, f"{table}.{name}") for name in names)


def _fill_vault(address: str, token: str, workspaces: int, each: int) -> None:
    waiting: Queue[str] = Queue()
    for number in range(1, workspaces + 1):
        for secret in range(each):
            waiting.put(f"filler-{number}/restricted/S{secret}")
    threads = [threading.Thread(target=_write, args=(address, token, waiting)) for _ in range(_FILLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _write(address: str, token: str, waiting: Queue[str]) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Vault-Token"] = token
        while True:
            try:
                path = waiting.get_nowait()
            except Empty:
                return
            body: Any = {"data": {"value": secrets.token_urlsafe(24)}, "options": {"cas": 0}}
            answer = session.post(f"{address}/v1/strongroom/data/{path}", json=body, timeout=60)
            answer.raise_for_status()
