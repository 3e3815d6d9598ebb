"""The embedded Vault: the real OpenBao server as a child process, for one machine.

It keeps everything in one folder that only its owner may enter::

    address         where it listened last (http://127.0.0.1:<port>)
    audit.log       OpenBao's own record; audit.log.1 is what came before
    lock            held by the living server, so that no two use the folder
    raft/           the storage, encrypted
    recovery.json   the recovery key: with it a root token can be made
    seal.key        the key that unseals the storage
    server.json     its configuration, written anew at every start
    server.log      what it prints

Whoever can read this folder owns every value in it. It can be moved, copied and restored elsewhere, as a whole.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import IO, Final

from app.kernel.errors import ServiceError, VaultUnavailable
from app.vault.embedded_folder import (
    FolderInUse,
    explain_start_failure,
    is_held,
    last_address,
    lock_folder,
    log_position,
    prepare_folder,
)
from app.vault.embedded_heal import forget_audit_device, names_absolute_paths
from app.vault.embedded_process import (
    POLL_SECONDS,
    START_SECONDS,
    Embedded,
    find_binary,
    launch,
    line_to,
    port_of,
    serves,
)
from app.vault.keys import store

__all__ = ["Embedded", "FolderInUse", "find_or_start", "start"]

_PORT_TRIES: Final = 5
_PATIENCE_SECONDS: Final = 5.0
"""How long a complaint of the server may stand in its log before it counts as the reason why it doesn't come up."""


def find_or_start(folder: Path, *, port: int | None = None) -> Embedded:
    """Use the server that runs on this folder, or start one.

    Raises:
        ServiceError: the folder can't be used, or the server doesn't come up.
        VaultUnavailable: a server holds the folder and doesn't answer.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not is_held(folder):
            try:
                return start(folder, port=port)
            except FolderInUse:  # another command was quicker
                continue
        address = last_address(folder)
        if address is not None and serves(address):
            return Embedded(address, None)
        time.sleep(POLL_SECONDS)
    raise VaultUnavailable(
        f"A Vault server holds {folder} and doesn't answer. Stop the process that `fuser {folder / 'lock'}` names."
    )


def start(folder: Path, *, port: int | None = None) -> Embedded:
    """Start a server on this folder and wait until it serves; the first start initialises it.

    It lives in a session of its own, so that Ctrl-C reaches the service first, and dies with the thread that called
    this (so call it in one that stays).

    Args:
        port: None takes the port of last time, else a free one.

    Raises:
        FolderInUse: a living server holds the folder.
        ServiceError: OpenBao isn't installed, a file is missing or damaged, or the server doesn't come up.
    """
    binary = find_binary()
    folder = folder.absolute()
    prepare_folder(folder)
    with lock_folder(folder) as lock:
        if names_absolute_paths(folder):
            forget_audit_device(binary, folder, lock)
        position = log_position(folder)
        embedded = _launch(binary, folder, lock, port)
        if embedded is None:
            raise ServiceError(explain_start_failure(folder, position, port))
    try:
        _initialise(folder, embedded.address)
        _await(embedded, folder, position)
        _revoke_first_root(folder, embedded.address)
    except BaseException:
        embedded.stop()
        raise
    store(folder / "address", f"{embedded.address}\n".encode())
    return embedded


def _launch(binary: str, folder: Path, lock: IO[bytes], port: int | None) -> Embedded | None:
    last = last_address(folder)
    ports = [port] if port is not None else [port_of(last) if last else None] + [None] * (_PORT_TRIES - 1)
    for wanted in ports:
        embedded = launch(binary, folder, lock, wanted)
        if embedded is not None:
            return embedded
    return None


def _initialise(folder: Path, address: str) -> None:
    """Initialise a new store, and have the recovery key on the disk before anything else can happen."""
    with closing(line_to(address)) as line:
        if line.once("GET", "sys/init").document["initialized"]:
            return
        if (folder / "recovery.json").exists():
            raise ServiceError(
                f"The storage in {folder / 'raft'} is missing or empty, and recovery.json says that there was one."
                " Bring the whole folder back from a backup, or move it away to begin anew."
            )
        store(folder / "initialising", b"")
        answer = line.once("PUT", "sys/init", body={"recovery_shares": 1, "recovery_threshold": 1})
    if answer.status != 200:
        raise ServiceError(
            f"OpenBao can't initialise the storage in {folder / 'raft'}. Is the disk full, or part of an older storage"
            " left there? Move the folder away to begin anew."
        )
    first = {"recovery_key": answer.document["recovery_keys_base64"][0], "root_token": answer.document["root_token"]}
    store(folder / "recovery.json", json.dumps(first).encode())
    (folder / "initialising").unlink()


def _await(embedded: Embedded, folder: Path, position: int) -> None:
    """Wait until the server is unsealed and active."""
    began = time.monotonic()
    while not serves(embedded.address):
        waited = time.monotonic() - began
        known = waited > _PATIENCE_SECONDS and explain_start_failure(folder, position, None, known_only=True)
        if known or not embedded.alive or waited > START_SECONDS:
            raise ServiceError(explain_start_failure(folder, position, None))
        time.sleep(POLL_SECONDS)


def _revoke_first_root(folder: Path, address: str) -> None:
    """Revoke the root token that came with the initialisation; it stands in the file only until this is done."""
    try:
        kept = json.loads((folder / "recovery.json").read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        raise ServiceError(f"{folder / 'recovery.json'} is damaged. Bring it back from a backup.") from None
    if "root_token" not in kept:
        return
    with closing(line_to(address)) as line:
        answer = line.ask("POST", "auth/token/revoke-self", token=kept["root_token"], repeat=True)
    if answer.status not in (200, 204, 403):  # 403: revoked already, and cut off before the file was written
        raise ServiceError("The embedded Vault's first root token can't be revoked. Start again.")
    store(folder / "recovery.json", json.dumps({"recovery_key": kept["recovery_key"]}).encode())
