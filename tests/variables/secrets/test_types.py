"""What makes a secret up: what may be given, what is refused in which words, and what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from app.kernel.errors import ValidationFailed, in_body
from app.variables.secrets.types import (
    LONGEST_CLAIMS,
    HmacParts,
    JwtParts,
    OAuth2Parts,
    SecretType,
    as_json,
    build_parts,
    from_json,
)

OAUTH: dict[str, Any] = {"grant": "client_credentials", "token_url": "https://id.example.com/token", "client_id": "me"}
AWS: dict[str, Any] = {"access_key_id": "AKIDEXAMPLE", "region": "us-east-1", "service": "s3"}
WHOLE: list[tuple[SecretType, dict[str, Any]]] = [
    ("hmac", {"message": "v0:{{$timestamp}}:{{$body}}", "hash": "sha512", "encoding": "base64"}),
    ("jwt", {"algorithm": "EdDSA", "claims": {"iss": "1", "n": 1.5}, "lifetime_seconds": 60, "key_id": "k1"}),
    ("aws4", AWS),
    ("oauth2", OAUTH | {"scopes": ["b", "a"], "client_auth": "body"}),
    ("oauth2", {"grant": "jwt_bearer", "token_url": "https://a.example.com/t", "assertion": "APP", "token_field": "t"}),
]


@pytest.mark.parametrize(("secret_type", "given"), WHOLE)
def test_what_is_kept_is_read_back_as_it_was(secret_type: SecretType, given: dict[str, Any]) -> None:
    parts = build_parts(secret_type, given)
    assert parts is not None
    assert parts.type == secret_type
    assert from_json(secret_type, as_json(parts)) == parts
    assert {name: as_json(parts)[name] for name in given} == given | (
        {"scopes": ["a", "b"]} if "scopes" in given else {}
    )


def test_defaults_are_the_usual_ones() -> None:
    assert build_parts("hmac", {"message": "{{$body}}"}) == HmacParts(
        message="{{$body}}", hash="sha256", encoding="hex"
    )
    assert build_parts("jwt", {"algorithm": "RS256"}) == JwtParts(claims="{}", lifetime_seconds=300)
    assert build_parts("oauth2", OAUTH) == OAuth2Parts(
        token_url="https://id.example.com/token", client_id="me", client_auth="basic"
    )
    assert build_parts("value", {}) is None


def test_what_is_not_given_stays() -> None:
    before = build_parts("jwt", {"algorithm": "ES256", "claims": {"iss": "1"}, "key_id": "k1"})
    after = build_parts("jwt", {"lifetime_seconds": 10}, before)
    assert after == JwtParts(algorithm="ES256", claims='{"iss":"1"}', key_id="k1", lifetime_seconds=10)


@pytest.mark.parametrize(
    ("secret_type", "given", "field", "word"),
    [
        ("value", {"message": "x"}, "message", "has no message"),
        ("hmac", {"message": "x", "claims": {}}, "claims", "has no claims"),
        ("hmac", {}, "message", "needs message"),
        ("hmac", {"message": ""}, "message", "at least one"),
        ("hmac", {"message": "x" * 5000}, "message", "at most"),
        ("hmac", {"message": "{{ticket}}"}, "message", "{{$body}}"),
        ("hmac", {"message": "{{secrets.TOKEN}}"}, "message", "{{$body}}"),
        ("hmac", {"message": "{{$nonce}}"}, "message", "{{$body}}"),
        ("hmac", {"message": "{{$body"}, "message", "{{$body}}"),
        ("jwt", {"claims": {}}, "algorithm", "needs algorithm"),
        ("jwt", {"algorithm": "ES256", "claims": {"exp": 1}}, "claims", "exp"),
        ("jwt", {"algorithm": "ES256", "claims": {"iat": 1, "jti": ""}}, "claims", "iat and jti"),
        ("jwt", {"algorithm": "ES256", "claims": {"a": "x" * LONGEST_CLAIMS}}, "claims", "at most"),
        ("jwt", {"algorithm": "ES256", "lifetime_seconds": 3601}, "lifetime_seconds", "3600"),
        ("jwt", {"algorithm": "ES256", "lifetime_seconds": 0}, "lifetime_seconds", "3600"),
        ("aws4", AWS | {"region": "us east"}, "region", "us-east-1"),
        ("aws4", AWS | {"service": "s3/aws4_request"}, "service", "s3"),
        ("aws4", AWS | {"access_key_id": "a,b"}, "access_key_id", "letters"),
        ("aws4", {"access_key_id": "AKID", "region": "eu"}, "service", "needs service"),
        ("oauth2", OAUTH | {"token_url": "ftp://id.example.com"}, "token_url", "https"),
        ("oauth2", OAUTH | {"token_url": "https://me@id.example.com/"}, "token_url", "user"),
        ("oauth2", OAUTH | {"token_url": "https://{{host}}/"}, "token_url", "template"),
        ("oauth2", OAUTH | {"token_url": "/token"}, "token_url", "https://"),
        ("oauth2", OAUTH | {"client_id": None}, "client_id", "client_id"),
        ("oauth2", OAUTH | {"scopes": ["a b"]}, "scopes", "space"),
        ("oauth2", OAUTH | {"assertion": "APP"}, "assertion", "jwt_bearer"),
        ("oauth2", OAUTH | {"token_field": "token"}, "token_field", "jwt_bearer"),
        ("oauth2", {"grant": "jwt_bearer", "token_url": "https://a.example.com"}, "assertion", "type jwt"),
        (
            "oauth2",
            {"grant": "jwt_bearer", "token_url": "https://a.example.com", "assertion": "A", "expiry_field": "e"},
            "expiry_field",
            "token_field",
        ),
    ],
)
def test_what_can_not_be_so_is_refused_in_words_of_its_own(
    secret_type: SecretType, given: dict[str, Any], field: str, word: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        build_parts(secret_type, given)
    assert refused.value.errors is not None
    assert word in refused.value.errors[in_body(field)][0]


def test_a_message_is_filled_with_the_bytes_of_the_call() -> None:
    parts = build_parts("hmac", {"message": 'a{{ $method }}{{"{{"}}b}}{{$body}}'})
    assert isinstance(parts, HmacParts)
    assert parts.template.names == {"$method", "$body"}
    assert parts.template.fill({"$method": b"GET", "$body": b"\xff{{$path}}"}) == b"aGET{{b}}\xff{{$path}}"
