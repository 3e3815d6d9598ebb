"""Secrets that are no plain value, over the API: made, shown, given a new key, refused, deleted."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519

from app.vault.wrapping import wrap_key
from tests.support.actors import Workspace
from tests.support.service import Service

HOSTS: Final = {"allowed_hosts": ["api.example.com"], "visibility": "restricted"}
HMAC: Final[dict[str, Any]] = HOSTS | {
    "name": "SIGNS", "type": "hmac", "key": "canary-signing-key", "message": "v0:{{$timestamp}}:{{$body}}",
}  # fmt: skip


def pem(key: Any, *, form: Any = serialization.PrivateFormat.PKCS8, encryption: Any = None) -> str:
    made: bytes = key.private_bytes(serialization.Encoding.PEM, form, encryption or serialization.NoEncryption())
    return made.decode()


P256: Final = pem(ec.generate_private_key(ec.SECP256R1()))
JWT: Final[dict[str, Any]] = HOSTS | {
    "name": "APP", "type": "jwt", "key": P256, "algorithm": "ES256", "claims": {"iss": "12345"},
}  # fmt: skip
AWS: Final[dict[str, Any]] = HOSTS | {
    "name": "AWS", "type": "aws4", "access_key_id": "AKIDEXAMPLE", "region": "us-east-1", "service": "s3",
    "secret_access_key": "canary/Secret+Access/Key0123456789abcdefg",
}  # fmt: skip
OAUTH: Final[dict[str, Any]] = HOSTS | {
    "name": "CRM", "type": "oauth2", "grant": "client_credentials", "token_url": "http://127.0.0.1:1/token",
    "client_id": "me", "client_secret": "canary-client-secret",
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(service: Service) -> Workspace:
    return Workspace.make(service)


def made(workspace: Workspace, body: dict[str, Any]) -> requests.Response:
    return workspace.ask("POST", "secrets", body)


def deleted(workspace: Workspace, name: str) -> None:
    assert workspace.ask("DELETE", f"secrets/{name}?confirm={name}").status_code == 204


@pytest.mark.parametrize("body", [HMAC, JWT, AWS, OAUTH], ids=lambda body: str(body["type"]))
def test_a_secret_of_each_type_is_made_shown_and_deleted(workspace: Workspace, body: dict[str, Any]) -> None:
    answer = made(workspace, body)
    assert answer.status_code == 201, answer.text
    assert "canary" not in answer.text
    assert "PRIVATE KEY" not in answer.text
    shown = workspace.ask("GET", f"secrets/{body['name']}").json()
    assert shown["type"] == body["type"]
    assert shown["state"] == "active"
    assert shown["version"] == 1
    given = ("key", "secret_access_key", "client_secret")
    assert {name: shown[name] for name in body if name not in given} == {
        name: value for name, value in body.items() if name not in given
    }
    listed = [each for each in workspace.ask("GET", "secrets").json()["items"] if each["name"] == body["name"]]
    assert listed[0]["type"] == body["type"]
    reveal = workspace.ask("POST", f"secrets/{body['name']}/reveal")
    assert (reveal.status_code, reveal.json()["code"]) == (403, "never_shown")
    deleted(workspace, body["name"])
    assert made(workspace, body).status_code == 201  # nothing is left that would be in the way
    deleted(workspace, body["name"])


WEAK: Final = pem(rsa.generate_private_key(65537, 1024))
ODD: Final = pem(rsa.generate_private_key(65537, 2560))
THREE: Final = pem(rsa.generate_private_key(3, 2048))
REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    (HMAC | {"visibility": "masked"}, "visibility", "restricted"),
    (HMAC | {"value": "canary"}, "value", "no value"),
    (HMAC | {"key": ""}, "key", "1 to 512"),
    (HMAC | {"key": "x" * 513}, "key", "1 to 512"),
    (HMAC | {"key": "xyz", "key_encoding": "hex"}, "key", "isn't hex"),
    (HMAC | {"key": "*", "key_encoding": "base64"}, "key", "isn't base64"),
    (HMAC | {"wrapped_key": "AAAA"}, "key", "either"),
    (HMAC | {"client_secret": "x"}, "client_secret", "no client_secret"),
    (HMAC | {"message": "{{ticket}}"}, "message", "{{$body}}"),
    (JWT | {"key": "canary"}, "key", "isn't a private key in PEM"),
    (JWT | {"key": P256.replace("M", "*")}, "key", "isn't a private key in PEM"),
    (JWT | {"key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "key", "isn't a private key"),
    (JWT | {"key": P256 + pem(ec.generate_private_key(ec.SECP256R1()))}, "key", "several private keys"),
    (JWT | {"key": P256[:90]}, "key", "isn't a private key in PEM"),
    (JWT | {"key": pem(ec.generate_private_key(ec.SECP256K1()))}, "key", "secp256k1"),
    (JWT | {"key": pem(x25519.X25519PrivateKey.generate()), "algorithm": "EdDSA"}, "key", "of this kind"),
    (JWT | {"key": pem(ec.generate_private_key(ec.SECP384R1()))}, "key", "needs P-256"),
    (JWT | {"key": pem(ed25519.Ed25519PrivateKey.generate())}, "key", "signs EdDSA"),
    (JWT | {"key": pem(dsa.generate_private_key(2048))}, "key", "of this kind"),
    (
        JWT | {"key": pem(ec.generate_private_key(ec.SECP256R1()),
                          encryption=serialization.BestAvailableEncryption(b"x"))},
        "key", "passphrase",
    ),
    (JWT | {"algorithm": "RS256"}, "key", "signs ES256"),
    (JWT | {"algorithm": "RS256", "key": WEAK}, "key", "at least 2048"),
    (JWT | {"algorithm": "RS256", "key": ODD}, "key", "2048, 3072 or 4096"),
    (JWT | {"algorithm": "RS256", "key": THREE}, "key", "exponent"),
    (JWT | {"algorithm": "HS256"}, "algorithm", "RS256"),
    (JWT | {"claims": {"exp": 1}}, "claims", "exp"),
    (JWT | {"claims": {"a": "x" * 9000}}, "claims", "at most"),
    (JWT | {"claims": "iss"}, "claims", "object"),
    (JWT | {"lifetime_seconds": 4000}, "lifetime_seconds", "3600"),
    (JWT | {"wrapped_key": "no base64!"}, "key", "either"),
    (AWS | {"secret_access_key": "short"}, "secret_access_key", "16 to 128"),
    (AWS | {"region": ""}, "region", "300"),
    (OAUTH | {"token_url": "https://169.254.169.254/token"}, "token_url", "metadata"),
    (OAUTH | {"token_url": "https://10.0.0.1/token"}, "token_url", "not public"),
    (OAUTH | {"token_url": "ftp://example.com/token"}, "token_url", "https"),
    (OAUTH | {"client_secret": ""}, "client_secret", "empty"),
    (OAUTH | {"grant": "password"}, "grant", "client_credentials"),
    (OAUTH | {"refresh_token": "x"}, "refresh_token", "grant refresh_token"),
    (OAUTH | {"grant": "refresh_token"}, "refresh_token", "required"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field", "word"), REFUSED)
def test_what_can_not_be_is_refused_in_words_of_its_own_and_nothing_is_imported(
    workspace: Workspace, body: dict[str, Any], field: str, word: str
) -> None:
    answer = made(workspace, body)
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["errors"][f"/{field}"][0], answer.text
    assert "canary" not in answer.text
    assert workspace.ask("GET", f"secrets/{body['name']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "missing"), [(HMAC, "key"), (HMAC, "message"), (JWT, "algorithm"), (AWS, "region"), (OAUTH, "token_url")]
)
def test_what_is_missing_is_named(workspace: Workspace, body: dict[str, Any], missing: str) -> None:
    answer = made(workspace, {name: value for name, value in body.items() if name != missing})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [f"/{missing}"]


@pytest.fixture
def signs(workspace: Workspace) -> Any:
    assert made(workspace, HMAC).status_code == 201
    yield "SIGNS"
    deleted(workspace, "SIGNS")


def test_what_makes_a_secret_up_changes_with_the_key_only(workspace: Workspace, signs: str) -> None:
    tag = workspace.ask("GET", f"secrets/{signs}").headers["ETag"]
    for method, path in (("PATCH", f"secrets/{signs}"), ("PUT", f"secrets/{signs}/value")):
        refused = workspace.ask(method, path, {"message": "{{$body}}"}, headers={"If-Match": tag})
        assert (refused.status_code, refused.json()["code"]) == (422, "value_required"), refused.text
    done = workspace.ask("PUT", f"secrets/{signs}/value", {"key": "canary-another", "message": "{{$body}}"})
    assert done.status_code == 200, done.text
    assert (done.json()["version"], done.json()["message"], done.json()["hash"]) == (2, "{{$body}}", "sha256")
    again = workspace.ask("PUT", f"secrets/{signs}/value", {"key": "canary-a-third-key"})
    assert (again.json()["version"], again.json()["message"]) == (3, "{{$body}}")


def test_wider_rules_come_with_a_new_key_only(workspace: Workspace, signs: str) -> None:
    tag = workspace.ask("GET", f"secrets/{signs}").headers["ETag"]
    wider = {"allowed_hosts": ["api.example.com", "api.example.org"]}
    refused = workspace.ask("PATCH", f"secrets/{signs}", wider, headers={"If-Match": tag})
    assert (refused.status_code, refused.json()["code"]) == (422, "value_required")
    done = workspace.ask("PATCH", f"secrets/{signs}", wider | {"key": "canary-another"}, headers={"If-Match": tag})
    assert done.status_code == 200, done.text
    assert done.json()["allowed_hosts"] == wider["allowed_hosts"]
    narrower = workspace.ask(
        "PATCH", f"secrets/{signs}", {"allowed_hosts": ["api.example.org"]}, headers={"If-Match": done.headers["ETag"]}
    )
    assert narrower.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "rollback", {"version": 1}),
        ("DELETE", "versions/1?confirm=SIGNS", None),
        ("PUT", "value", {"key": "canary-another", "check": {"block": "whoami"}}),
    ],
)
def test_what_there_is_not_of_an_imported_key_is_said(
    workspace: Workspace, signs: str, method: str, path: str, body: Any
) -> None:
    refused = workspace.ask(method, f"secrets/{signs}/{path}", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_for_this_type"), refused.text


def test_a_key_is_never_given_as_a_value_nor_a_value_as_a_key(workspace: Workspace, signs: str) -> None:
    workspace.secret("PLAIN", "canary-plain-value")
    for name, body, field in (
        (signs, {"value": "canary-another-value"}, "/value"),
        ("PLAIN", {"key": "canary"}, "/key"),
        ("PLAIN", {"message": "x"}, "/message"),
    ):
        refused = workspace.ask("PUT", f"secrets/{name}/value", body)
        assert refused.status_code == 422
        assert list(refused.json()["errors"]) == [field], refused.text
    deleted(workspace, "PLAIN")


def test_a_new_key_is_of_the_kind_of_the_one_before(workspace: Workspace) -> None:
    assert made(workspace, JWT).status_code == 201
    other = {"key": pem(ed25519.Ed25519PrivateKey.generate()), "algorithm": "EdDSA"}
    refused = workspace.ask("PUT", "secrets/APP/value", other)
    assert refused.status_code == 422
    assert "type of the one before" in refused.json()["errors"]["/key"][0]
    shown = workspace.ask("GET", "secrets/APP").json()
    assert (shown["algorithm"], shown["version"], shown["state"]) == ("ES256", 1, "active")
    again = workspace.ask("PUT", "secrets/APP/value", {"key": pem(ec.generate_private_key(ec.SECP256R1()))})
    assert again.status_code == 200, again.text
    deleted(workspace, "APP")


def test_a_key_can_be_wrapped_for_vault_alone(workspace: Workspace) -> None:
    given = workspace.ask("GET", "secrets/wrapping-key").json()
    assert given["algorithm"] == "RSA-OAEP-256 + AES-256-KWP"
    assert workspace.ask("GET", "secrets/wrapping-key", user="ed").status_code == 403
    for key, body in (
        (b"canary".ljust(32, b"\0"), HMAC),
        (_der(rsa.generate_private_key(65537, 3072)), JWT | {"algorithm": "RS256"}),
    ):
        bare = {name: value for name, value in body.items() if name != "key"}
        answer = made(workspace, bare | {"wrapped_key": wrap_key(key, given["public_key"])})
        assert answer.status_code == 201, answer.text
        deleted(workspace, body["name"])
    other = pem_public(rsa.generate_private_key(65537, 4096))
    bare = {name: value for name, value in HMAC.items() if name != "key"}
    for wrapped in (wrap_key(b"x" * 32, other), base64.b64encode(b"x" * 600).decode(), "no base64!"):
        answer = made(workspace, bare | {"wrapped_key": wrapped})
        assert answer.status_code == 422
        assert list(answer.json()["errors"]) == ["/wrapped_key"]
        assert workspace.ask("GET", "secrets/SIGNS").status_code == 404


def _der(key: Any) -> bytes:
    made: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made


def pem_public(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def test_an_editor_makes_none_and_reads_all(workspace: Workspace, signs: str) -> None:
    assert workspace.ask("POST", "secrets", HMAC | {"name": "OTHER"}, user="ed").status_code == 403
    assert workspace.ask("PUT", f"secrets/{signs}/value", {"key": "x"}, user="ed").status_code == 403
    assert workspace.ask("GET", f"secrets/{signs}", user="ed").json()["message"] == HMAC["message"]
