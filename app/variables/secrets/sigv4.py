"""AWS Signature Version 4: what is signed, and what it looks like in a request. Pure.

Source: AWS Identity and Access Management User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SAFE: Final = "-_.~"
# What a client library or a proxy may still change on the way out.
_NEVER_SIGNED: Final = frozenset({"user-agent", "x-amzn-trace-id", "expect", "transfer-encoding", "accept"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature holds for: a day, a region, a service."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a request is signed with: the signed headers' names and the text that goes through the last HMAC."""

    moment: str
    scope: Scope
    signed_headers: str
    string_to_sign: str

    def authorization(self, access_key_id: str) -> str:
        """Return the Authorization header's value up to the signature, which comes right behind."""
        credential = f"Credential={access_key_id}/{self.scope}"
        return f"{ALGORITHM} {credential}, SignedHeaders={self.signed_headers}, Signature="


@dataclass(frozen=True, slots=True)
class DerivedKeys:
    """The keys that the day's key is the first of; each of them could sign, so none leaves the process."""

    date: bytes = field(repr=False)
    region: bytes = field(repr=False)
    service: bytes = field(repr=False)
    signing: bytes = field(repr=False)

    def sign(self, text: str) -> str:
        """Return the signature in hex."""
        return _hmac(self.signing, text).hex()


def derive(date_key: bytes, scope: Scope) -> DerivedKeys:
    """Derive the signing key from the key of the day, which is the HMAC that only the secret key can make."""
    region = _hmac(date_key, scope.region)
    service = _hmac(region, scope.service)
    return DerivedKeys(date_key, region, service, _hmac(service, "aws4_request"))


def request_to_sign(
    method: str,
    path: str,
    query: str,
    headers: Sequence[tuple[str, str]],
    *,
    payload_hash: str,
    moment: str,
    scope: Scope,
) -> SignedRequest:
    """Return what of a request is signed.

    Args:
        path: As it goes out, percent-encoded.
        headers: As they go out, Host and X-Amz-Date among them.
        moment: As ``20150830T123600Z``.
    """
    names, canonical = _canonical_headers(headers)
    canonical_request = "\n".join(
        (method, _canonical_path(path, scope.service), _canonical_query(query), canonical, names, payload_hash)
    )
    hashed = hashlib.sha256(canonical_request.encode()).hexdigest()
    return SignedRequest(moment, scope, names, "\n".join((ALGORITHM, moment, str(scope), hashed)))


def hash_payload(body: bytes | None) -> str:
    """Return a body's SHA-256 in hex."""
    return hashlib.sha256(body or b"").hexdigest()


def wants_payload_header(service: str) -> bool:
    """Tell whether the service wants the body's hash in ``X-Amz-Content-Sha256``: S3 and its kin do."""
    return service.startswith("s3")


def _canonical_path(path: str, service: str) -> str:
    if wants_payload_header(service):
        return path or "/"
    normal = posixpath.normpath(path) if path else "/"
    normal = "/" + normal.lstrip("/")
    return quote(normal + ("/" if path.endswith(("/", "/.", "/..")) and normal != "/" else ""), safe=f"/{_SAFE}")


def _canonical_query(query: str) -> str:
    pairs = (piece.partition("=") for piece in query.split("&") if piece)
    encoded = sorted((_reencode(name), _reencode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _reencode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_SAFE)


def _canonical_headers(headers: Sequence[tuple[str, str]]) -> tuple[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _NEVER_SIGNED:
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = sorted(values)
    return ";".join(names), "".join(f"{name}:{','.join(values[name])}\n" for name in names)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
