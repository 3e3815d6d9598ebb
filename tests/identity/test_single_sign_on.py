"""The protocol's side of single sign-on, against a provider that is strict, and cheats on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.identity.single_sign_on import Attempt, Identity, OidcClient, SingleSignOn
from app.kernel.errors import IssuerUnavailable, Unauthenticated
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, oidc_provider, public_jwk


@pytest.fixture
def provider() -> Iterator[Provider]:
    with oidc_provider() as provider:
        yield provider


def sign_on(provider: Provider, user_claim: str = "sub") -> SingleSignOn:
    redirect_uri = "http://127.0.0.1:8000/sign-in/oidc/callback"
    return SingleSignOn(OidcClient(provider.issuer, CLIENT_ID, redirect_uri, CLIENT_SECRET, user_claim))


def go_there_and_back(service: SingleSignOn, provider: Provider) -> tuple[Attempt, Mapping[str, str]]:
    attempt, url = service.start()
    back = provider.authorize(url)
    return attempt, {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


def sign_in(provider: Provider, user_claim: str = "sub") -> Identity:
    service = sign_on(provider, user_claim)
    return service.finish(*go_there_and_back(service, provider))


def test_a_confirmed_answer_says_who_signed_in(provider: Provider) -> None:
    provider.claims = {"sid": "s-1"}
    assert sign_in(provider) == Identity("ada", "ada", "s-1")


def test_another_claim_can_be_the_users_id(provider: Provider) -> None:
    provider.claims = {"preferred_username": "ada.l"}
    assert sign_in(provider, "preferred_username").user_id == "ada.l"


def test_an_email_counts_only_once_it_is_verified(provider: Provider) -> None:
    provider.claims = {"email": "ada@example.com", "email_verified": True}
    assert sign_in(provider, "email").user_id == "ada@example.com"
    for verified in (False, "true", None):
        provider.claims = {"email": "ada@example.com", "email_verified": verified}
        with pytest.raises(Unauthenticated):
            sign_in(provider, "email")


def test_a_token_signed_with_an_elliptic_curve_is_taken(provider: Provider) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    provider.published.append(public_jwk(key, "e1"))
    provider.sign = lambda _self, claims: jwt.encode(dict(claims), key, "ES256", headers={"kid": "e1"})
    assert sign_in(provider).user_id == "ada"


def test_the_challenge_is_s256_whatever_discovery_says(provider: Provider) -> None:
    provider.discovery = {"code_challenge_methods_supported": ["plain"]}
    _, url = sign_on(provider).start()
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["S256"]


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_a_state_of_another_browser_is_refused_and_its_code_is_not_spent(provider: Provider) -> None:
    service = sign_on(provider)
    attempt, returned = go_there_and_back(service, provider)
    for mine in (None, Attempt("another", attempt.nonce, attempt.verifier)):
        with pytest.raises(Unauthenticated, match="begun elsewhere"):
            service.finish(mine, returned)
    assert not any(path == "/token" for path, _ in provider.requests)


def test_a_code_of_another_attempt_is_refused(provider: Provider) -> None:
    service = sign_on(provider)
    _, theirs = go_there_and_back(service, provider)
    attempt, mine = go_there_and_back(service, provider)
    with pytest.raises(IssuerUnavailable):  # the provider refuses it, for the challenge is another's
        service.finish(attempt, {**mine, "code": theirs["code"]})


def test_a_nonce_of_another_attempt_is_refused(provider: Provider) -> None:
    provider.claims = {"nonce": "another"}
    with pytest.raises(Unauthenticated):
        sign_in(provider)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another-client"]},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"nonce": None},
        {"nonce": 1},
    ],
)
def test_a_claim_that_is_off_is_refused(provider: Provider, claims: dict[str, object]) -> None:
    provider.claims = claims
    with pytest.raises(Unauthenticated):
        sign_in(provider)


def test_two_audiences_are_taken_where_this_client_is_the_authorized_party(provider: Provider) -> None:
    provider.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert sign_in(provider).user_id == "ada"


def _unsigned(_provider: Provider, claims: Mapping[str, object]) -> str:
    return jwt.encode(dict(claims), "", "none", headers={"kid": "k1"})


def _with_the_client_secret(_provider: Provider, claims: Mapping[str, object]) -> str:
    return jwt.encode(dict(claims), CLIENT_SECRET.ljust(32, "x"), "HS256", headers={"kid": "k1"})


def _with_a_withdrawn_key(_provider: Provider, claims: Mapping[str, object]) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(dict(claims), key, "RS256", headers={"kid": "k0"})


def _with_a_key_of_its_own(_provider: Provider, claims: Mapping[str, object]) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(dict(claims), key, "RS256", headers={"kid": "k1", "jwk": public_jwk(key, "k1")})


def _no_token(_provider: Provider, _claims: Mapping[str, object]) -> str:
    return "no.token.here"


@pytest.mark.parametrize(
    "sign", [_unsigned, _with_the_client_secret, _with_a_withdrawn_key, _with_a_key_of_its_own, _no_token]
)
def test_a_token_that_the_published_keys_do_not_confirm_is_refused(
    provider: Provider, sign: Callable[[Provider, Mapping[str, object]], str]
) -> None:
    provider.sign = sign
    with pytest.raises(Unauthenticated):
        sign_in(provider)


def test_a_key_for_encryption_signs_nothing(provider: Provider) -> None:
    provider.published[0]["use"] = "enc"
    with pytest.raises(Unauthenticated):
        sign_in(provider)


def test_an_answer_of_another_issuer_is_refused(provider: Provider) -> None:
    provider.callback = {"iss": "https://other.example"}
    with pytest.raises(Unauthenticated, match="another identity provider"):
        sign_in(provider)


def test_an_issuer_that_promises_to_name_itself_has_to(provider: Provider) -> None:
    provider.discovery = {"authorization_response_iss_parameter_supported": True}
    with pytest.raises(Unauthenticated):
        sign_in(provider)
    provider.callback = {"iss": provider.issuer}
    assert sign_in(provider).user_id == "ada"


def test_a_person_who_declines_is_told_so(provider: Provider) -> None:
    provider.callback = {"error": "access_denied"}
    with pytest.raises(Unauthenticated, match="did not let you in"):
        sign_in(provider)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("url", ["http://127.0.0.2:9/x", "http://localhost:x/", None, 5])
def test_nothing_outside_the_issuers_origin_is_asked(provider: Provider, name: str, url: object) -> None:
    provider.discovery = {name: url}
    with pytest.raises(IssuerUnavailable):
        sign_in(provider)


def test_an_issuer_under_another_name_is_refused(provider: Provider) -> None:
    provider.discovery = {"issuer": "https://other.example"}
    with pytest.raises(IssuerUnavailable):
        sign_in(provider)


def test_a_token_answer_without_an_id_token_is_refused(provider: Provider) -> None:
    provider.token_answer = {"access_token": "at"}
    with pytest.raises(IssuerUnavailable):
        sign_in(provider)


def test_a_provider_that_is_away_is_told_as_such() -> None:
    with oidc_provider() as provider:
        service = sign_on(provider)
    with pytest.raises(IssuerUnavailable):
        service.start()


def test_the_client_secret_is_in_no_repr() -> None:
    client = OidcClient("https://idp.example", CLIENT_ID, "https://s.example/cb", "canary-1234")
    assert "canary" not in repr(client)


# --- logout -----------------------------------------------------------------------------------------------------------


def test_a_logout_token_names_a_subject_or_a_session(provider: Provider) -> None:
    service = sign_on(provider)
    assert service.read_logout(provider.logout_token()).subject == "ada"
    assert service.read_logout(provider.logout_token(sub=None, sid="s-1")).provider_session == "s-1"


@pytest.mark.parametrize(
    "claims",
    [
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": "yes"}},
        {"events": None},
        {"nonce": "n"},
        {"aud": "another"},
        {"iss": "https://other.example"},
        {"jti": None},
        {"exp": int(time.time()) - 3600},
        {"sub": None},
    ],
)
def test_what_is_no_logout_token_ends_nothing(provider: Provider, claims: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        sign_on(provider).read_logout(provider.logout_token(**claims))


def test_an_id_token_is_no_logout_token(provider: Provider) -> None:
    with pytest.raises(Unauthenticated):
        sign_on(provider).read_logout(provider.id_token(provider.usual_claims("n")))
