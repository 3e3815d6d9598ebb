"""Ids that only have to differ from one another. What proves something is drawn by ``secrets``."""

from __future__ import annotations

import os
from random import Random
from typing import Final

# Of its own, so that nobody's seed is felt here. The system's own source lets other threads in at each draw.
_RANDOM: Final = Random()  # noqa: S311
os.register_at_fork(after_in_child=_RANDOM.seed)


def fresh_hex(digits: int) -> str:
    """Return so many hexadecimal digits that nobody has had; a process that was forked draws others."""
    return f"{_RANDOM.getrandbits(4 * digits):0{digits}x}"
