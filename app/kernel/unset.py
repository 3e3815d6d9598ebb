"""The mark of a field that a request didn't name, where ``None`` would mean "take it away"."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Unset(Enum):
    """Has one member, ``UNSET``, so that type checkers can tell it apart."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
