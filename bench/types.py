"""What each type of secret costs beside a value in KV: a signature made in Vault, a token that lives, a renewal."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.candidates import Candidate, Compared
from bench.service import Filled, Strongroom, host_of

VALUE: Final = "ours-kv-hot"
_RENEWALS: Final = 50
_HOT: Final = ("hmac", "jwt-es256", "jwt-rs256", "aws4", "oauth2")


def candidates_by_type(service: Strongroom, filled: Filled, url: str) -> dict[str, Candidate]:
    """Make a secret of each type and a block that uses it; name what presses them."""
    there = {"visibility": "restricted", "allowed_hosts": [host_of(url)]}
    for name, more in _bodies(url).items():
        secret = name.replace("-", "_").upper()
        service.ask("POST", f"/workspaces/{filled.name}/secrets", {"name": secret, **there, **more})
        service.ask("POST", f"/workspaces/{filled.name}/blocks", _block(name, secret, url))

    def candidate(name: str) -> Candidate:
        asked = filled.runs(service, [name])
        return Candidate(lambda: asked, lambda: service.pids, lambda: service.vault_pids)

    return {f"ours-{name}": candidate(name) for name in _HOT}


def _bodies(url: str) -> Mapping[str, Mapping[str, Any]]:
    key = "of-thirty-two-bytes-or-a-few-more"
    return {
        "hmac": {"type": "hmac", "key": key, "message": "v0:{{$timestamp}}:{{$body}}", "allowed_places": ["header"]},
        "jwt-es256": {"type": "jwt", "key": _pem(ec.generate_private_key(ec.SECP256R1())), "algorithm": "ES256"},
        "jwt-rs256": {"type": "jwt", "key": _pem(rsa.generate_private_key(65537, 2048)), "algorithm": "RS256"},
        "aws4": {"type": "aws4", "access_key_id": "AKIDEXAMPLE", "secret_access_key": key, "region": "us-east-1",
                 "service": "s3"},
        "oauth2": {"type": "oauth2", "grant": "client_credentials", "client_id": "bench", "client_secret": key,
                   "token_url": f"http://{host_of(url)}/token"},
    }  # fmt: skip


def _pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    made: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return made.decode()


def _block(name: str, secret: str, url: str) -> Mapping[str, Any]:
    field = f"{{{{secrets.{secret}}}}}"
    headers = {"hmac": {"X-Signature": field, "Authorization": "none"}, "aws4": {}}.get(
        name, {"Authorization": f"Bearer {field}"}
    )
    call: dict[str, Any] = {"method": "GET", "url": url}
    call["headers"] = [{"name": each, "value": value} for each, value in headers.items()]
    if name == "aws4":
        call["auth"] = {"type": "aws4", "secret": secret}
    return {"name": name, "title": name, "call": call}


def time_renewals(service: Strongroom, filled: Filled) -> float:
    """Return the median milliseconds of a token's renewal: intent, lock, token URL, Vault, outcome."""
    took = []
    for _ in range(_RENEWALS):
        began = time.perf_counter()
        service.ask("POST", f"/workspaces/{filled.name}/secrets/OAUTH2/renew", {})
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def ratios(compared: Compared, renewal_ms: float) -> dict[str, float]:
    """Return for each type how many calls a second it makes for one with a value in KV, at 16 connections.

    ``renewal`` is how long one takes, beside one call with a value in KV at one connection.
    """
    value = compared[VALUE]
    found = {name: compared[f"ours-{name}"][16].middle.throughput / value[16].middle.throughput for name in _HOT}
    return {**found, "renewal": renewal_ms / value[1].middle.p50}
