"""What a secret is given and made up of, as fields of a request's body and of an answer."""

from __future__ import annotations

from typing import Any, Final, get_args

from marshmallow import Schema, fields, post_dump, validate

from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET, Unset
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import METHODS
from app.variables.secrets.deposits import Credential
from app.variables.secrets.queries import Secret
from app.variables.secrets.types import (
    PART_NAMES,
    Algorithm,
    ClientAuth,
    Grant,
    HashName,
    SignatureEncoding,
    as_json,
    needed_parts,
    part_names,
)
from app.vault.key_material import KeyEncoding
from app.web.body import Input, JsonValue, PlainText, SecretText, StrictInteger

_SECRETS: Final = ("key", "secret_access_key", "client_secret", "refresh_token")
_FEW: Final = validate.Length(max=100)
_OTHER_TYPE: Final = {"x-other-type": True}
"""Marks what a secret of the usual type is given nothing of, so that no example shows it."""
_SHORT: Final = validate.Length(1, 300)


def texts_field(**kwargs: Any) -> fields.List[str]:
    """Make a field for a list of short texts."""
    return fields.List(PlainText(validate=validate.Length(1, 300)), validate=_FEW, **kwargs)


def requests_field(**kwargs: Any) -> fields.List[Any]:
    """Make a field for the requests that a secret may ride."""
    return fields.List(
        fields.Nested(lambda: AllowedRequestBody()),
        allow_none=True,
        metadata={"description": "Null allows any request.", "example": [{"methods": ["GET"], "path": "/api/v2/**"}]},
        **kwargs,
    )


class AllowedRequestBody(Input):
    """Requests that a secret may ride."""

    into = AllowedRequest

    methods = fields.List(
        fields.String(validate=validate.OneOf(METHODS)), load_default=None, metadata={"example": ["GET"]}
    )
    path = PlainText(load_default=None, metadata={"example": "/api/v2/tickets/**"})


class AllowedRequestSchema(Schema):
    """Requests that a secret may ride; what is left out allows each."""

    methods = fields.List(fields.String())
    path = fields.String()

    @post_dump
    def _leave_out(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class _Claims(JsonValue):
    """A JSON object."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)

    default_error_messages = {"invalid": "Must be a JSON object."}


def _one_of(values: object, description: str, **metadata: Any) -> fields.String:
    return fields.String(
        validate=validate.OneOf(get_args(values)), metadata={**_OTHER_TYPE, "description": description, **metadata}
    )


def _text(description: str, **metadata: Any) -> PlainText:
    return PlainText(allow_none=True, validate=_SHORT, metadata={**_OTHER_TYPE, "description": description, **metadata})


class PartsSchema(Schema):
    """What makes up a secret that is no plain value; each type has some of these."""

    message = PlainText(
        metadata={**_OTHER_TYPE, "description": "Of `hmac`: what is signed.", "example": "v0:{{$timestamp}}:{{$body}}"}
    )
    hash = _one_of(HashName, "Of `hmac` (`sha256`).")
    encoding = _one_of(SignatureEncoding, "Of `hmac`: how the signature is written (`hex`).")
    algorithm = _one_of(Algorithm, "Of `jwt`.")
    claims = _Claims(
        metadata={**_OTHER_TYPE, "type": "object", "description": "Of `jwt`: all but `iat`, `exp` and `jti`."}
    )
    lifetime_seconds = StrictInteger(metadata={**_OTHER_TYPE, "description": "Of `jwt`: 1 to 3600 (300)."})
    key_id = _text("Of `jwt`: the header's `kid`.")
    access_key_id = _text("Of `aws4`.", example="AKIDEXAMPLE")
    region = _text("Of `aws4`.", example="us-east-1")
    service = _text("Of `aws4`.", example="s3")
    grant = _one_of(Grant, "Of `oauth2`.")
    token_url = PlainText(
        validate=validate.Length(1, 2000),
        metadata={**_OTHER_TYPE, "description": "Of `oauth2`.", "example": "https://id.example.com/token"},
    )
    client_id = _text("Of `oauth2`.")
    client_auth = _one_of(ClientAuth, "Of `oauth2`: where client id and secret stand in the request (`basic`).")
    scopes = fields.List(
        PlainText(validate=_SHORT),
        validate=validate.Length(max=100),
        metadata={**_OTHER_TYPE, "description": "Of `oauth2`."},
    )
    assertion = _text("Of `oauth2` with `jwt_bearer`: the name of a `jwt` secret.")
    token_field = _text("Of `oauth2` with `jwt_bearer`, where the JWT goes as a bearer token: the answer's member.")
    expiry_field = _text("Beside `token_field`: the member with the moment of the token's end.")


class GivenFields(PartsSchema, Input):
    """What makes a secret up, and its key or credentials on their way in."""

    key = SecretText(metadata={**_OTHER_TYPE, "description": "Of `hmac` and, in PEM, of `jwt`."})
    key_encoding = _one_of(KeyEncoding, "Of an `hmac` key (`utf-8`).")
    wrapped_key = PlainText(
        load_only=True,
        validate=validate.Length(1, 65536),
        metadata={**_OTHER_TYPE, "description": "In the place of the key: wrapped with Vault's own (`wrapping-key`)."},
    )
    secret_access_key = SecretText(metadata={**_OTHER_TYPE, "description": "Of `aws4`."})
    client_secret = SecretText(metadata={**_OTHER_TYPE, "description": "Of `oauth2`."})
    refresh_token = SecretText(metadata={**_OTHER_TYPE, "description": "Of `oauth2` with `refresh_token`."})


def _variant(secret_type: str, *takes: str) -> dict[str, object]:
    return {
        "properties": {"type": {"const": secret_type}, "visibility": {"const": "restricted"}},
        "takes": [*part_names(secret_type), *takes],
        "needs": ["type", *needed_parts(secret_type)],
    }


VARIANTS: Final[dict[str, dict[str, object]]] = {
    "Value": {
        "properties": {"type": {"const": "value"}, "from": {"type": "null"}},
        "takes": ["value", "from"],
        "needs": ["value"],
    },
    "Managed": {
        "properties": {
            "type": {"const": "value"},
            "visibility": {"const": "restricted"},
            "from": {"$ref": "#/components/schemas/SourceBody"},
        },
        "takes": ["from"],
        "needs": ["from"],
    },
    "Hmac": _variant("hmac", "key", "key_encoding", "wrapped_key"),
    "Jwt": _variant("jwt", "key", "wrapped_key"),
    "Aws4": _variant("aws4", "secret_access_key"),
    "OAuth2": _variant("oauth2", "client_secret", "refresh_token"),
}
"""What a new secret of each type is given: the OpenAPI document tells them apart (``app.web.openapi``)."""


def take_credential(data: dict[str, Any]) -> Credential | Unset:
    """Take a secret's key or credentials out of what was read; ``UNSET`` where none came."""
    secrets: dict[str, SecretValue] = {name: data.pop(name) for name in _SECRETS if name in data}
    encoding, wrapped = data.pop("key_encoding", None), data.pop("wrapped_key", None)
    given = Credential(secrets, encoding, wrapped)
    return given if given.names else UNSET


def take_parts(data: dict[str, Any]) -> dict[str, Any]:
    """Take what makes a secret up out of what was read, by the names of the API."""
    return {name: data.pop(name) for name in PART_NAMES if name in data}


def parts_document(secret: Secret) -> dict[str, Any]:
    """Return what makes a secret up, as an answer shows it; nothing of a plain value."""
    return {} if secret.made_of is None else as_json(secret.made_of)
