"""How much is looked through goes by the body, never by how far a piece of it agrees with a value."""

from __future__ import annotations

import base64

import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor

VALUE = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
# Of the same shape, and wrong from the first character on.
OTHER = "tl_mjwf_62IyR-V9KAqEF1jHYm_E7hOD"


def views_of(body: bytes) -> int:
    """Count how many views of a body are looked through, or made."""
    made: list[None] = []
    out, count = Redactor({"TOKEN": SecretValue(VALUE)}, in_time=lambda: made.append(None)).body(body)
    assert (out, count) == (body, 0)
    return len(made)


@pytest.mark.parametrize("size", [1024, 64 * 1024, pytest.param(1024 * 1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "piece",
    [slice(0, 2), slice(0, 16), slice(0, 31), slice(1, 32), slice(16, 32)],
    ids=["pair", "half", "all but the last", "all but the first", "second half"],
)
@pytest.mark.parametrize("form", ["plain", "percent", "json", "base64"])
def test_as_much_is_looked_through_for_a_right_guess_as_for_a_wrong_one(size: int, piece: slice, form: str) -> None:
    assert views_of(_body(VALUE[piece], form, size)) == views_of(_body(OTHER[piece], form, size))


def _body(text: str, form: str, size: int) -> bytes:
    forms = {
        "plain": text.encode(),
        "percent": b"".join(b"%%%02x" % byte for byte in text.encode()),
        "json": b"".join(b"\\u%04x" % byte for byte in text.encode()),
        "base64": base64.b64encode(text.encode()),
    }
    return (forms[form] + b" . ") * (size // (len(forms[form]) + 3))
