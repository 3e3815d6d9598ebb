"""Signature Version 4 against AWS's own published vectors."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any, Final

import pytest

from app.variables.secrets.sigv4 import Scope, derive, hash_payload, request_to_sign

VECTORS: Final = json.loads((Path(__file__).parent / "aws_sigv4_vectors.json").read_text())["vectors"]
KEY: Final = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SCOPE: Final = Scope("20150830", "us-east-1", "service")


def test_the_vectors_are_there() -> None:
    assert len(VECTORS) == 31


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_a_request_is_signed_as_aws_does(vector: dict[str, Any]) -> None:
    path, _, query = vector["target"].partition("?")
    request = request_to_sign(
        vector["method"],
        path,
        query,
        [(name, value) for name, value in vector["headers"]],
        payload_hash=hash_payload(vector["body"].encode()),
        moment="20150830T123600Z",
        scope=SCOPE,
    )
    assert request.string_to_sign == vector["string_to_sign"]
    keys = derive(hmac.digest(KEY, SCOPE.date.encode(), "sha256"), SCOPE)
    assert keys.sign(request.string_to_sign) == vector["signature"]
    assert request.authorization("AKIDEXAMPLE").startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
    )


def test_the_path_of_s3_is_signed_as_it_goes_out() -> None:
    s3 = Scope("20150830", "us-east-1", "s3")
    moment = "20150830T123600Z"
    pairs = [("Host", "b.s3.amazonaws.com")]
    signed = {
        request_to_sign("GET", path, "", pairs, payload_hash="x", moment=moment, scope=s3).string_to_sign
        for path in ("/a//b", "/a/b", "/a%20b", "/a%2520b")
    }
    assert len(signed) == 4


def test_no_derived_key_is_in_a_repr() -> None:
    keys = derive(b"canary-date-key", SCOPE)
    assert "canary" not in repr(keys)
