"""Healing an embedded Vault's folder whose storage names an absolute path.

Folders of earlier versions declared their audit device with an absolute ``file_path``. OpenBao stores it, opens that
very path at every start, and seals itself where the configuration names another: such a folder couldn't be moved.
The stored device is deleted in recovery mode, once; the next start stores it anew, with a relative path.
Sources: OpenBao docs, "Recovery mode", "/sys/generate-recovery-token", "/sys/raw".
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import IO

from app.kernel.errors import ServiceError
from app.vault.embedded_folder import explain_start_failure, log_position
from app.vault.embedded_process import AUDIT_LOG, POLL_SECONDS, START_SECONDS, launch, line_to
from app.vault.recovery import generate_token, read_recovery_key
from app.vault.transport import VaultConnections


def names_absolute_paths(folder: Path) -> bool:
    """Tell whether the storage may hold an absolute path of the audit device's.

    ``server.json`` tells it: it is only written with a relative path once the storage holds none but that.
    """
    if not (folder / "recovery.json").exists():
        return False  # never initialised
    try:
        written = json.loads((folder / "server.json").read_bytes())
        (device,) = (named for audit in written["audit"] for named in audit["file"].values())
        return bool(device["options"]["file_path"] != AUDIT_LOG)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


def forget_audit_device(binary: str, folder: Path, lock: IO[bytes]) -> None:
    """Delete the stored audit device. It can be cut off anywhere and done again.

    Raises:
        ServiceError: the storage can't be opened, or the recovery key doesn't fit.
    """
    key, position = read_recovery_key(folder), log_position(folder)
    running = launch(binary, folder, lock, None, recovery=True)
    if running is None:
        raise ServiceError(explain_start_failure(folder, position, None))
    try:
        with closing(line_to(running.address)) as line:
            token = generate_token(line, key, "recovery-token")
            _delete(line, token)
    finally:
        running.stop()
        (folder / "recovery-server.json").unlink(missing_ok=True)


def _delete(line: VaultConnections, token: str) -> None:
    """Delete the entry, once the storage can be written to: a lone node elects itself first."""
    deadline = time.monotonic() + START_SECONDS
    while line.once("DELETE", "sys/raw/core/audit", token=token).status not in (200, 204):
        if time.monotonic() > deadline:
            raise ServiceError("The embedded Vault's storage can't be written to. Is the disk full?")
        time.sleep(POLL_SECONDS)
