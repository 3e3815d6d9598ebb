"""Calls that are signed with a key that lies in Vault: what receivers of the real kind check, and what comes back."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import re
import time
from typing import Any, Final

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.support.actors import Workspace
from tests.support.aws4 import signature_of
from tests.support.service import Service
from tests.support.upstream import Seen, Upstream

KEY: Final = "canary-signing-key"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def workspace(service: Service) -> Workspace:
    return Workspace.make(service)


def secret(workspace: Workspace, upstream: Upstream, secret_type: str, **more: Any) -> str:
    name = f"S{next(_numbers)}"
    body = {
        "name": name, "type": secret_type, "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}", f"localhost:{upstream.port}"],
    }  # fmt: skip
    answer = workspace.ask("POST", "secrets", body | more)
    assert answer.status_code == 201, answer.text
    return name


def send(workspace: Workspace, upstream: Upstream, path: str = "/", **call: Any) -> tuple[Seen, requests.Response]:
    sent = {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}{path}"} | call
    answer = workspace.ask("POST", "calls", sent)
    assert answer.status_code == 200, answer.text
    return upstream.seen[-1], answer


def headers(**values: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]


def made(message: bytes, hash_name: str = "sha256", key: bytes = KEY.encode()) -> bytes:
    return hmac.digest(key, message, hash_name)


TIMELY: Final = ["{{$uuid}}", "{{$timestamp}}"]
BODY: Final = {"type": "json", "content": {"text": "ünïcode & {{$uuid}}", "at": "{{$timestamp}}"}}


def test_slack_takes_it(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="v0:{{$timestamp}}:{{$body}}")
    head = headers(X_Slack_Request_Timestamp="{{$timestamp}}", X_Slack_Signature=f"v0={{{{secrets.{name}}}}}")
    seen, answer = send(workspace, upstream, headers=head, body=BODY)
    at = seen.header("X-Slack-Request-Timestamp") or ""
    assert abs(int(at) - time.time()) < 60
    wanted = made(f"v0:{at}:".encode() + seen.body).hex()
    assert seen.header("X-Slack-Signature") == f"v0={wanted}"
    assert json.loads(seen.body)["at"] == int(at)
    # The upstream echoes everything; the signature doesn't come back.
    assert wanted not in answer.text
    assert f"v0=[redacted:{name}]" in json.dumps(answer.json()["body"]["content"])
    assert answer.json()["redactions"] >= 1


def test_stripe_takes_it(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$timestamp}}.{{$body}}")
    head = headers(Stripe_Signature=f"t={{{{$timestamp}}}},v1={{{{secrets.{name}}}}}")
    seen, _ = send(workspace, upstream, headers=head, body={"type": "text", "content": "a\r\nb\n"})
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", seen.header("Stripe-Signature") or "")
    assert found
    assert found[2] == made(f"{found[1]}.".encode() + seen.body).hex()


@pytest.mark.parametrize(("hash_name", "prefix"), [("sha256", "sha256="), ("sha1", "sha1="), ("sha512", "")])
def test_github_webhooks_take_it(workspace: Workspace, upstream: Upstream, hash_name: str, prefix: str) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$body}}", hash=hash_name)
    head = headers(X_Hub_Signature_256=f"{prefix}{{{{secrets.{name}}}}}")
    seen, _ = send(workspace, upstream, headers=head, body={"type": "form", "content": {"a": "ü&=", "b": "{{$uuid}}"}})
    assert seen.header("X-Hub-Signature-256") == prefix + made(seen.body, hash_name).hex()


@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_standard_webhooks_take_it(workspace: Workspace, upstream: Upstream, prefix: str) -> None:
    raw = bytes(range(24))
    key = prefix + base64.b64encode(raw).decode()
    message = "{{$uuid}}.{{$timestamp}}.{{$body}}"
    name = secret(workspace, upstream, "hmac", key=key, key_encoding="base64", message=message, encoding="base64")
    head = headers(
        webhook_id="{{$uuid}}", webhook_timestamp="{{$timestamp}}", webhook_signature=f"v1,{{{{secrets.{name}}}}}"
    )
    seen, _ = send(workspace, upstream, headers=head, body=BODY)
    signed = f"{seen.header('webhook-id')}.{seen.header('webhook-timestamp')}.".encode() + seen.body
    assert seen.header("webhook-signature") == "v1," + base64.b64encode(made(signed, key=raw)).decode()


def test_method_path_and_query_are_signed_as_they_go_out(workspace: Workspace, upstream: Upstream) -> None:
    message = "{{$method}}\n{{$path}}\n{{$query}}\n{{$timestamp_ms}}"
    name = secret(workspace, upstream, "hmac", key=KEY, message=message, encoding="base64url")
    workspace.secret("IN_QUERY", "canary value/ü", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    head = headers(X_Signature=f"{{{{secrets.{name}}}}}", X_At="{{$timestamp_ms}}")
    seen, _ = send(
        workspace, upstream, "/a%20b/{{x}}?q=1", method="PUT", headers=head, variables={"x": "ü/"},
        query=[{"name": "k", "value": "{{secrets.IN_QUERY}}"}],
    )  # fmt: skip
    path, _, query = seen.path.partition("?")
    assert query.startswith("q=1&k=canary%20value")
    wanted = made(f"PUT\n{path}\n{query}\n{seen.header('X-At')}".encode())
    assert seen.header("X-Signature") == base64.urlsafe_b64encode(wanted).decode().rstrip("=")


def test_each_part_of_a_multipart_body_is_signed(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$body}}")
    parts = [{"name": "f", "value": "AAECAw==", "encoding": "base64", "filename": "f.bin"}, {"name": "a", "value": "b"}]
    head = headers(X_Signature=f"{{{{secrets.{name}}}}}")
    seen, _ = send(workspace, upstream, headers=head, body={"type": "multipart", "content": parts})
    assert seen.header("X-Signature") == made(seen.body).hex()


def test_a_value_in_the_body_is_signed_too(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$body}}")
    workspace.secret("IN_BODY", "canary-in-the-body", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    head = headers(X_Signature=f"{{{{secrets.{name}}}}}")
    seen, _ = send(workspace, upstream, headers=head, body={"type": "json", "content": {"k": "{{secrets.IN_BODY}}"}})
    assert b"canary-in-the-body" in seen.body
    assert seen.header("X-Signature") == made(seen.body).hex()


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("{{$body}}", {"body": {"type": "json", "content": {"s": "{{secrets.NAME}}"}}}),
        ("{{$path}}", {"url": "/{{secrets.NAME}}"}),
        ("{{$query}}", {"query": [{"name": "s", "value": "{{secrets.NAME}}"}]}),
    ],
)
def test_a_signature_stands_in_nothing_that_it_is_made_over(
    workspace: Workspace, upstream: Upstream, message: str, call: dict[str, Any]
) -> None:
    places = ["header", "query", "path", "body"]
    name = secret(workspace, upstream, "hmac", key=KEY, message=message, allowed_places=places)
    url = f"http://127.0.0.1:{upstream.port}"
    sent = json.loads(json.dumps({"method": "POST", **call}).replace("NAME", name))
    sent["url"] = url + sent.get("url", "/")
    before = len(upstream.seen)
    for path, body in (("calls", sent), ("calls/preview", sent), ("blocks", {"name": "signed-over", "call": sent})):
        refused = workspace.ask("POST", path, body)
        assert (refused.status_code, refused.json()["code"]) == (422, "value_not_allowed_here"), refused.text
    assert len(upstream.seen) == before


def test_a_body_that_is_signed_has_a_limit(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$body}}")
    head = headers(X_Signature=f"{{{{secrets.{name}}}}}")
    sent = {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}/", "headers": head}
    just = workspace.ask("POST", "calls", sent | {"body": {"type": "text", "content": "x" * 512 * 1024}})
    assert just.status_code == 200
    over = workspace.ask("POST", "calls", sent | {"body": {"type": "text", "content": "x" * (512 * 1024 + 1)}})
    assert (over.status_code, over.json()["code"]) == (413, "payload_too_large")


def test_what_is_signed_follows_no_redirect(workspace: Workspace, upstream: Upstream) -> None:
    upstream.scripts["/away"] = lambda handler: handler.answer(b"", 302, {"Location": "/home"})
    over_body = secret(workspace, upstream, "hmac", key=KEY, message="{{$body}}")
    over_time = secret(workspace, upstream, "hmac", key=KEY, message="{{$timestamp}}")
    call = {"url": f"http://127.0.0.1:{upstream.port}/away", "follow_redirects": True}
    refused = workspace.ask("POST", "calls", call | {"headers": headers(X_S=f"{{{{secrets.{over_body}}}}}")})
    assert (refused.status_code, refused.json()["code"]) == (502, "redirect_refused")
    assert (refused.json()["party"], refused.json()["reason"]) == ("upstream", "signed")
    followed = workspace.ask("POST", "calls", call | {"headers": headers(X_S=f"{{{{secrets.{over_time}}}}}")})
    assert followed.status_code == 200
    del upstream.scripts["/away"]


def test_a_new_key_signs_at_once_and_the_old_one_no_more(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="x")
    head = headers(X_S=f"{{{{secrets.{name}}}}}")
    assert send(workspace, upstream, headers=head)[0].header("X-S") == made(b"x").hex()
    put = workspace.ask("PUT", f"secrets/{name}/value", {"key": "canary-other-key", "message": "y"})
    assert put.status_code == 200, put.text
    assert send(workspace, upstream, headers=head)[0].header("X-S") == made(b"y", key=b"canary-other-key").hex()
    assert workspace.ask("DELETE", f"secrets/{name}?confirm={name}").status_code == 204
    gone = workspace.ask("POST", "calls", {"url": f"http://127.0.0.1:{upstream.port}/", "headers": head})
    assert (gone.status_code, gone.json()["code"]) == (422, "unknown_secret")


def test_a_preview_signs_nothing(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "hmac", key=KEY, message="{{$timestamp}}")
    sent = {
        "url": f"http://127.0.0.1:{upstream.port}/", "headers": headers(X_S=f"v0={{{{secrets.{name}}}}}"),
        "query": [{"name": "at", "value": "{{$timestamp}}"}],
    }  # fmt: skip
    shown = workspace.ask("POST", "calls/preview", sent).json()
    assert {"name": "X-S", "value": f"v0=[secret:{name}]"} in shown["headers"]
    assert re.search(r"\?at=\d{10}$", shown["url"])


def test_the_moment_is_one_in_all_fields_and_another_in_the_next_call(workspace: Workspace, upstream: Upstream) -> None:
    head = headers(X_A="{{$uuid}}", X_B="{{ $uuid }}", X_C="{{$timestamp}} {{$timestamp_ms}}")
    first, _ = send(
        workspace, upstream, headers=head, body={"type": "json", "content": ["{{$uuid}}", "{{$timestamp}}"]}
    )
    assert first.header("X-A") == first.header("X-B") == json.loads(first.body)[0]
    at, _, ms = (first.header("X-C") or "").partition(" ")
    assert json.loads(first.body)[1] == int(at) == int(ms) // 1000
    second, _ = send(workspace, upstream, headers=head, variables={"$uuid": "mine"})
    assert second.header("X-A") not in (first.header("X-A"), "mine")
    workspace.block("timely", {"url": f"http://127.0.0.1:{upstream.port}/", "headers": head})
    ids = set()
    for _ in range(2):
        assert workspace.run("timely").status_code == 200
        ids.add(upstream.seen[-1].header("X-A"))
    assert len(ids) == 2


# --- jwt --------------------------------------------------------------------------------------------------------------


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ) if not isinstance(key, ed25519.Ed25519PrivateKey) else key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return text.decode()


def part(text: str) -> Any:
    return json.loads(unpadded(text))


def unpadded(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


RSA_KEY: Final = rsa.generate_private_key(65537, 2048)
EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
ED_KEY: Final = ed25519.Ed25519PrivateKey.generate()


def verify(algorithm: str, token: str) -> None:
    signing_input, _, signature = token.rpartition(".")
    raw, signed = unpadded(signature), signing_input.encode()
    if algorithm == "RS256":
        RSA_KEY.public_key().verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "ES256":
        assert len(raw) == 64
        pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        EC_KEY.public_key().verify(pair, signed, ec.ECDSA(hashes.SHA256()))
    else:
        ED_KEY.public_key().verify(raw, signed)


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)])
def test_a_jwt_is_made_for_each_call(workspace: Workspace, upstream: Upstream, algorithm: str, key: Any) -> None:
    claims = {"iss": "12345", "aud": "https://api.example.com", "scope": ["ä"]}
    more = {"claims": claims, "lifetime_seconds": 60, "key_id": "key-1"}
    name = secret(workspace, upstream, "jwt", key=pem(key), algorithm=algorithm, **more)
    ids = set()
    for _ in range(2):
        seen, answer = send(workspace, upstream, headers=headers(Authorization=f"Bearer {{{{secrets.{name}}}}}"))
        scheme, _, token = (seen.header("Authorization") or "").partition(" ")
        assert scheme == "Bearer"
        verify(algorithm, token)
        assert part(token.split(".")[0]) == {"alg": algorithm, "typ": "JWT", "kid": "key-1"}
        found = part(token.split(".")[1])
        assert abs(found["iat"] - time.time()) < 60
        assert found["exp"] == found["iat"] + 60
        assert {name: found[name] for name in claims} == claims
        ids.add(found["jti"])
        assert token not in answer.text
        assert token.rpartition(".")[2] not in answer.text
        assert f"Bearer [redacted:{name}]" in answer.text
    assert len(ids) == 2


# --- aws4 -------------------------------------------------------------------------------------------------------------

AWS_KEY: Final = "canary/Secret+Access/Key0123456789abcdefg"
AWS: Final = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": AWS_KEY, "region": "us-east-1"}


@pytest.mark.parametrize("service_name", ["execute-api", "s3"])
def test_aws_takes_it(workspace: Workspace, upstream: Upstream, service_name: str) -> None:
    name = secret(workspace, upstream, "aws4", service=service_name, **AWS)
    seen, answer = send(
        workspace, upstream, "/a%20b/{{x}}?list-type=2", auth={"type": "aws4", "secret": name},
        query=[{"name": "prefix", "value": "ü/ &"}], headers=headers(X_Amz_Meta_A=" a   b "), variables={"x": "ü"},
        body={"type": "json", "content": {"a": 1}},
    )  # fmt: skip
    authorization = seen.header("Authorization") or ""
    wanted = signature_of(seen, AWS_KEY, service_name, "us-east-1")
    assert authorization.endswith(f"Signature={wanted}")
    assert re.search(r"Credential=AKIDEXAMPLE/\d{8}/us-east-1/" + service_name, authorization)
    names = re.search(r"SignedHeaders=([^,]+),", authorization)
    assert names
    assert {"host", "x-amz-date", "content-type", "x-amz-meta-a"} <= {*names[1].split(";")}
    assert (seen.header("X-Amz-Content-Sha256") is not None) == (service_name == "s3")
    assert wanted not in answer.text
    assert f"[redacted:{name}]" in answer.text


def test_derived_keys_do_not_come_back_either(workspace: Workspace, upstream: Upstream) -> None:
    name = secret(workspace, upstream, "aws4", service="s3", **AWS)

    def tell(handler: Any) -> None:
        key = f"AWS4{AWS_KEY}".encode()
        told = []
        for piece in ((handler.seen.header("X-Amz-Date") or "")[:8], "us-east-1", "s3", "aws4_request"):
            key = made(piece.encode(), key=key)
            told += [key.hex(), base64.b64encode(key).decode()]
        handler.answer(json.dumps(told).encode())

    upstream.scripts["/keys"] = tell
    _, answer = send(workspace, upstream, "/keys", auth={"type": "aws4", "secret": name})
    assert answer.json()["body"]["content"] == [f"[redacted:{name}]"] * 8
    del upstream.scripts["/keys"]


def test_aws4_and_other_types_are_not_mixed_up(workspace: Workspace, upstream: Upstream) -> None:
    aws = secret(workspace, upstream, "aws4", service="s3", **AWS)
    other = secret(workspace, upstream, "hmac", key=KEY, message="x", allowed_places=["header"])
    url = {"url": f"http://127.0.0.1:{upstream.port}/"}
    for call, code in (
        ({"headers": headers(Authorization=f"{{{{secrets.{aws}}}}}")}, "value_not_allowed_here"),
        ({"auth": {"type": "aws4", "secret": other}}, "value_not_allowed_here"),
        ({"auth": {"type": "aws4", "secret": aws}, "headers": headers(Authorization="x")}, "header_not_allowed"),
        ({"auth": {"type": "aws4", "secret": aws}, "headers": headers(X_Amz_Date="x")}, "header_not_allowed"),
        ({"auth": {"type": "aws4"}}, "validation_failed"),
        ({"auth": {"type": "aws4", "secret": "no such"}}, "validation_failed"),
        ({"auth": {"type": "aws4", "secret": "MISSING"}}, "unknown_secret"),
        ({"auth": {"type": "basic", "secret": aws}}, "validation_failed"),
    ):
        refused = workspace.ask("POST", "calls", url | call)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    block = workspace.block("aws", url | {"auth": {"type": "aws4", "secret": aws}})
    shown = workspace.service.ask("GET", block).json()
    assert (shown["call"]["auth"], shown["uses"]) == ({"type": "aws4", "secret": aws}, [aws])
    preview = workspace.ask("POST", "blocks/aws/preview").json()
    assert {"name": "Authorization", "value": f"AWS4-HMAC-SHA256 [secret:{aws}]"} in preview["headers"]
    assert workspace.run("aws").status_code == 200
    used = workspace.ask("GET", f"secrets/{aws}/usage").json()
    assert (used["blocks"], used["calls"]) == (["aws"], 1)
