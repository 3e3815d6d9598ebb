"""The whole service as a process of its own, with its embedded Vault, in a folder that goes away."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from app.cli.processes import WORKER
from tests.support import databases

STRONGROOM = Path(sys.executable).with_name("strongroom")


@dataclass
class Service:
    """A running service: where it is, how to talk to it, and every answer it gave."""

    folder: Path
    port: int
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes]
    platform: str = ""
    answers: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return self.environ.get("DATABASE_URL") or f"sqlite:///{self.folder / 'var' / 'strongroom.db'}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        user: str | None = "ada",
        headers: Mapping[str, str] | None = None,
        data: bytes | Iterable[bytes] | None = None,
        keep: bool = True,
    ) -> requests.Response:
        sent = {"Authorization": f"Bearer {token or self.platform}"}
        if user is not None and token is None:
            sent["Strongroom-Act-As"] = user
        sent |= dict(headers or {})
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, f"{self.url}/api/v1{path}", json=body, data=data, headers=sent, timeout=90)
        if keep:
            self.answers.append(answer.text + str(answer.headers))
        return answer

    def command(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, **more}
        return subprocess.run(
            [STRONGROOM, *arguments], env=environ, input=stdin, capture_output=True, text=True, timeout=90
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def kill(self) -> None:
        """End it and everything that it started at once, as a machine does that loses its power."""
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            with suppress(ProcessLookupError):  # the kernel ends some with their parent, and may be faster
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


def children_of(pid: int) -> list[int]:
    """Return every process below this one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended while it was looked at
            found += [int(each) for each in (task / "children").read_text().split()]
    return [one for child in found for one in (child, *children_of(child))]


def workers_of(service: Service) -> list[int]:
    """Return the processes that serve."""
    children = children_of(service.process.pid)
    return sorted(pid for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == WORKER)


def free_port() -> int:
    """Return a port that the system gives to nobody else while this process lives.

    It stays bound, and is listened on by whoever names it: the kernel lets a second socket have it where both allow
    that, as servers do, and never hands it out by itself. Source: socket(7), SO_REUSEADDR.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = int(held.getsockname()[1])
    held.detach()  # stays open
    return port


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    ours = ("STRONGROOM_", "VAULT_", "BAO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept.pop("REDIS_URL", None)
    return kept | {
        "STRONGROOM_DATA_DIR": str(folder / "var"),
        "TMPDIR": str(folder),  # so that what a killed service leaves goes with the test
        "DATABASE_URL": more.get("DATABASE_URL") or databases.url_for(folder),
        "PORT": str(port),
        "STRONGROOM_OUTBOUND_NETWORKS": "127.0.0.0/8",
        "STRONGROOM_OUTBOUND_HTTP": "allow",
        # Nobody listens there: whatever took a proxy from its environment would fail.
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
        **more,
    }


def launch(folder: Path, port: int | None = None, **more: str) -> Service:
    port = port or free_port()
    environ = environment(folder, port, **more)
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen([STRONGROOM, "serve"], env=environ, stdout=log, stderr=log)
    service = Service(folder, port, environ, process)
    try:
        await_ready(service)
    except AssertionError:
        service.stop()
        raise
    return service


def await_ready(service: Service) -> None:
    end = time.monotonic() + 150
    while time.monotonic() < end and service.process.poll() is None:
        try:
            if requests.get(f"{service.url}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise AssertionError((service.folder / "service.log").read_text()[-2000:])


@contextmanager
def running(folder: Path, **more: str) -> Iterator[Service]:
    service = launch(folder, None, **more)
    try:
        service.platform = _first_token(service) or _new_token(service)
        yield service
    finally:
        service.stop()


def _first_token(service: Service) -> str | None:
    """Return the platform token that a first start shows once; a command that makes another is a process more."""
    shown = re.search(r"Platform token:\s+(\S+)", (service.folder / "service.log").read_text())
    return shown and shown[1]


def _new_token(service: Service) -> str:
    made = service.command("token", "create", "--platform", "--json")
    assert made.returncode == 0, made.stderr
    token: str = json.loads(made.stdout)["token"]
    return token


def problem(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")
