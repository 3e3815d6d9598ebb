"""Signing for a call with a key that lies in transit: an HMAC, a JWT, AWS Signature Version 4.

The entry in KV says which version of the key counts, and holds the binding; the signature is made with that version.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import uuid4

from app.kernel.errors import BindingMismatch
from app.kernel.secret import SecretValue
from app.variables.secrets.references import UsableSecret, check_binding, parts_by_binding
from app.variables.secrets.sigv4 import DerivedKeys, Scope, SignedRequest, derive
from app.variables.secrets.types import Aws4Parts, HmacParts, JwtParts, MadeOf, SignatureEncoding
from app.vault import SecretAddress, Signature, Vault

MESSAGE_BODY_LIMIT: Final = 512 * 1024
"""Of a body that an ``hmac`` secret signs, in bytes."""
_TIMES: Final = 3
"""How often a signature is tried whose key was changed at the same moment."""


@dataclass(frozen=True)
class CallMoment:
    """What every call fills in by itself: when it is made, and an id of its own."""

    at: datetime

    @cached_property
    def uuid(self) -> str:
        """The same in all fields of the call; few calls have one."""
        return str(uuid4())

    def variables(self) -> Mapping[str, object]:
        """Return them as variables of a call's fields."""
        at = self.at.timestamp()
        return {"$timestamp": int(at), "$timestamp_ms": int(at * 1000), "$uuid": self.uuid}


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that a call may sign with: whose it is, what makes the secret up, and which version counts."""

    secret: UsableSecret
    made_of: MadeOf
    version: int
    entry_version: int


class Signing:
    """Makes signatures; bound to Vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def hold(self, secret: UsableSecret, request_ids: list[str]) -> HeldKey:
        """Read which version of a secret's key counts, and compare the binding.

        Args:
            request_ids: Takes Vault's own id of each request.

        Raises:
            BindingMismatch: Vault was told something else, or holds nothing.
            VaultUnavailable: Vault can't be asked.
        """
        stored = self._vault.read_pointer(secret.address)
        if stored.request_id:
            request_ids.append(stored.request_id)
        check_binding(stored, secret)
        version, made_of = stored.pointer.get("key_version"), parts_by_binding(stored, secret)
        if not isinstance(version, int) or made_of is None:
            raise BindingMismatch(f"Vault's entry for {secret.name} names no key. Run `strongroom doctor`.")
        return HeldKey(secret, made_of, version, stored.version)

    def sign_message(self, key: HeldKey, parts: HmacParts, values: Mapping[str, bytes], ids: list[str]) -> SecretValue:
        """Make an ``hmac`` secret's signature.

        Args:
            values: What is filled in in its message, by name.
        """
        message = parts.template.fill(values)
        signature = self._sign(
            key, lambda address, n: self._vault.sign_hmac(address, message, hash_name=parts.hash, key_version=n), ids
        )
        return SecretValue(_encode(signature, parts.encoding))

    def sign_jwt(self, key: HeldKey, parts: JwtParts, moment: CallMoment, ids: list[str]) -> SecretValue:
        """Make a JWT (RFC 7519) that is issued at this moment and good for the secret's lifetime."""
        issued = int(moment.at.timestamp())
        header = {"alg": parts.algorithm, "typ": "JWT"} | ({} if parts.key_id is None else {"kid": parts.key_id})
        claims = json.loads(parts.claims) | {
            "iat": issued,
            "exp": issued + parts.lifetime_seconds,
            "jti": moment.uuid,
        }
        signing_input = f"{_segment(header)}.{_segment(claims)}"
        signature = self._sign(
            key, lambda address, n: self._vault.sign_jws(address, signing_input.encode(), key_version=n), ids
        )
        return SecretValue(f"{signing_input}.{_encode(signature, 'base64url')}")

    def derive_aws_keys(self, key: HeldKey, parts: Aws4Parts, moment: CallMoment, ids: list[str]) -> DerivedKeys:
        """Make the keys for one day, region and service; the first of the HMACs is Vault's."""
        scope = aws_scope(parts, moment)
        date_key = self._sign(
            key,
            lambda address, n: self._vault.sign_hmac(address, scope.date.encode(), hash_name="sha256", key_version=n),
            ids,
        )
        return derive(date_key, scope)

    def _sign(self, key: HeldKey, sign: Callable[[SecretAddress, int], Signature], ids: list[str]) -> bytes:
        """Sign, with the newer key where the older one was taken out of force between the look at it and its use."""
        version = key.version
        for attempt in range(_TIMES):
            try:
                made = sign(key.secret.address, version)
            except BindingMismatch:
                now = self.hold(key.secret, ids)
                if now.version == version or now.made_of != key.made_of or attempt == _TIMES - 1:
                    raise
                version = now.version
            else:
                ids.extend([made.request_id] if made.request_id else [])
                return made.signature
        raise AssertionError("unreachable")  # pragma: no cover


def named_parts(secret: UsableSecret) -> frozenset[str]:
    """Return the names of what a secret's message is filled with, by any of its rules."""
    made_of = [rules.made_of for rules in secret.rules]
    return frozenset(name for each in made_of if isinstance(each, HmacParts) for name in each.template.names)


def aws_scope(parts: Aws4Parts, moment: CallMoment) -> Scope:
    """Return what a signature of this moment holds for."""
    return Scope(moment.at.strftime("%Y%m%d"), parts.region, parts.service)


def aws_signature(keys: DerivedKeys, request: SignedRequest) -> SecretValue:
    """Return the signature of a request, in hex."""
    return SecretValue(keys.sign(request.string_to_sign))


def hidden_keys(keys: DerivedKeys) -> list[SecretValue]:
    """Return the derived keys as values that are looked for in an answer, as bytes and written out."""
    return [SecretValue(raw.decode("latin-1")) for raw in (keys.date, keys.region, keys.service, keys.signing)]


def _segment(document: Mapping[str, object]) -> str:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _encode(signature: bytes, encoding: SignatureEncoding) -> str:
    if encoding == "hex":
        return signature.hex()
    if encoding == "base64":
        return base64.b64encode(signature).decode()
    return base64.urlsafe_b64encode(signature).decode().rstrip("=")
