"""What a call's secrets give it: values that are read, and signatures that are made for this one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.audit.service import Deed
from app.kernel.errors import PayloadTooLarge
from app.kernel.secret import SecretValue
from app.outbound.inject import authority
from app.outbound.model import Call, Field, Origin, Prepared, Slot, Text
from app.resources import Resources
from app.variables.secrets.guesses import note_guesses, select_restricted
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.message import OF_THE_REQUEST
from app.variables.secrets.oauth2 import AccessTokens, HeldToken
from app.variables.secrets.references import UsableSecret, check_binding, unless_changed
from app.variables.secrets.signing import (
    MESSAGE_BODY_LIMIT,
    CallMoment,
    HeldKey,
    Signing,
    aws_scope,
    aws_signature,
    hidden_keys,
    named_parts,
)
from app.variables.secrets.sigv4 import hash_payload, request_to_sign, wants_payload_header
from app.variables.secrets.types import Aws4Parts, HmacParts, JwtParts
from app.vault import StoredValue

_UNSIGNED: Final = SecretValue("x")
"""What stands in a signature's place while the request is written that it is made over."""


@dataclass(slots=True, repr=False)
class Material:
    """What a call goes out with: values, keys to sign with, and what is hidden in the answer besides."""

    values: dict[str, SecretValue] = field(default_factory=dict)
    keys: dict[str, HeldKey] = field(default_factory=dict)
    tokens: dict[str, HeldToken] = field(default_factory=dict)
    hidden: list[tuple[str, SecretValue]] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    """Vault's own, as the record has them."""

    def take(self, held: HeldToken) -> None:
        """Take a token, in the place of an older one that stays hidden."""
        name = held.secret.name
        if (older := self.values.get(name)) is not None:
            self.hidden.append((name, older))
        self.tokens[name], self.values[name] = held, held.value
        self.hidden += [(name, value) for value in held.hidden]


class Credentials:
    """Reads values, and signs; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._signing = Signing(resources.vault)
        self._tokens = AccessTokens(resources)

    def require_signable(self, call: Call, secrets: Mapping[str, UsableSecret]) -> None:
        """Do nothing where everything that is to be signed can be.

        Raises:
            PayloadTooLarge: The body is longer than what a message may hold; nothing was read.
        """
        bodies = [name for name, secret in secrets.items() if "$body" in named_parts(secret)]
        if bodies and self._resources.outbound.body_size(call) > MESSAGE_BODY_LIMIT:
            raise PayloadTooLarge(
                f"The secret {bodies[0]} signs the body, which has more than {MESSAGE_BODY_LIMIT // 1024} KiB."
            )

    def read(self, secrets: Mapping[str, UsableSecret], deed: Deed, call: Call, changes: int | None) -> Material:
        """Read what each secret gives, and compare its binding.

        Args:
            call: The call that they are for; its time is also how long to wait for somebody who renews a token.
            changes: How many changes there were when the secrets were looked up; None: read as if for the first time.

        Raises:
            Conflict, BindingMismatch, VaultUnavailable, ReconnectRequired, TokenUnavailable: A secret could not be
                used.
            NotGranted, Unprocessable: A value that Vault's operators manage isn't granted for this call, or isn't fit.
        """
        material, versions = Material(), dict[str, int | None]()
        requests = material.request_ids
        for name, secret in secrets.items():
            with unless_changed(secret, sessions=self._resources.sessions):
                if secret.type in ("hmac", "jwt", "aws4"):
                    key = self._signing.hold(secret, requests)
                    versions[name], material.keys[name] = key.entry_version, key
                elif secret.type == "oauth2":
                    held = self._tokens.use(
                        secret, access=deed.access, patience=call.timeout_seconds, request_ids=requests
                    )
                    versions[name] = held.entry_version
                    material.take(held)
                else:
                    stored = self._read_value(secret, call.origin, changes)
                    requests.extend(stored.request_ids)
                    versions[name], material.values[name] = stored.version, stored.value
                    deed.detail |= {"vault_request_ids": requests, "secret_versions": versions}
                    check_binding(stored, secret)
            deed.detail |= {"vault_request_ids": requests, "secret_versions": versions}
        return material

    def note_guesses(self, secrets: Mapping[str, UsableSecret], material: Material, deed: Deed, call: Call) -> None:
        """Record which restricted values the call's own text holds.

        Raises:
            RateLimited: It was the third time within an hour.
        """
        restricted = select_restricted(secrets)
        values = {name: value for name, value in material.values.items() if name in restricted}
        names = self._resources.outbound.find_guesses(call, values)
        if names:
            deed.detail["guessed"] = list(names)
            guessed = {name: restricted[name] for name in names}
            resources = self._resources
            note_guesses(guessed, deed.access.actor.name, sessions=resources.sessions, clock=resources.clock)

    def _read_value(self, secret: UsableSecret, origin: Origin, changes: int | None) -> StoredValue:
        if secret.source is None:
            state = None if changes is None else (changes, secret.id, secret.version, secret.bindings)
            return self._resources.vault.read_for_call(secret.address, state=state)
        return ManagedValues(self._resources).read(secret, origin)

    def replace_tokens(self, material: Material, deed: Deed, *, patience: float) -> bool:
        """Renew the tokens of a call that an upstream answered with 401; tell whether there are others now."""
        renewed = [
            another
            for held in material.tokens.values()
            if (another := self._tokens.replace(held, access=deed.access, patience=patience)) is not None
        ]
        for held in renewed:
            material.take(held)
        return bool(renewed)

    def sign(self, call: Call, material: Material, moment: CallMoment) -> Call:
        """Make the signatures, and return the call as it goes out.

        What is signed are the bytes that go out: the call is written, and will be written the same way once more.

        Raises:
            ValueNotAllowedHere: A value can't stand in its place.
            BindingMismatch, VaultUnavailable: Vault doesn't sign.
        """
        if not material.keys:
            return call
        ids = material.request_ids
        call = self._sign_fields(call, material, moment, ids)
        return self._sign_for_aws(call, material, moment, ids)

    def _sign_fields(self, call: Call, material: Material, moment: CallMoment, ids: list[str]) -> Call:
        over_request: dict[str, tuple[HeldKey, HmacParts]] = {}
        known = {name: str(value).encode() for name, value in moment.variables().items()}
        for name, key in material.keys.items():
            if isinstance(key.made_of, JwtParts):
                material.values[name] = self._signing.sign_jwt(key, key.made_of, moment, ids)
            elif isinstance(key.made_of, HmacParts):
                if named_parts(key.secret) & {*OF_THE_REQUEST}:
                    over_request[name] = key, key.made_of
                else:
                    material.values[name] = self._signing.sign_message(key, key.made_of, known, ids)
        if not over_request:
            return call
        written = self._write(call, material)
        known |= _parts(written)
        for name, (key, parts) in over_request.items():
            material.values[name] = self._signing.sign_message(key, parts, known, ids)
        return replace(call, signed=True)

    def _sign_for_aws(self, call: Call, material: Material, moment: CallMoment, ids: list[str]) -> Call:
        signature = call.signature
        key = material.keys.get(signature.secret) if signature is not None and signature.secret else None
        if signature is None or key is None or not isinstance(key.made_of, Aws4Parts):
            return call
        scope, at = aws_scope(key.made_of, moment), moment.at.strftime("%Y%m%dT%H%M%SZ")
        headers = [*call.headers, ("X-Amz-Date", Field((Text(at),)))]
        written = self._write(replace(call, headers=tuple(headers)), material)
        payload_hash, more = hash_payload(written.body), [("Host", authority(call.origin))]
        if wants_payload_header(scope.service):
            headers.append(("X-Amz-Content-Sha256", Field((Text(payload_hash),))))
            more.append(("X-Amz-Content-Sha256", payload_hash))
        request = request_to_sign(
            written.method,
            *written.target,
            (*written.headers, *more),
            payload_hash=payload_hash,
            moment=at,
            scope=scope,
        )
        keys = self._signing.derive_aws_keys(key, key.made_of, moment, ids)
        material.values[key.secret.name] = aws_signature(keys, request)
        material.hidden += [(key.secret.name, value) for value in hidden_keys(keys)]
        authorization = (Text(request.authorization(key.made_of.access_key_id)), Slot(key.secret.name))
        return replace(call, headers=tuple(headers), signature=Field(authorization, signature.location), signed=True)

    def _write(self, call: Call, material: Material) -> Prepared:
        unsigned = {name: _UNSIGNED for name in material.keys if name not in material.values}
        return self._resources.outbound.write(replace(call, signature=None), {**unsigned, **material.values})


def _parts(written: Prepared) -> Mapping[str, bytes]:
    path, query = written.target
    return {
        "$body": written.body or b"",
        "$method": written.method.encode(),
        "$path": path.encode(),
        "$query": query.encode(),
    }
