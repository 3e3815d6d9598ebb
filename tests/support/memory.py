"""Looking for bytes in the memory of a process, as who may debug it can. Source: proc(5), ``/proc/<pid>/mem``."""

from __future__ import annotations

import re
from pathlib import Path


def holds(pid: int, wanted: bytes) -> bool:
    """Tell whether a process has these bytes anywhere in memory that it can write to."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in re.findall(r"^(\w+)-(\w+) rw", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE):
            try:
                memory.seek(int(start, 16))
                held = memory.read(int(end, 16) - int(start, 16))
            except (OSError, OverflowError, ValueError):
                continue  # pages of the kernel, or gone meanwhile
            if wanted in held:
                return True
    return False
