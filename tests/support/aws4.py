"""How AWS checks a signed request, written down once more from its documentation."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from tests.support.upstream import Seen


def signature_of(seen: Seen, key: str, service: str, region: str) -> str:
    """Sign a request as it arrived with this secret access key; the headers are those that it names as signed."""
    signed = re.search(r"SignedHeaders=([^,]+),", seen.header("Authorization") or "")
    assert signed
    date = seen.header("X-Amz-Date") or ""
    path, _, query = seen.path.partition("?")
    canonical = "\n".join(
        [
            seen.method,
            path if service == "s3" else quote(path, safe="/-_.~"),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join((seen.header(name) or '').split())}" for name in signed[1].split(";")),
            "",
            signed[1],
            hashlib.sha256(seen.body).hexdigest(),
        ]
    )
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    derived = f"AWS4{key}".encode()
    for piece in scope.split("/"):
        derived = hmac.digest(derived, piece.encode(), "sha256")
    return hmac.digest(derived, text.encode(), "sha256").hex()
