"""What dear bodies cost, by how often their bytes are looked through; found by a search over mixtures of escapes.

A machine's time tells nothing here: counted are the views of a body, those that are made and those that are looked
through, each of which takes its share of the budget.
"""

from __future__ import annotations

import base64
import json
import random

import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor

TOKEN = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
NOT_ASCII = "Zürich-Straße-42-größer-ÄÖÜ"
# A body of this size has a budget of 124 times itself, so that it is looked through to its end whatever that takes.
SIZE = 64 * 1024
DRAW = random.Random(7)


def _fill(unit: str | bytes) -> bytes:
    raw = unit.encode() if isinstance(unit, str) else unit
    return (raw * (SIZE // len(raw) + 1))[:SIZE]


BODIES = {
    "HTML in JSON": _fill(json.dumps('<p class="x">it&amp;s &lt;b&gt; é</p>\n')),
    "decimals": _fill(json.dumps([DRAW.randrange(256) for _ in range(300)])),
    "JavaScript": _fill("function(a,b){var c=\"\\x41\"+'b'+a[0];return c&&d||0x41}\n"),
    "hexadecimal": _fill(DRAW.randbytes(5000).hex()),
    "base64 of noise": _fill(base64.b64encode(DRAW.randbytes(5000))),
}


def views_of(body: bytes, value: str) -> int:
    made: list[None] = []
    out, count = Redactor({"TOKEN": SecretValue(value)}, in_time=lambda: made.append(None)).body(body)
    assert (out, count) == (body, 0)
    return len(made)


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("HTML in JSON", TOKEN, 7),
        ("HTML in JSON", NOT_ASCII, 7),
        ("decimals", TOKEN, 3),
        ("decimals", NOT_ASCII, 9),
        ("JavaScript", TOKEN, 15),
        ("JavaScript", NOT_ASCII, 15),
        ("hexadecimal", TOKEN, 3),
        ("hexadecimal", NOT_ASCII, 11),
        ("base64 of noise", TOKEN, 3),
    ],
)
def test_a_dear_body_is_looked_through_so_often_and_no_oftener(name: str, value: str, most: int) -> None:
    assert views_of(BODIES[name], value) <= most
