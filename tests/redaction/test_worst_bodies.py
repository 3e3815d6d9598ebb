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
# A body of this size has a budget of 144 times itself, so that it is looked through to its end whatever that takes.
SIZE = 64 * 1024
DRAW = random.Random(7)


def _fill(unit: str | bytes) -> bytes:
    raw = unit.encode() if isinstance(unit, str) else unit
    return (raw * (SIZE // len(raw) + 1))[:SIZE]


BODIES = {
    "HTML in JSON": _fill(json.dumps('<p class="x">it&amp;s &lt;b&gt; é</p>\n')),
    "JSON of a tracker": _fill(
        json.dumps(
            {"url": "https://a.example.com/My%20Files?per_page=30", "body": 'Tom &amp; Jerry said "no" twice\r\n'}
        )
    ),
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
        ("JSON of a tracker", TOKEN, 31),
        ("HTML in JSON", TOKEN, 7),
        ("HTML in JSON", NOT_ASCII, 7),
        ("decimals", TOKEN, 3),
        ("decimals", NOT_ASCII, 12),
        ("JavaScript", TOKEN, 15),
        ("JavaScript", NOT_ASCII, 15),
        ("hexadecimal", TOKEN, 3),
        ("hexadecimal", NOT_ASCII, 11),
        ("base64 of noise", TOKEN, 3),
    ],
)
def test_a_dear_body_is_looked_through_so_often_and_no_oftener(name: str, value: str, most: int) -> None:
    assert views_of(BODIES[name], value) <= most


def test_json_with_four_kinds_of_escapes_is_looked_through_whatever_its_length() -> None:
    body = BODIES["JSON of a tracker"] * 17
    assert Redactor({"TOKEN": SecretValue(TOKEN)}).body(body) == (body, 0)


def test_noise_of_wide_characters_is_no_text_that_looks_like_another() -> None:
    nearly = b"$\\u0010`\\u00a9\\u00de\\udb06\\udd76\\udb44\\udf27"
    body = b"\n".join(
        [b"Content-Length: 83", b"\1" * 80, b"B", b"\0\0\0\0" + nearly, b"\0\0\0\0" + nearly[1:], b"\0\0\0\0B"]
    )
    assert views_of(body, "$\x10`©Þ\U000d1976\U000e1327x") < 1500
