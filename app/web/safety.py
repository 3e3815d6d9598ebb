"""The headers that make every answer safer to read for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HSTS_SECONDS: Final = 365 * 24 * 3600


def safety_headers(*, https: bool) -> Mapping[str, str]:
    """Return what every answer has, whoever gives it.

    Args:
        https: Whether browsers reach the service by https, and shall by nothing else from then on (RFC 6797).
    """
    headers = {"X-Content-Type-Options": "nosniff"}
    if https:
        headers["Strict-Transport-Security"] = f"max-age={_HSTS_SECONDS}"
    return headers
