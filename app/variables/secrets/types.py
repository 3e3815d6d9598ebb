"""The types of secrets, and what makes one up that is no plain value (design, section 9). Pure.

What makes a secret up is no secret: it is shown, is part of the binding, and changes only together with the key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from app.kernel.errors import DestinationNotAllowed, TemplateNotAllowed, ValidationFailed, in_body
from app.outbound.urls import parse_url
from app.variables.secrets.message import Message, parse_message

SecretType = Literal["value", "hmac", "jwt", "aws4", "oauth2"]
Algorithm = Literal["RS256", "ES256", "EdDSA"]
Grant = Literal["client_credentials", "refresh_token", "jwt_bearer"]
ClientAuth = Literal["basic", "body"]
HashName = Literal["sha256", "sha512", "sha1"]
SignatureEncoding = Literal["hex", "base64", "base64url"]

SECRET_TYPES: Final = get_args(SecretType)
LONGEST_CLAIMS: Final = 8 * 1024
"""Of a JWT's claims as JSON, in bytes."""
LONGEST_LIFETIME: Final = 3600
_SET_BY_US: Final = ("exp", "iat", "jti")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,300}")
"""RFC 6749, section 3.3."""
_AWS_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ACCESS_KEY_ID: Final = re.compile(r"[A-Za-z0-9_]{4,128}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class HmacParts:
    """An HMAC over ``message``, in which ``{{$body}}`` and its like stand for parts of the call."""

    type: Literal["hmac"] = "hmac"
    message: str = ""
    hash: HashName = "sha256"
    encoding: SignatureEncoding = "hex"

    @property
    def template(self) -> Message:
        """The message in its pieces."""
        return parse_message(self.message)


@dataclass(frozen=True, slots=True)
class JwtParts:
    """A JWT: its claims as canonical JSON text, without those that each call sets, and how long it is good for."""

    type: Literal["jwt"] = "jwt"
    algorithm: Algorithm = "RS256"
    claims: str = "{}"
    lifetime_seconds: int = 300
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Aws4Parts:
    """A call signed for AWS, with Signature Version 4."""

    type: Literal["aws4"] = "aws4"
    access_key_id: str = ""
    region: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class OAuth2Parts:
    """An access token. ``assertion`` names the workspace's ``jwt`` secret that a ``jwt_bearer`` grant shows.

    With ``token_field`` the assertion stands in the request's Authorization header, as GitHub wants it, and the token
    and the moment of its end are read from these members of the answer.
    """

    type: Literal["oauth2"] = "oauth2"
    grant: Grant = "client_credentials"
    token_url: str = ""
    client_id: str | None = None
    client_auth: ClientAuth = "basic"
    scopes: tuple[str, ...] = ()
    assertion: str | None = None
    token_field: str | None = None
    expiry_field: str | None = None


MadeOf = HmacParts | JwtParts | Aws4Parts | OAuth2Parts

_PARTS: Final[Mapping[str, type[MadeOf]]] = {
    "hmac": HmacParts,
    "jwt": JwtParts,
    "aws4": Aws4Parts,
    "oauth2": OAuth2Parts,
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "hmac": ("message",),
    "jwt": ("algorithm",),
    "aws4": ("access_key_id", "region", "service"),
    "oauth2": ("grant", "token_url"),
}
PART_NAMES: Final = tuple(
    dict.fromkeys(field.name for parts in _PARTS.values() for field in fields(parts) if field.name != "type")
)
"""The names of everything that makes a secret up, of any type."""


def part_names(secret_type: str) -> frozenset[str]:
    """Return the names of what makes up a secret of this type; of a plain value nothing does."""
    parts = _PARTS.get(secret_type)
    return frozenset() if parts is None else frozenset(field.name for field in fields(parts)) - {"type"}


def needed_parts(secret_type: str) -> tuple[str, ...]:
    """Return the names of what a secret of this type can't be without."""
    return _REQUIRED.get(secret_type, ())


def build_parts(secret_type: SecretType, given: Mapping[str, Any], before: MadeOf | None = None) -> MadeOf | None:
    """Put together what makes a secret up.

    Args:
        given: What came with the request, by the names of the API; ``claims`` is a JSON object.
        before: What is in force, of which what isn't given stays.

    Returns:
        None for a plain value.

    Raises:
        ValidationFailed: Something is missing, is of another type of secret, or can't be so.
    """
    own = part_names(secret_type)
    faults = {
        in_body(name): [f"A secret of the type {secret_type} has no {name}."] for name in given if name not in own
    }
    kept = {} if before is None else {name: value for name, value in _as_given(before).items() if value is not None}
    given = kept | {name: value for name, value in given.items() if name in own}
    for name in needed_parts(secret_type):
        if given.get(name) is None:
            faults[in_body(name)] = [f"Missing: a secret of the type {secret_type} needs {name}."]
    if faults:
        raise ValidationFailed(next(iter(faults.values()))[0], errors=faults)
    if secret_type == "value":
        return None
    parts: Any = _PARTS[secret_type](**{name: _freeze(name, value) for name, value in given.items()})
    _CHECKS[secret_type](parts)
    return parts  # type: ignore[no-any-return]


def _as_given(parts: MadeOf) -> dict[str, Any]:
    return as_json(parts)


def _freeze(name: str, value: Any) -> Any:
    if name == "claims":
        return _canonical_claims(value)
    return tuple(sorted(set(value))) if name == "scopes" and value is not None else value


def as_json(parts: MadeOf) -> dict[str, Any]:
    """Write what makes a secret up, as the API shows it and the database and the binding keep it; without its type."""
    document = asdict(parts)
    del document["type"]
    if isinstance(parts, JwtParts):
        document["claims"] = json.loads(parts.claims)
    elif isinstance(parts, OAuth2Parts):
        document["scopes"] = list(parts.scopes)
    return document


def from_json(secret_type: str, document: Mapping[str, Any]) -> MadeOf:
    """Read what ``as_json`` wrote; nothing is checked once more."""
    own = {name: _freeze(name, value) for name, value in document.items()}
    parts: MadeOf = _PARTS[secret_type](**own)
    return parts


# --- what each may be -------------------------------------------------------------------------------------------------


def _wrong(name: str, sentence: str) -> ValidationFailed:
    return ValidationFailed(sentence, errors={in_body(name): [sentence]})


def _check_hmac(parts: HmacParts) -> None:
    parse_message(parts.message)


def _canonical_claims(claims: Mapping[str, Any]) -> str:
    set_by_us = [name for name in _SET_BY_US if name in claims]
    if set_by_us:
        raise _wrong("claims", f"{' and '.join(set_by_us)} can't be given: every call sets its own.")
    text = json.dumps(claims, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > LONGEST_CLAIMS:
        raise _wrong("claims", f"The claims have at most {LONGEST_CLAIMS} bytes as JSON.")
    return text


def _check_jwt(parts: JwtParts) -> None:
    if not 1 <= parts.lifetime_seconds <= LONGEST_LIFETIME:
        raise _wrong("lifetime_seconds", f"A JWT is good for 1 to {LONGEST_LIFETIME} seconds.")


def _check_aws4(parts: Aws4Parts) -> None:
    if not _ACCESS_KEY_ID.fullmatch(parts.access_key_id):
        raise _wrong("access_key_id", "An access key's id has 4 to 128 letters and digits.")
    for name, word in (("region", parts.region), ("service", parts.service)):
        if not _AWS_WORD.fullmatch(word):
            raise _wrong(name, f"A {name} is written as AWS does in its endpoints, such as us-east-1 or s3.")


def _check_oauth2(parts: OAuth2Parts) -> None:
    _check_token_url(parts.token_url)
    bearer = parts.grant == "jwt_bearer"
    if bearer and (parts.assertion is None or not _NAME.fullmatch(parts.assertion)):
        raise _wrong("assertion", "The grant jwt_bearer needs the name of a secret of the type jwt.")
    for name in ("assertion", "token_field", "expiry_field"):
        if not bearer and getattr(parts, name) is not None:
            raise _wrong(name, f"{name} goes with the grant jwt_bearer only.")
    if parts.expiry_field is not None and parts.token_field is None:
        raise _wrong("expiry_field", "expiry_field goes with token_field only.")
    if not bearer and not parts.client_id:
        raise _wrong("client_id", f"The grant {parts.grant} needs a client_id.")
    if any(not _SCOPE.fullmatch(scope) for scope in parts.scopes):
        raise _wrong("scopes", "A scope has no space, quotation mark or backslash.")


def _check_token_url(url: str) -> None:
    if "{{" in url:
        raise _wrong("token_url", "The token URL can't hold a template.")
    try:
        parse_url(url, field=in_body("token_url"))
    except (DestinationNotAllowed, TemplateNotAllowed) as refused:
        raise _wrong("token_url", f"The token URL can't be used: {refused.detail}") from None


_CHECKS: Final[Mapping[str, Any]] = {
    "hmac": _check_hmac,
    "jwt": _check_jwt,
    "aws4": _check_aws4,
    "oauth2": _check_oauth2,
}
