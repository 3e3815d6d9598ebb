"""The embedded Vault: the real OpenBao server as a child process, for one machine.

It keeps everything in one folder that only its owner may enter::

    address         where it listened last (http://127.0.0.1:<port>)
    audit.log       OpenBao's own record
    lock            held by the living server, so that no two use the folder
    raft/           the storage, encrypted
    recovery.json   the recovery key: with it a root token can be made
    seal.key        the key that unseals the storage
    server.json     its configuration, written anew at every start
    server.log      what it prints

Whoever can read this folder owns every value in it. Sources: OpenBao docs, "Static seal", "Declarative audit devices",
"Integrated storage".
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.kernel.errors import ServiceError, VaultUnavailable
from app.vault.keys import store
from app.vault.options import Server
from app.vault.transport import Answer, Line

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
_LOCK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_PORT_TRIES: Final = 5
_LOG_BYTES: Final = 10 * 1024 * 1024
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running server; ``process`` is None where somebody else runs it."""

    address: str
    process: subprocess.Popen[bytes] | None

    @property
    def port(self) -> int:
        """Where its API listens, on loopback."""
        return _port_of(self.address)

    @property
    def alive(self) -> bool:
        """Whether it hasn't ended, as far as can be known of one that somebody else runs."""
        return self.process is None or self.process.poll() is None

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


def find_or_start(folder: Path, *, port: int | None = None) -> Embedded:
    """Use the server that runs on this folder, or start one.

    Raises:
        ServiceError, VaultUnavailable: as ``start`` does.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not _held(folder):
            try:
                return start(folder, port=port)
            except FolderInUse:  # another command was quicker
                continue
        address = _last_address(folder)
        if address is not None and _serves(address):
            return Embedded(address, None)
        time.sleep(_POLL_SECONDS)
    raise VaultUnavailable("A Vault server holds its folder and doesn't answer. See server.log there.")


def start(folder: Path, *, port: int | None = None) -> Embedded:
    """Start a server on this folder and wait until it serves; the first start initialises it.

    It lives in a session of its own, so that Ctrl-C reaches the service first, and dies with the thread that called
    this (so call it in one that stays). ``port`` None takes the port of last time, else a free one.

    Raises:
        FolderInUse: where a living server holds the folder.
        ServiceError: where OpenBao isn't installed, a key file is missing, or the server doesn't come up.
    """
    binary = _binary()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with _lock(folder) as lock:
        _mend(folder)
        _prepare_seal_key(folder)
        ports = [port] if port is not None else [_last_port(folder)] + [None] * (_PORT_TRIES - 1)
        for wanted in ports:
            embedded = _launch(binary, folder, lock, wanted)
            if embedded is not None:
                break
        else:
            taken = f" Is port {port} taken?" if port is not None else ""
            raise ServiceError(f"The embedded Vault doesn't start.{taken} See server.log in its folder.")
    try:
        _initialise(folder, embedded.address)
        _await(embedded)
        _revoke_first_root(folder, embedded.address)
    except BaseException:
        embedded.stop()
        raise
    store(folder / "address", f"{embedded.address}\n".encode())
    return embedded


class FolderInUse(ServiceError):
    """A living server holds the folder already."""


# --- the folder


def _binary() -> str:
    """Return OpenBao's program: the one in this environment, else the one on the path."""
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.exists() else shutil.which("bao")
    if found is None:
        raise ServiceError("OpenBao isn't installed: `bao` is neither in this environment nor on the PATH.")
    return found


@contextmanager
def _lock(folder: Path) -> Iterator[IO[bytes]]:
    """Hold the folder's lock. The server inherits it, so it is held for as long as that one lives, and no longer."""
    with (folder / "lock").open("ab") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # One that was told to stop a moment ago may still be on its way out.
                if time.monotonic() > deadline:
                    raise FolderInUse("Another Vault server is running on this folder already.") from None
                time.sleep(_POLL_SECONDS)
        yield file


def _held(folder: Path) -> bool:
    """Tell whether a living server holds the folder."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _mend(folder: Path) -> None:
    """Undo an initialisation that was cut off before its recovery key was stored.

    ``initialising`` stands from before the first word to the server until the key is on the disk. A store that was
    made meanwhile holds no value: nobody ever had a token for it.
    """
    if (folder / "initialising").exists() and not (folder / "recovery.json").exists():
        shutil.rmtree(folder / "raft", ignore_errors=True)
    (folder / "initialising").unlink(missing_ok=True)
    (folder / "raft").mkdir(exist_ok=True, mode=0o700)


def _prepare_seal_key(folder: Path) -> None:
    if (folder / "seal.key").exists():
        return
    if (folder / "recovery.json").exists():
        raise ServiceError(
            "seal.key is missing from the embedded Vault's folder. Bring it back: nothing else opens it."
        )
    store(folder / "seal.key", secrets.token_bytes(32))


def _last_address(folder: Path) -> str | None:
    try:
        return (folder / "address").read_text().strip()
    except FileNotFoundError:
        return None


def _last_port(folder: Path) -> int | None:
    address = _last_address(folder)
    return _port_of(address) if address else None


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


# --- the process


def _launch(binary: str, folder: Path, lock: IO[bytes], port: int | None) -> Embedded | None:
    """Start the server and wait until it listens; None where its port is taken, or it ended."""
    ports = _free_ports(port)
    if ports is None:
        return None
    port, cluster = ports
    address = f"http://127.0.0.1:{port}"
    store(folder / "server.json", json.dumps(_configuration(folder, port, cluster), indent=2).encode())
    log = folder / "server.log"
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(folder / "server.log.1")
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own program, our own arguments, no shell
            [binary, "server", f"-config={folder / 'server.json'}"],
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
    with closing(_line(address)) as line:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if _health(line) is not None:
                return embedded
            time.sleep(_POLL_SECONDS)
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


def _configuration(folder: Path, port: int, cluster: int) -> dict[str, Any]:
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
        "storage": [{"raft": {"path": str(folder / "raft"), "node_id": "strongroom", "performance_multiplier": 1}}],
        "seal": [{"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}}],
        "audit": [
            {
                "file": {
                    "strongroom": {
                        # Not for the reader only: without a second member HCL takes "options" for a label.
                        "description": "The embedded Vault's own record",
                        "options": {"file_path": str(folder / "audit.log"), "mode": "0600"},
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


def _line(address: str) -> Line:
    # Initialising waits for an election and several writes to the disk.
    return Line(Server(address, connect_timeout=1.0, read_timeout=30.0))


def _health(line: Line) -> Answer | None:
    try:
        return line.once("GET", "sys/health")
    except VaultUnavailable:
        return None


def _serves(address: str) -> bool:
    with closing(_line(address)) as line:
        answer = _health(line)
        return answer is not None and answer.status == 200


def _initialise(folder: Path, address: str) -> None:
    """Initialise a new store, and have the recovery key on the disk before anything else can happen."""
    with closing(_line(address)) as line:
        if line.once("GET", "sys/init").document["initialized"]:
            return
        store(folder / "initialising", b"")
        answer = line.once("PUT", "sys/init", body={"recovery_shares": 1, "recovery_threshold": 1})
    if answer.status != 200:
        raise ServiceError("The embedded Vault can't be initialised. See server.log in its folder.")
    made = {"recovery_key": answer.document["recovery_keys_base64"][0], "root_token": answer.document["root_token"]}
    store(folder / "recovery.json", json.dumps(made).encode())
    (folder / "initialising").unlink()


def _await(embedded: Embedded) -> None:
    """Wait until the server is unsealed and active."""
    deadline = time.monotonic() + START_SECONDS
    while not _serves(embedded.address):
        if embedded.process is None or embedded.process.poll() is not None or time.monotonic() > deadline:
            raise ServiceError("The embedded Vault doesn't come up. See server.log in its folder.")
        time.sleep(_POLL_SECONDS)


def _revoke_first_root(folder: Path, address: str) -> None:
    """Revoke the root token that came with the initialisation; it stands in the file only until this is done."""
    try:
        kept = json.loads((folder / "recovery.json").read_bytes())
    except FileNotFoundError:
        return
    if "root_token" not in kept:
        return
    with closing(_line(address)) as line:
        answer = line.ask("POST", "auth/token/revoke-self", token=kept["root_token"], repeat=True)
    if answer.status not in (200, 204, 403):  # 403: revoked already, and cut off before the file was written
        raise ServiceError("The embedded Vault's first root token can't be revoked. See server.log in its folder.")
    store(folder / "recovery.json", json.dumps({"recovery_key": kept["recovery_key"]}).encode())
