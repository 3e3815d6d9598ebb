"""The least versions that we work with, and why: older ones take a ``+`` that a template renders for a wildcard. Pure.

Source: change logs of HashiCorp Vault (Community Edition 2.0.4; Enterprise 1.19.20, 1.20.14, 1.21.9) and of OpenBao
(2.6.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

Version = tuple[int, int, int]

LEAST_OPENBAO: Final[Version] = (2, 6, 0)
LEAST_COMMUNITY: Final[Version] = (2, 0, 4)
LEAST_ENTERPRISE: Final[tuple[Version, ...]] = ((1, 19, 20), (1, 20, 14), (1, 21, 9), (2, 0, 4))
"""Of each line that is still mended the first that we work with."""
LEAST_IN_WORDS: Final = "HashiCorp Vault 2.0.4 (Enterprise 1.19.20, 1.20.14, 1.21.9) or OpenBao 2.6.0"
PLUS_IN_WORDS: Final = (
    f"before {LEAST_IN_WORDS} a + that a template renders is a wildcard: whoever signs logins reaches more than one"
    " workspace with it"
)
SLASH_IN_WORDS: Final = (
    "a name with a slash reaches past its place: set deny_slash_in_templated_paths = true in HashiCorp Vault's"
    " configuration"
)
_NUMBERS: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def version_warning(health: Mapping[str, Any]) -> str | None:
    """Say in words that a server is older than the least that we work with; None where it isn't, or doesn't tell.

    Args:
        health: what ``sys/health`` answered.
    """
    told = str(health.get("version") or "")
    numbers = _NUMBERS.match(told)
    if numbers is None:
        return None
    version = int(numbers[1]), int(numbers[2]), int(numbers[3])
    # OpenBao counts anew from 2.0 on; only HashiCorp's says of itself whether it is a performance standby.
    if "performance_standby" not in health and "enterprise" not in health:
        return None if version >= LEAST_OPENBAO else _words("OpenBao", told)
    if "+ent" in told or health.get("enterprise"):
        line = [least for least in LEAST_ENTERPRISE if least[:2] == version[:2]]
        sound = version >= line[0] if line else version > LEAST_ENTERPRISE[-1]
        return None if sound else _words("Vault Enterprise", told)
    return None if version >= LEAST_COMMUNITY else _words("HashiCorp Vault", told)


def _words(product: str, version: str) -> str:
    return f"{product} {version} is older than we work with: {PLUS_IN_WORDS}. Bring it up to date."
