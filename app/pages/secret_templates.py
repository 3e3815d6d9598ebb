"""What the pages offer to begin a secret with: each type, and for those that sign or renew what services want. Pure.

A template fills in a form; whoever saves it may have changed all but the type and the grant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.variables.secrets.types import SecretType

TYPE_LABELS: Final[Mapping[SecretType, str]] = {
    "value": "Value",
    "hmac": "Signature (HMAC)",
    "jwt": "Signed token (JWT)",
    "aws4": "AWS signature",
    "oauth2": "Access token (OAuth 2.0)",
}
TYPE_TEXTS: Final[Mapping[SecretType, str]] = {
    "value": "Put into the field as it is, such as an API token or a password.",
    "hmac": "Signs the very bytes that go out, with a key that the receiver has too. The field gets the signature.",
    "jwt": "Makes a JWT for each call, signed with a private key. The field gets the JWT.",
    "aws4": "Signs the whole call for AWS, and for what speaks its API.",
    "oauth2": "Gets an access token when a call needs one, and renews it before it ends. The field gets the token.",
}


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """A form to begin with: of which type, what it is filled with, and how a block uses the secret then."""

    slug: str
    label: str
    text: str
    type: SecretType
    values: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    """Where the key is found, or what has to be there first."""
    fields: tuple[tuple[str, str], ...] = ()
    """The headers of a block that uses it; NAME stands for the secret's name."""


_BEARER: Final = (("Authorization", "Bearer {{secrets.NAME}}"),)
_SIGNED_TOKEN: Final = (
    "The secret of the type JWT that it is had with has to be there first, and may go to the same host."
)

TEMPLATES: Final = (
    SecretTemplate(
        "slack",
        "Slack",
        "Signed as Slack signs what it sends.",
        "hmac",
        {"message": "v0:{{$timestamp}}:{{$body}}", "hash": "sha256", "encoding": "hex"},
        "The app's Signing Secret.",
        (
            ("X-Slack-Request-Timestamp", "{{$timestamp}}"),
            ("X-Slack-Signature", "v0={{secrets.NAME}}"),
        ),
    ),
    SecretTemplate(
        "stripe",
        "Stripe",
        "Signed as Stripe signs its webhooks.",
        "hmac",
        {"message": "{{$timestamp}}.{{$body}}", "hash": "sha256", "encoding": "hex"},
        "The endpoint's signing secret, whsec_ included.",
        (("Stripe-Signature", "t={{$timestamp}},v1={{secrets.NAME}}"),),
    ),
    SecretTemplate(
        "github-webhook",
        "GitHub webhook",
        "Signed as GitHub signs its webhooks.",
        "hmac",
        {"message": "{{$body}}", "hash": "sha256", "encoding": "hex"},
        "The webhook's secret.",
        (("X-Hub-Signature-256", "sha256={{secrets.NAME}}"),),
    ),
    SecretTemplate(
        "standard-webhooks",
        "Standard Webhooks",
        "Signed as the specification of that name has it.",
        "hmac",
        {
            "message": "{{$uuid}}.{{$timestamp}}.{{$body}}",
            "hash": "sha256",
            "encoding": "base64",
            "key_encoding": "base64",
        },
        "The receiver's secret, with whsec_ before it or without.",
        (
            ("webhook-id", "{{$uuid}}"),
            ("webhook-timestamp", "{{$timestamp}}"),
            ("webhook-signature", "v1,{{secrets.NAME}}"),
        ),
    ),
    SecretTemplate("hmac", "Another receiver", "Any message, hash and encoding.", "hmac"),
    SecretTemplate(
        "github-app",
        "GitHub App",
        "The App's own key. Calls as an installation want its access token besides.",
        "jwt",
        {
            "algorithm": "RS256",
            "claims": '{"iss": "the App\'s client ID"}',
            "lifetime_seconds": "540",
            "allowed_hosts": "api.github.com",
        },
        "A private key of the App, as GitHub gave it in a .pem file.",
        _BEARER,
    ),
    SecretTemplate(
        "google-service-account",
        "Google service account",
        "The account's key. Calls want its access token besides.",
        "jwt",
        {
            "algorithm": "RS256",
            "claims": '{"iss": "name@project.iam.gserviceaccount.com",'
            ' "scope": "https://www.googleapis.com/auth/cloud-platform",'
            ' "aud": "https://oauth2.googleapis.com/token"}',
            "lifetime_seconds": "3600",
            "allowed_hosts": "oauth2.googleapis.com",
        },
        "private_key of the account's JSON file, line breaks and all; private_key_id goes into the key's id.",
    ),
    SecretTemplate("jwt", "Another receiver", "Any claims, signed with RSA, P-256 or Ed25519.", "jwt", fields=_BEARER),
    SecretTemplate(
        "aws", "AWS", "S3 and every other service of AWS.", "aws4", {"region": "us-east-1", "service": "s3"}
    ),
    SecretTemplate(
        "github-app-token",
        "GitHub App, an installation's token",
        "Had with the App's key.",
        "oauth2",
        {
            "grant": "jwt_bearer",
            "token_url": "https://api.github.com/app/installations/1234/access_tokens",
            "token_field": "token",
            "expiry_field": "expires_at",
            "allowed_hosts": "api.github.com",
        },
        _SIGNED_TOKEN,
        _BEARER,
    ),
    SecretTemplate(
        "google-token",
        "Google service account, its token",
        "Had with the account's key.",
        "oauth2",
        {
            "grant": "jwt_bearer",
            "token_url": "https://oauth2.googleapis.com/token",
            "allowed_hosts": "storage.googleapis.com",
        },
        _SIGNED_TOKEN,
        _BEARER,
    ),
    SecretTemplate(
        "client-credentials",
        "Client credentials",
        "For a service that is used as itself.",
        "oauth2",
        {"grant": "client_credentials", "client_auth": "basic"},
        fields=_BEARER,
    ),
    SecretTemplate(
        "refresh-token",
        "Refresh token",
        "For a service that somebody allowed to act for them.",
        "oauth2",
        {"grant": "refresh_token", "client_auth": "basic"},
        fields=_BEARER,
    ),
    SecretTemplate(
        "jwt-bearer",
        "Another receiver of a JWT",
        "Had with a secret of the type JWT.",
        "oauth2",
        {"grant": "jwt_bearer"},
        _SIGNED_TOKEN,
        _BEARER,
    ),
)


def templates_of(secret_type: SecretType) -> tuple[SecretTemplate, ...]:
    """Return what a secret of this type can be begun with."""
    return tuple(template for template in TEMPLATES if template.type == secret_type)


def find_template(slug: str) -> SecretTemplate | None:
    """Return a template by the end of its URL."""
    return next((template for template in TEMPLATES if template.slug == slug), None)
