"""The request for a token, as a call; and what an answer without one means. Pure.

Source: RFC 6749, sections 2.3.1, 4.4 and 6; RFC 7523, section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_plus

from app.kernel.secret import SecretValue
from app.outbound.model import Call, Field, FormBody, NoBody, Slot, Text, TokenAnswer, TokenFields
from app.outbound.urls import parse_url
from app.variables.secrets.types import OAuth2Parts

_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WITHIN_SECONDS: Final = 10.0
# What services say of a refresh token that is over, RFC 6749's own word first.
_OVER: Final = frozenset(
    {
        "invalid_grant",
        "bad_refresh_token",
        "invalid_refresh_token",
        "expired_refresh_token",
        "refresh_token_expired",
        "expired_token",
        "token_expired",
        "token_revoked",
        "invalid_token",
    }
)
# What says nothing of the refresh token.
_NOT_OVER: Final = frozenset(
    {
        "invalid_client",
        "invalid_request",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "temporarily_unavailable",
        "server_error",
        "slow_down",
    }
)


def token_request(parts: OAuth2Parts, values: Mapping[str, SecretValue], *, plain_basic: bool) -> Call:
    """Write the request.

    Args:
        values: ``client_secret``, ``refresh_token`` and ``assertion``, as far as there are such.
        plain_basic: Whether id and secret stand in basic auth as they are: some services don't decode them.
    """
    origin, rest = parse_url(parts.token_url)
    path, _, query = rest.partition("?")
    form, headers = _form(parts), [("Accept", _text("application/json"))]
    in_basic = parts.client_auth == "basic" and "client_secret" in values and parts.client_id is not None
    if parts.client_id is not None and not in_basic:
        form.append(("client_id", _text(parts.client_id)))
        if "client_secret" in values:
            form.append(("client_secret", _slot("client_secret")))
    if parts.token_field is not None:
        headers.append(("Authorization", Field((Text("Bearer "), Slot("assertion")))))
        form = []
    user = "" if parts.client_id is None else parts.client_id if plain_basic else quote_plus(parts.client_id)
    return Call(
        method="POST",
        origin=origin,
        path=_text(path or "/"),
        url_query=tuple(_text(piece) for piece in query.split("&") if piece),
        headers=tuple(headers),
        basic=(_text(user), _slot("client_secret")) if in_basic and parts.token_field is None else None,
        form_encoded_basic=not plain_basic,
        body=FormBody(tuple(form)) if form else NoBody(),
        timeout_seconds=WITHIN_SECONDS,
    )


def _form(parts: OAuth2Parts) -> list[tuple[str, Field]]:
    if parts.grant == "refresh_token":
        return [("grant_type", _text("refresh_token")), ("refresh_token", _slot("refresh_token"))]
    scope = [("scope", _text(" ".join(parts.scopes)))] if parts.scopes else []
    if parts.grant == "jwt_bearer":
        return [("grant_type", _text(_JWT_BEARER)), ("assertion", _slot("assertion")), *scope]
    return [("grant_type", _text("client_credentials")), *scope]


def _text(text: str) -> Field:
    return Field((Text(text),))


def _slot(name: str) -> Field:
    return Field((Slot(name),))


def token_fields(parts: OAuth2Parts) -> TokenFields:
    """Return which members of the answer hold what."""
    return TokenFields(parts.token_field or "access_token", parts.expiry_field)


def basic_differs(parts: OAuth2Parts, values: Mapping[str, SecretValue]) -> bool:
    """Tell whether RFC 6749's encoding of id and secret can make a difference to a service that doesn't decode."""
    return parts.client_auth == "basic" and parts.token_field is None and "client_secret" in values


def is_refused_client(answer: TokenAnswer) -> bool:
    """Tell whether the service doesn't know who asks."""
    return answer.access_token is None and (
        answer.error == "invalid_client" or (answer.status == 401 and answer.error is None)
    )


def is_over(parts: OAuth2Parts, answer: TokenAnswer) -> bool:
    """Tell whether an answer without a token means that the refresh token is over, and somebody has to connect anew.

    What may be the client's fault, a firewall's or a passing trouble's doesn't mean it.
    """
    if parts.grant != "refresh_token" or not answer.readable or answer.error in _NOT_OVER:
        return False
    if answer.error in _OVER:
        return answer.status < 500
    return answer.status in (400, 401) or (answer.status == 403 and answer.error is not None)


def failure_of(answer: TokenAnswer) -> str:
    """Return in a word why there is no token."""
    if answer.error is not None:
        return answer.error
    if 300 <= answer.status < 400:
        return "redirect"
    return f"status_{answer.status}" if answer.status >= 400 else "no_token"
