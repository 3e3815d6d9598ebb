"""How commands end. Click's own code for a wrong call is 2, too."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
TO_DO: Final = 2
