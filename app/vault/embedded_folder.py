"""The embedded Vault's folder: its lock, the files without which it can't open, and why it didn't, in words."""

from __future__ import annotations

import fcntl
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from app.kernel.errors import ServiceError
from app.vault.keys import store

_LOCK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02

_REASONS: Final[Sequence[tuple[str, str]]] = (
    (
        r"message authentication failed|invalid key: failed to decrypt",
        "seal.key isn't the key that this storage was made with. Bring seal.key back from the same backup as raft/.",
    ),
    (r'Error configuring seal "static"', "seal.key can't be used: it must be a readable file of 32 bytes."),
    (
        r"invalid database|failed to open bolt file|checksum error|unexpected EOF",
        "The storage in raft/ is damaged. Bring the whole folder back from a backup.",
    ),
    (r"no space left on device", "The disk is full. Make room, and start again."),
    (r"read-only file system", "The folder is on a file system that can't be written to."),
    (
        r"permission denied",
        "A file in the folder belongs to another user: give the folder and all in it to the user of this process"
        " (chown -R).",
    ),
    (
        r"(audit|sanity check|audit\.log).*(is a directory|not a regular|failed)|failed to (setup|validate) audit",
        "The audit log can't be opened: audit.log must be a file that this process may write to.",
    ),
    (r"address already in use", "A port that it needs is taken."),
)
"""What OpenBao prints when it doesn't come up, and what to do about it."""


class FolderInUse(ServiceError):
    """A living server holds the folder already."""


def prepare_folder(folder: Path) -> None:
    """Make the folder where there is none, for its owner's eyes alone.

    Raises:
        ServiceError: it can't be made, or belongs to another user.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise ServiceError(f"The embedded Vault's folder {folder} can't be used: {error.strerror}.") from None


@contextmanager
def lock_folder(folder: Path) -> Iterator[IO[bytes]]:
    """Hold the folder's lock and bring the folder in order.

    The server inherits the lock, so it is held for as long as that one lives, and no longer.

    Raises:
        FolderInUse: a living server holds it.
        ServiceError: a file that opens the storage is missing.
    """
    try:
        file = (folder / "lock").open("ab")
    except OSError as error:
        raise ServiceError(f"The embedded Vault's folder {folder} can't be used: {error.strerror}.") from None
    with file:
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
        try:
            _undo_half_initialisation(folder)
            _prepare_seal_key(folder)
        except OSError as error:
            raise ServiceError(f"The embedded Vault's folder {folder} can't be used: {error.strerror}.") from None
        yield file


def is_held(folder: Path) -> bool:
    """Tell whether a living server holds the folder."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def last_address(folder: Path) -> str | None:
    """Return where the server listened last, or None where it never did."""
    try:
        return (folder / "address").read_text().strip()
    except FileNotFoundError:
        return None


def log_position(folder: Path) -> int:
    """Return how long the server's log is, in bytes: what comes after it is of the next start."""
    try:
        return (folder / "server.log").stat().st_size
    except FileNotFoundError:
        return 0


def explain_start_failure(folder: Path, position: int, port: int | None, *, known_only: bool = False) -> str:
    """Say in words why the server doesn't come up, and what to do.

    Args:
        position: where in the server's log this start begins, in bytes.
        port: the port that was asked for, if one was.
        known_only: return "" where the log holds no complaint that is known.
    """
    try:
        log = (folder / "server.log").read_bytes()
    except OSError:
        log = b""
    text = (log[position:] if len(log) >= position else log).decode(errors="replace")
    for pattern, reason in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return f"The embedded Vault in {folder} can't open. {reason}"
    if known_only:
        return ""
    taken = f" Is port {port} taken?" if port is not None else ""
    return f"The embedded Vault in {folder} doesn't start.{taken} {_last_complaint(text)}"


def _last_complaint(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line.lower()]
    return f"OpenBao says: {lines[-1][:300]}" if lines else f"OpenBao says nothing about it in {'server.log'}."


def _undo_half_initialisation(folder: Path) -> None:
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
    if (folder / "recovery.json").exists() or any((folder / "raft").iterdir()):
        raise ServiceError(
            f"seal.key is missing from the embedded Vault's folder {folder}. Bring it back: nothing else opens it."
        )
    store(folder / "seal.key", secrets.token_bytes(32))
