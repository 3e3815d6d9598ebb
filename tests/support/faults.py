"""What can go wrong around one request, chosen by a seed: what is done, by whom, what breaks, and at which step.

A seed fixes the plan. It doesn't fix how threads and processes run, so that a fault that needs a certain order may take
several replays.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import requests
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.policies.service import Setup, apply_embedded, read_files
from app.vault import embedded
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts
from tests.support import databases
from tests.support.service import STRONGROOM, Service, environment, launch, running, workers_of
from tests.support.upstream import Handler, Upstream, upstream
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES: Final = Path(__file__).parents[2] / "vault-policies"
STEPS: Final = ("asked", "vault", "before the deed", "after the deed")
"""Where a fault strikes: some time after the first request, as Vault is asked, as the upstream is, or when it acted."""
FAULTS: Final = (
    "nothing",
    "kill",
    "freeze",
    "lease lost",
    "database locked",
    "database cut",
    "vault away",
    "vault broken",
    "upstream cut",
    "upstream slow",
)
RESPAWN_SECONDS: Final = 6.0
"""A server gives up where a worker ends again so soon after it was started anew."""
_DEAD: Final = "UPDATE leases SET renewed_at = renewed_at - 40 WHERE process = :process"
_CUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


@dataclass(frozen=True)
class Client:
    """One who sends the request: to which copy, when, and after how long it gives an answer up."""

    copy: int
    delay: float
    patience: float


@dataclass(frozen=True)
class Plan:
    """What happens under one seed."""

    seed: int
    deed: str
    clients: tuple[Client, ...]
    faults: tuple[tuple[str, str], ...]
    victim: int
    delay: float
    """How long after the first request a fault of the step ``asked`` strikes."""

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Return the plan of a seed."""
        chance = random.Random(seed)
        clients = tuple(
            Client(chance.randrange(2), round(chance.uniform(0, 0.15), 3), chance.choice((0.1, 2.0, 5.0, 5.0)))
            for _ in range(chance.randint(2, 6))
        )
        faults = tuple(
            (chance.choice(FAULTS[1:]) if number else chance.choice(FAULTS), chance.choice(STEPS))
            for number in range(chance.choice((1, 1, 2)))
        )
        deed = chance.choice(("call", "call", "call", "secret", "token"))
        return cls(seed, deed, clients, faults, chance.randrange(2), round(chance.uniform(0, 0.12), 3))


@dataclass
class Stage:
    """Two copies of the service on one database, a proxy before their Vault, and an upstream that counts its deeds."""

    copies: tuple[Service, Service]
    proxy: VaultProxy
    upstream: Upstream
    deeds: list[str] = field(default_factory=list)
    killed_at: float = float("-inf")

    def process_of(self, copy: int) -> str:
        """Return the name of the process that serves a copy, as it is in the leases."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                call = {"url": f"http://127.0.0.1:{self.upstream.port}/warm"}
                answer = self.copies[copy].ask("POST", "/workspaces/acme/calls", call)
                if answer.status_code == 200:
                    return str(answer.json()["call_id"])[16:26]
            time.sleep(0.05)
        raise AssertionError(f"copy {copy} doesn't serve any more")

    def worker_of(self, copy: int) -> int:
        (worker,) = workers_of(self.copies[copy])
        return worker


@contextmanager
def fault_stage(folder: Path) -> Iterator[Stage]:
    """Run everything that faults strike at, in this folder."""
    vault_folder, home, other = (folder / name for name in ("vault", "home", "other"))
    for each in (vault_folder, home, other):
        each.mkdir()
    key = new_signing_key()
    (home / "signing.key").write_bytes(key)
    (home / "secret.key").write_bytes(secrets.token_bytes(32))
    vault = embedded.start(vault_folder)
    try:
        apply_embedded(vault_folder, vault.address, Setup(Mounts(), read_files(POLICIES), [public_key(key)]))
        with vault_proxy(vault.address) as proxy, upstream() as far:
            (home / "var").mkdir()
            more = {
                "VAULT_ADDR": proxy.address,
                "DATABASE_URL": databases.url_for(home),
                "STRONGROOM_SIGNING_KEY_FILE": str(home / "signing.key"),
                "STRONGROOM_SECRET_KEY_FILE": str(home / "secret.key"),
                "STRONGROOM_WORKERS": "1",
                "STRONGROOM_RECONCILE_SECONDS": "2",
            }
            upgrade = [str(STRONGROOM), "db", "upgrade"]
            assert subprocess.run(upgrade, env=environment(home, 1, **more), timeout=120).returncode == 0
            with running(home, **more) as first:
                second = launch(other, None, **more)
                second.platform = first.platform
                try:
                    stage = Stage((first, second), proxy, far)
                    _furnish(stage)
                    yield stage
                finally:
                    second.stop()
    finally:
        vault.stop()


def _furnish(stage: Stage) -> None:
    first, host = stage.copies[0], f"127.0.0.1:{stage.upstream.port}"
    assert first.ask("POST", "/workspaces", {"name": "acme"}).status_code == 201
    secret = {"name": "TOKEN", "value": secrets.token_hex(16), "visibility": "masked", "allowed_hosts": [host]}
    assert first.ask("POST", "/workspaces/acme/secrets", secret).status_code == 201


class Striker:
    """Brings a plan's faults about, each once, when its step is reached; bound to one seed's run."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._lock = threading.Lock()
        self._struck: set[tuple[str, str]] = set()
        self._undo: list[threading.Timer] = []
        self._processes = [stage.process_of(copy) for copy in (0, 1)]
        self.killed = False

    def reach(self, step: str) -> None:
        """Say that a step was reached."""
        for fault in self._plan.faults:
            with self._lock:
                if fault[1] != step or fault in self._struck:
                    continue
                self._struck.add(fault)
            self._strike(fault[0])

    def upstream_script(self, handler: Handler) -> None:
        """Be the upstream: act once for each request that isn't cut before, and say so."""
        self.reach("before the deed")
        if ("upstream cut", "before the deed") in self._plan.faults:
            handler.reset()
            return
        self._stage.deeds.append(handler.path)
        self.reach("after the deed")
        if any(fault == "upstream slow" for fault, _step in self._plan.faults):
            time.sleep(0.4)
        if any(fault == "upstream cut" for fault, _step in self._plan.faults):
            handler.reset()
            return
        with suppress(OSError):
            handler.answer(b'{"done": true}')

    def heal(self) -> None:
        """Undo what is still broken; what was killed is dead for good, whatever its lease says."""
        for timer in self._undo:
            timer.join()
        self._stage.proxy.away, self._stage.proxy.fault = False, None
        if self.killed:
            self._stage.process_of(self._plan.victim)
            self._lose_lease()

    def _strike(self, fault: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "lease lost": self._lose_lease,
            "database locked": self._lock_database,
            "database cut": self._cut_database,
            "vault away": self._leave_vault,
            "vault broken": self._break_vault,
        }
        if fault in actions:
            actions[fault]()

    def _kill(self) -> None:
        if self.killed:
            return
        os.kill(self._stage.worker_of(self._plan.victim), signal.SIGKILL)
        self.killed, self._stage.killed_at = True, time.monotonic()

    def _freeze(self) -> None:
        """Have a worker stand still, for as long as it takes others to believe that it's dead."""
        worker = self._stage.worker_of(self._plan.victim)
        os.kill(worker, signal.SIGSTOP)
        self._lose_lease()
        self._later(0.5, lambda: _go_on(worker))

    def _lose_lease(self) -> None:
        with suppress(SQLAlchemyError), databases.connected(self._stage.copies[0].database_url) as connection:
            connection.execute(text(_DEAD), {"process": self._processes[self._plan.victim]})

    def _lock_database(self) -> None:
        url = self._stage.copies[0].database_url
        locked = threading.Event()

        def _hold() -> None:
            # Another fault of the same plan may cut the holder off.
            with suppress(SQLAlchemyError), databases.connected(url) as connection:
                if url.startswith("sqlite"):
                    connection.execute(text("UPDATE chain_heads SET seq = seq"))
                else:
                    connection.execute(text("LOCK TABLE chain_heads IN EXCLUSIVE MODE"))
                locked.set()
                time.sleep(0.4)

        holder = threading.Thread(target=_hold)
        holder.start()
        locked.wait(5)
        self._later(0.4, holder.join)

    def _cut_database(self) -> None:
        if not self._stage.copies[0].database_url.startswith("sqlite"):
            # A cut that strikes at the same moment ends this connection with all others.
            with suppress(SQLAlchemyError), databases.connected(self._stage.copies[0].database_url) as connection:
                connection.execute(text(_CUT))

    def _leave_vault(self) -> None:
        self._stage.proxy.away = True
        self._later(0.3, lambda: setattr(self._stage.proxy, "away", False))

    def _break_vault(self) -> None:
        kinds = ("answer", "cut before", "cut after")
        self._stage.proxy.fault = Fault(kinds[self._plan.seed % 3], times=2)  # type: ignore[arg-type]

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, undo)
        self._undo.append(timer)
        timer.start()


def _go_on(worker: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGCONT)
