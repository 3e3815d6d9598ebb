"""OpenBao as a child process of ours: starting it on a folder, and asking whether it serves.

Every path in its configuration is relative to the folder, which is its working directory: the folder can be moved,
copied and restored elsewhere, and nothing that OpenBao stores names where it once was. Sources: OpenBao docs, "Static
seal", "Declarative audit devices", "Integrated storage".
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.kernel.errors import ServiceError, VaultUnavailable
from app.vault.answers import VaultResponse
from app.vault.keys import store
from app.vault.options import Server
from app.vault.transport import VaultConnections

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.02
AUDIT_LOG: Final = "audit.log"
"""The audit device's ``file_path``. OpenBao stores it and compares it as text at every start, so it never changes."""
_LOG_BYTES: Final = 10 * 1024 * 1024
AUDIT_BYTES: Final = 64 * 1024 * 1024
"""How long the audit log grows before it is put aside; the one before it goes then, so that both have twice that."""
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server; ``process`` is None where somebody else runs it."""

    address: str
    process: subprocess.Popen[bytes] | None

    @property
    def port(self) -> int:
        """Where its API listens, on loopback."""
        return port_of(self.address)

    @property
    def alive(self) -> bool:
        """Whether it hasn't ended, as far as can be known of one that somebody else runs."""
        return self.process is None or self.process.poll() is None

    def rotate_audit_log(self, folder: Path, *, most: int = AUDIT_BYTES) -> bool:
        """Put the audit log aside as ``audit.log.1`` where it has more than ``most`` bytes, and tell whether it had.

        A disk that it has filled stops every read. What the server writes until it has opened a new one goes on into
        the old one. Source: OpenBao docs, "File audit device", log file rotation.
        """
        log = folder / AUDIT_LOG
        if self.process is None or not self.alive or not log.is_file() or log.stat().st_size <= most:
            return False
        log.replace(folder / f"{AUDIT_LOG}.1")
        self.process.send_signal(signal.SIGHUP)
        return True

    def stop(self) -> None:
        """Stop the server if it is ours, and wait until it has gone; doing it twice does no harm."""
        if self.process is None or not self.alive:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def launch(binary: str, folder: Path, lock: IO[bytes], port: int | None, *, recovery: bool = False) -> Embedded | None:
    """Start the server and wait until it listens; None where its port is taken, or it ended.

    Args:
        lock: the folder's lock, which the server inherits and holds for as long as it lives.
        port: where its API is to listen; None for a free port.
        recovery: start it in recovery mode, which serves the storage alone. Source: OpenBao docs, "Recovery mode".
    """
    ports = _free_ports(port)
    if ports is None:
        return None
    port, cluster = ports
    address = f"http://127.0.0.1:{port}"
    file = "recovery-server.json" if recovery else "server.json"
    store(folder / file, json.dumps(_configuration(port, cluster), indent=2).encode())
    log = folder / "server.log"
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(folder / "server.log.1")
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments, no shell
            [binary, "server", *(["-recovery"] if recovery else []), f"-config={file}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            # Nothing of ours is its business: VAULT_* and BAO_* would even change its configuration. With a heap this
            # small, collecting garbage a third as often takes 24 MiB more and a seventh less CPU.
            env={"PATH": os.defpath, "GOGC": "300"},
            umask=0o077,
            pass_fds=[lock.fileno()],
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    embedded = Embedded(address, process)
    asked = "sys/generate-recovery-token/attempt" if recovery else "sys/health"
    with closing(line_to(address)) as line:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if _ask(line, asked) is not None:
                return embedded
            time.sleep(POLL_SECONDS)
    embedded.stop()
    return None


def _free_ports(port: int | None) -> tuple[int, int] | None:
    """Return a port for the API (this one, where one is wanted) and one for raft, both on loopback.

    None where it is taken: whoever listens there would be asked in our server's place, and may well answer.
    """
    with socket.socket() as api, socket.socket() as cluster:
        api.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            api.bind(("127.0.0.1", port or 0))
        except OSError:
            return None
        cluster.bind(("127.0.0.1", 0))
        return api.getsockname()[1], cluster.getsockname()[1]


def _configuration(port: int, cluster: int) -> dict[str, Any]:
    return {
        "ui": False,
        "api_addr": f"http://127.0.0.1:{port}",
        "cluster_addr": f"https://127.0.0.1:{cluster}",
        "listener": [
            {
                "tcp": {
                    "address": f"127.0.0.1:{port}",
                    "cluster_address": f"127.0.0.1:{cluster}",
                    "tls_disable": True,
                    # The `vault` commands make a root token with the recovery key, and revoke it at once.
                    "disable_unauthed_generate_root_endpoints": False,
                }
            }
        ],
        # One node has nobody to wait for: with the default multiplier the first election takes ten seconds.
        "storage": [{"raft": {"path": "raft", "node_id": "strongroom", "performance_multiplier": 1}}],
        "seal": [{"static": {"current_key_id": "1", "current_key": "file://seal.key"}}],
        # Nobody asks it for metrics, and counting them is a fifteenth of its CPU for a read.
        "telemetry": {"filter_default": False, "disable_hostname": True, "usage_gauge_period": "0s"},
        "audit": [
            {
                "file": {
                    "strongroom": {
                        # Not for the reader only: without a second member HCL takes "options" for a label.
                        "description": "The embedded Vault's own record",
                        "options": {"file_path": AUDIT_LOG, "mode": "0600"},
                    }
                }
            }
        ],
    }


def _die_with_parent() -> Any:
    """Return what makes the kernel kill the child when its parent has gone, where the system can do that (Linux).

    Without it, the server outlives a service that was killed, and the next command finds it by its lock and address.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def between_fork_and_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return between_fork_and_exec


# --- talking to it


def line_to(address: str) -> VaultConnections:
    """Return connections to it; initialising waits for an election and several writes to the disk."""
    return VaultConnections(Server(address, connect_timeout=1.0, read_timeout=30.0))


def serves(address: str) -> bool:
    """Tell whether the server there is unsealed and active."""
    with closing(line_to(address)) as line:
        answer = _ask(line, "sys/health")
        return answer is not None and answer.status == 200


def port_of(address: str) -> int:
    """Return the port of an address such as ``http://127.0.0.1:8200``."""
    return int(address.rpartition(":")[2])


def find_binary() -> str:
    """Return OpenBao's program: the one in this environment, else the one on the path.

    Raises:
        ServiceError: where there is none.
    """
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.exists() else shutil.which("bao")
    if found is None:
        raise ServiceError("OpenBao isn't installed: `bao` is neither in this environment nor on the PATH.")
    return found


def _ask(line: VaultConnections, path: str) -> VaultResponse | None:
    try:
        return line.once("GET", path)
    except VaultUnavailable:
        return None
