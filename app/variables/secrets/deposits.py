"""What of a secret lies in Vault, by its type: a value, a key that signs, or a client's credentials.

One deposit stores one new credential. What a crash leaves of it, ``reconcile`` finishes with ``retire_keys``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from app.kernel.errors import (
    BindingMismatch,
    DestinationNotAllowed,
    UpstreamUnreachable,
    ValidationFailed,
    ValueRequired,
    in_body,
)
from app.kernel.secret import SecretValue
from app.outbound.model import Call, Field, Outbound
from app.outbound.urls import parse_url
from app.resources import Limits
from app.variables.secrets.binding import Source, as_pointer
from app.variables.secrets.types import Aws4Parts, HmacParts, JwtParts, MadeOf, OAuth2Parts
from app.variables.validation import check_value, with_verdict
from app.vault import PersonRole, SecretAddress, Vault, Visibility, Written
from app.vault.key_material import (
    KeyEncoding,
    KeyMaterial,
    read_aws_key,
    read_hmac_key,
    read_private_key,
    read_wrapped,
    wrapped_types,
)

KEY_TYPES: Final = ("hmac", "jwt", "aws4")
"""The types whose key lies in transit; in KV lies which version of it counts."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What was given of a secret that is no plain value, by the names of the API."""

    secrets: Mapping[str, SecretValue] = field(default_factory=dict)
    key_encoding: KeyEncoding | None = None
    wrapped_key: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of what was given."""
        more = {"key_encoding": self.key_encoding, "wrapped_key": self.wrapped_key}
        return frozenset(self.secrets) | {name for name, value in more.items() if value is not None}


class Deposit(Protocol):
    """A new credential, read and found good, on its way to Vault."""

    def write(self, vault: Vault, address: SecretAddress, *, cas: int, role: PersonRole) -> Written:
        """Store it as a new version.

        Raises:
            WriteConflict: ``cas`` isn't the version in force (0: none).
            ValidationFailed, ValueRequired: Vault can't use it, or something has to be given with it.
        """

    def finish(self, vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
        """Have what it takes the place of serve nobody any more."""


def read_credential(
    given: SecretValue | Credential | None,
    made_of: MadeOf | None,
    visibility: Visibility,
    limits: Limits,
    *,
    before: MadeOf | None = None,
) -> Deposit:
    """Read and check what was given for a secret.

    Args:
        made_of: What makes it up from now on.
        before: What made it up until now, where there is such a secret already.

    Raises:
        TooShort, TooLong, TooGuessable: It isn't fit as a plain value.
        ValidationFailed, ValueRequired: It isn't what a secret of this type is given, or not all of it.
    """
    if made_of is None:
        if not isinstance(given, SecretValue):
            raise _stray("value", given)
        check_value(given, visibility, limits)
        return ValueDeposit(with_verdict(given, visibility, limits))
    if given is None and isinstance(made_of, OAuth2Parts):
        given = Credential()  # a client that shows an assertion may have no secret
    if not isinstance(given, Credential):
        raise _missing(CREDENTIAL_NAMES[made_of.type][0]) if given is None else _no_such(made_of.type, "value")
    if given.names - {*CREDENTIAL_NAMES[made_of.type]}:
        raise _stray(made_of.type, given)
    if isinstance(made_of, OAuth2Parts):
        return _client_deposit(given, made_of, before)
    return KeyDeposit(read_key(given, made_of))


CREDENTIAL_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "hmac": ("key", "wrapped_key", "key_encoding"),
    "jwt": ("key", "wrapped_key"),
    "aws4": ("secret_access_key", "wrapped_key"),
    "oauth2": ("client_secret", "refresh_token"),
}


def read_key(given: Credential, made_of: HmacParts | JwtParts | Aws4Parts) -> KeyMaterial:
    """Read and check a key that signs, as the secret's type has it.

    Raises:
        ValidationFailed, ValueRequired: It isn't such a key, or is missing.
    """
    name = "secret_access_key" if made_of.type == "aws4" else "key"
    key = given.secrets.get(name)
    if (key is None) == (given.wrapped_key is None):
        raise _missing(name) if key is None else _wrong(name, f"Give either {name} or wrapped_key.")
    if given.wrapped_key is not None:
        return read_wrapped(
            given.wrapped_key, wrapped_types(made_of.algorithm if isinstance(made_of, JwtParts) else None)
        )
    key = cast(SecretValue, key)
    if isinstance(made_of, JwtParts):
        return read_private_key(key, made_of.algorithm)
    return read_aws_key(key) if made_of.type == "aws4" else read_hmac_key(key, given.key_encoding or "utf-8")


@dataclass(frozen=True, slots=True)
class ValueDeposit:
    """A plain value."""

    value: SecretValue

    def write(self, vault: Vault, address: SecretAddress, *, cas: int, role: PersonRole) -> Written:
        """See ``Deposit``."""
        return vault.write_value(address, self.value, cas=cas, role=role)

    def finish(self, vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``Deposit``: an older value stays, so that one can go back to it."""


@dataclass(frozen=True, slots=True)
class PointerDeposit:
    """No value: where one lies that Vault's operators manage."""

    source: Source

    def write(self, vault: Vault, address: SecretAddress, *, cas: int, role: PersonRole) -> Written:
        """See ``Deposit``."""
        return vault.write_pointer(address, {"from": as_pointer(self.source)}, cas=cas, role=role)

    def finish(self, vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``Deposit``: a pointer is written once."""


@dataclass(frozen=True, slots=True)
class KeyDeposit:
    """A key that signs: imported into transit; what lies in KV says which version of it counts."""

    material: KeyMaterial

    def write(self, vault: Vault, address: SecretAddress, *, cas: int, role: PersonRole) -> Written:
        """See ``Deposit``."""
        key_version = self._import(vault, address, role)
        return vault.write_pointer(address, {"key_version": key_version}, cas=cas, role=role)

    def _import(self, vault: Vault, address: SecretAddress, role: PersonRole) -> int:
        wrapped = self.material.wrap(vault.wrapping_key(address.workspace, role=role).public_key)
        *others, last = self.material.key_types
        try:
            for key_type in others:  # only Vault can see how long a wrapped RSA key is
                try:
                    return vault.import_key(address, wrapped, key_type=key_type, role=role)
                except ValidationFailed:
                    continue
            return vault.import_key(address, wrapped, key_type=last, role=role)
        except ValidationFailed as refused:
            raise _wrong(self.material.given_as, refused.detail) from None

    def finish(self, vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``Deposit``: the older keys sign nothing any more, and are gone."""
        retire_keys(vault, address, role=role)


@dataclass(frozen=True, slots=True)
class ClientDeposit:
    """An OAuth 2.0 client's credentials; of what isn't given, what lies in Vault stays."""

    given: Mapping[str, SecretValue]
    wanted: tuple[str, ...]

    def write(self, vault: Vault, address: SecretAddress, *, cas: int, role: PersonRole) -> Written:
        """See ``Deposit``."""
        values = dict(self.given)
        missing = [name for name in self.wanted if name not in values]
        if missing and cas:
            values = {name: value for name, value in _newest(vault, address).items() if name in missing} | values
        return vault.write_value(address, SecretValue.document(values), cas=cas, role=role)

    def finish(self, vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
        """See ``Deposit``: tokens that were had with the older credentials are dropped."""
        vault.delete_tokens(address, role=role)


def _newest(vault: Vault, address: SecretAddress) -> Mapping[str, SecretValue]:
    """Return the credentials that are in force, with the newest refresh token that was given for them."""
    stored = vault.read_to_renew(address)
    tokens = vault.read_tokens(address)
    values = dict(stored.value.values())
    if tokens is not None and tokens.document.facts().get("entry_version") == stored.version:
        values |= {name: value for name, value in tokens.document.values().items() if name == "refresh_token"}
    return values


def _client_deposit(given: Credential, made_of: OAuth2Parts, before: MadeOf | None) -> ClientDeposit:
    needed = {"client_credentials": ("client_secret",), "refresh_token": ("refresh_token",), "jwt_bearer": ()}
    for name in given.secrets:
        if name == "refresh_token" and made_of.grant != "refresh_token":
            raise _wrong(name, "A refresh token goes with the grant refresh_token.")
        if given.secrets[name].characters == 0:
            raise _wrong(name, f"The {name} is empty.")
    missing = [name for name in needed[made_of.grant] if name not in given.secrets]
    if before is None and missing:
        raise _missing(missing[0])
    if before is not None and not given.secrets and made_of.grant != "jwt_bearer":
        raise _missing("client_secret")
    if before is not None and before != made_of and missing:
        # Else who never knew them could send the old ones to a token URL of their own.
        sentence = "These fields change only together with all of the secret's credentials."
        raise ValueRequired(sentence, errors={in_body(name): [sentence] for name in missing})
    return ClientDeposit(given.secrets, ("client_secret", "refresh_token") if before == made_of else ())


def require_token_url(made_of: MadeOf | None, *, outbound: Outbound) -> None:
    """Do nothing where an OAuth 2.0 secret's token URL may be called.

    Raises:
        ValidationFailed: It is no public host, or there is none of that name.
    """
    if not isinstance(made_of, OAuth2Parts):
        return
    try:
        outbound.check(Call("POST", parse_url(made_of.token_url)[0], Field(())), ())
    except (DestinationNotAllowed, UpstreamUnreachable) as refused:
        raise _wrong("token_url", f"The token URL can't be used: {refused.detail}") from None


def retire_keys(vault: Vault, address: SecretAddress, *, role: PersonRole) -> None:
    """Have only the key sign that the entry says counts."""
    key_version = vault.read_pointer(address).pointer.get("key_version")
    if isinstance(key_version, int):
        vault.retire_keys_before(address, key_version, role=role)


def key_fault(vault: Vault, address: SecretAddress, made_of: HmacParts | JwtParts | Aws4Parts) -> str | None:
    """Return in words what is wrong with the key that a secret signs with; None where it can sign."""
    try:
        counts = vault.read_pointer(address).pointer.get("key_version")
    except BindingMismatch:
        counts = None
    if not isinstance(counts, int):
        return "what lies in Vault names no key"
    key = vault.signing_key(address, role="owner")
    if key is None:
        return "its key is gone from Vault"
    if key.key_type not in wrapped_types(made_of.algorithm if isinstance(made_of, JwtParts) else None):
        return f"its key in Vault is of another type ({key.key_type})"
    if not key.least_version <= counts <= key.newest_version:
        return f"version {counts} of its key is gone from Vault"
    return None


def remove_deposit(vault: Vault, address: SecretAddress, secret_type: str, *, role: PersonRole) -> None:
    """Delete whatever of a secret lies in Vault, the key first; nothing happens where there is nothing."""
    remove_leftovers(vault, address, secret_type, role=role)
    vault.delete(address, role=role)


def remove_leftovers(vault: Vault, address: SecretAddress, secret_type: str, *, role: PersonRole) -> None:
    """Delete what an earlier secret of this name, of which nothing else is left, may have left behind."""
    if secret_type in KEY_TYPES:
        vault.delete_key(address, role=role)
    elif secret_type == "oauth2":
        vault.delete_tokens(address, role=role)


def _missing(name: str) -> ValidationFailed:
    return ValidationFailed(f"{name} is missing.", errors={in_body(name): ["Missing data for required field."]})


def _stray(secret_type: str, given: Credential | SecretValue | None) -> ValidationFailed:
    names = {"value"} if not isinstance(given, Credential) else given.names - {*CREDENTIAL_NAMES.get(secret_type, ())}
    return _no_such(secret_type, *sorted(names)) if secret_type != "value" or names != {"value"} else _missing("value")


def _no_such(secret_type: str, *names: str) -> ValidationFailed:
    sentence = f"A secret of the type {secret_type} is given no {' and no '.join(names)}."
    return ValidationFailed(sentence, errors={in_body(name): [sentence] for name in names})


def _wrong(name: str, sentence: str) -> ValidationFailed:
    return ValidationFailed(sentence, errors={in_body(name): [sentence]})
