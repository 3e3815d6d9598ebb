"""base64 at every alignment, whatever stands around it: the shortest values are found as the long ones are."""

from __future__ import annotations

import base64

import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor

NEIGHBOURS = [b"", b"\xff", b"\xff\xfe", b"\xff\xfe\xfd"]


@pytest.mark.parametrize("value", ["abcd", "0000", "x7F!q", "k3-f81", "abcdefg", "abcdefghi"])
@pytest.mark.parametrize("before", NEIGHBOURS)
@pytest.mark.parametrize("after", NEIGHBOURS)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_found_at_any_alignment(value: str, before: bytes, after: bytes, encode: object) -> None:
    assert callable(encode)
    packed = encode(before + value.encode() + after)
    for text in (packed, packed.rstrip(b"="), b"<p>" + packed + b"</p>", packed + b"\n"):
        left, count = Redactor({"T": SecretValue(value)}).body(text)
        assert count >= 1
        assert b"[redacted:T]" in left
