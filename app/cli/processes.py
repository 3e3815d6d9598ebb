"""What the processes of one ``strongroom serve`` ask of the kernel. Source: prctl(2)."""

from __future__ import annotations

import ctypes
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15

WORKER: Final = "strongroom:work"
CARETAKER: Final = "strongroom:care"


def end_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent is gone, however that went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def set_process_name(name: str) -> None:
    """Name this process, as ``ps -o comm`` and ``top`` show it.

    Args:
        name: 15 bytes at most.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
