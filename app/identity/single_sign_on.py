"""Signing in through an OpenID Connect provider: the authorization code flow with PKCE (OpenID Connect Core 1.0).

What the browser brings back is only believed as far as the provider's own answers to this service confirm it: the
code is exchanged directly, and the ID token is checked for signature, issuer, audience, expiry and nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import jwt

from app.identity.issuer_client import IssuerClient
from app.kernel.errors import IssuerUnavailable, Unauthenticated

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LEEWAY_SECONDS: Final = 60
# By the key's own type, so that no token chooses how a key is used; nothing symmetric, and never "none".
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
_ID_TOKEN_CLAIMS: Final = ("iss", "sub", "aud", "exp", "iat")
_LOGOUT_TOKEN_CLAIMS: Final = ("iss", "aud", "iat", "jti", "events")


@dataclass(frozen=True, slots=True)
class OidcClient:
    """How this service is known to the provider.

    Args:
        secret: The client secret, or None for a public client.
        redirect_uri: Where the provider sends the browser back to.
        user_claim: Which claim of the ID token is the user's id here; ``email`` counts only with ``email_verified``.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    secret: str | None = None
    user_claim: str = "sub"

    def __repr__(self) -> str:
        return f"OidcClient(issuer={self.issuer!r}, client_id={self.client_id!r})"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One browser's way to the provider and back: what has to be the same when it returns."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says that somebody is, and the provider's own session, where it names one."""

    user_id: str
    subject: str
    provider_session: str | None


@dataclass(frozen=True, slots=True)
class Logout:
    """Whose sessions the provider wants ended: one session of theirs, or all of a subject's."""

    subject: str | None
    provider_session: str | None


class SingleSignOn:
    """The service's side of OpenID Connect, for one provider. The provider's keys are fetched for each sign-in."""

    def __init__(self, client: OidcClient) -> None:
        self._client = client
        self._issuer = IssuerClient(client.issuer)

    def start(self) -> tuple[Attempt, str]:
        """Begin an attempt.

        Returns:
            What to keep until the browser is back, and the URL to send it to.

        Raises:
            IssuerUnavailable
        """
        attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": "openid email" if self._client.user_claim == "email" else "openid profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": _challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = _text(self._discover(), "authorization_endpoint")
        if not self._issuer.same_origin(endpoint):
            raise IssuerUnavailable("The identity provider names an address outside its own origin.")
        return attempt, f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def finish(self, attempt: Attempt | None, returned: Mapping[str, str]) -> Identity:
        """Turn what the browser brought back into who signed in.

        Args:
            attempt: What ``start`` gave this browser; None where it is gone.
            returned: The callback's query parameters.

        Raises:
            Unauthenticated: It isn't this browser's attempt, or the provider doesn't confirm it.
            IssuerUnavailable
        """
        if attempt is None or not hmac.compare_digest(attempt.state.encode(), returned.get("state", "").encode()):
            raise Unauthenticated("This sign-in was begun elsewhere, or has been used already. Begin again.")
        if returned.get("iss", self._client.issuer) != self._client.issuer:  # RFC 9207
            raise Unauthenticated("The answer comes from another identity provider.")
        if "error" in returned or not returned.get("code"):
            raise Unauthenticated("The identity provider did not let you in.")
        discovered = self._discover()
        if discovered.get("authorization_response_iss_parameter_supported") is True and "iss" not in returned:
            raise Unauthenticated("The answer doesn't say which identity provider it comes from.")
        token = self._exchange(discovered, returned["code"], attempt.verifier)
        claims = self._verify(token, discovered, required=_ID_TOKEN_CLAIMS)
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt.nonce.encode()):
            raise _not_confirmed()
        self._check_authorized_party(claims)
        return Identity(self._user_id(claims), str(claims["sub"]), _optional(claims, "sid"))

    def read_logout(self, token: str) -> Logout:
        """Read a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).

        Raises:
            Unauthenticated: It is no valid logout token of this provider for this client.
            IssuerUnavailable
        """
        claims = self._verify(token, self._discover(), required=_LOGOUT_TOKEN_CLAIMS)
        events = claims["events"]
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in claims:
            raise Unauthenticated("This isn't a logout token.")
        logout = Logout(_optional(claims, "sub"), _optional(claims, "sid"))
        if logout.subject is None and logout.provider_session is None:
            raise Unauthenticated("The logout token names nobody.")
        return logout

    def _discover(self) -> Mapping[str, object]:
        issuer = self._client.issuer
        discovered = self._issuer.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if discovered.get("issuer") != issuer:
            raise IssuerUnavailable("The identity provider calls itself by another name than the configured one.")
        return discovered

    def _exchange(self, discovered: Mapping[str, object], code: str, verifier: str) -> str:
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        methods = discovered.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if client.secret is None:
            form["client_id"] = client.client_id
        elif isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods:
            form |= {"client_id": client.client_id, "client_secret": client.secret}
        else:  # RFC 6749, section 2.3.1
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = self._issuer.post_form(_text(discovered, "token_endpoint"), form, headers)
        return _text(answer, "id_token")

    def _verify(self, token: str, discovered: Mapping[str, object], *, required: tuple[str, ...]) -> dict[str, Any]:
        try:
            key = self._key(jwt.get_unverified_header(token), discovered)
            return jwt.decode(
                token,
                key.key,
                algorithms=_ALGORITHMS[str(key.key_type)],
                audience=self._client.client_id,
                issuer=self._client.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": list(required)},
            )
        except jwt.PyJWTError:
            raise _not_confirmed() from None

    def _key(self, header: Mapping[str, Any], discovered: Mapping[str, object]) -> jwt.PyJWK:
        keys = self._issuer.get(_text(discovered, "jwks_uri")).get("keys")
        if not isinstance(keys, list):
            raise IssuerUnavailable("The identity provider publishes no keys.")
        usable = [
            key
            for key in keys
            if isinstance(key, dict) and key.get("kty") in _ALGORITHMS and key.get("use", "sig") == "sig"
        ]
        kid = header.get("kid")
        named = [key for key in usable if key.get("kid") == kid] if kid is not None else usable
        if len(named) != 1:
            raise _not_confirmed()
        return jwt.PyJWK(named[0])

    def _check_authorized_party(self, claims: Mapping[str, object]) -> None:
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if (several or "azp" in claims) and claims.get("azp") != self._client.client_id:
            raise _not_confirmed()

    def _user_id(self, claims: Mapping[str, object]) -> str:
        claim = self._client.user_claim
        user_id = claims.get(claim)
        if not isinstance(user_id, str) or not user_id:
            raise Unauthenticated(f"The identity provider doesn't say who you are: the claim {claim} is missing.")
        if claim == "email" and claims.get("email_verified") is not True:
            raise Unauthenticated("The identity provider hasn't verified your email address.")
        return user_id


def _challenge(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise IssuerUnavailable(f"The identity provider's answer has no {name}.")
    return value


def _optional(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _not_confirmed() -> Unauthenticated:
    return Unauthenticated("The identity provider's answer could not be confirmed. Begin again.")
