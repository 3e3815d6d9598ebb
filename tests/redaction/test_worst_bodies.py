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
from app.redaction.canonical import OutOfBudgetError
from app.redaction.redactor import Redactor

TOKEN = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
NOT_ASCII = "Zürich-Straße-42-größer-ÄÖÜ"
# A body of this size has a budget of 144 times itself, so that it is looked through to its end.
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


LARGE = {
    "JSON of a tracker": json.dumps(
        {"url": "https://a.example.com/My%20Files?per_page=30", "body": 'Tom &amp; Jerry said "no" twice\r\n'}
    ),
    "strings with operators": json.dumps(
        {"url": "https://a.example.com/My%20Files?per_page=30", "body": 'Tom &amp; Jerry said "no".\r\n"twice"\n'}
    ),
    "a table": '<tr class="r30"><td><a href="/x?id=30&amp;p=%20a">two words</a></td><td>712</td></tr>\n',
    "a table in JSON": json.dumps('<tr class="r30"><td><a href="/x?id=30&amp;p=%20a">two words</a></td></tr>\n'),
    "JSON in JSON": json.dumps(json.dumps({"name": 'it said "no"\n', "path": "a/b\\c"})),
    "JavaScript": "function(a,b){var c=\"\\x41\"+'b'+a[0];return c&&d||0x41}\n",
    "a log": '2026-11-29T10:10:11.123Z INFO [30] GET /a?b=96&c=%2F 200 "two words" key=d040ef75\n',
}


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("JSON of a tracker", 5),
        ("strings with operators", 9),
        ("a table", 5),
        ("a table in JSON", 5),
        ("JSON in JSON", 5),
        ("JavaScript", 9),
        ("a log", 9),
    ],
)
def test_a_large_body_of_many_kinds_of_escapes_is_looked_through_in_few_views(name: str, most: int) -> None:
    assert views_of((LARGE[name] * (1 << 20))[: 1 << 20].encode(), TOKEN) <= most


def test_a_large_body_that_is_escaped_again_and_again_is_out_of_budget_soon() -> None:
    with pytest.raises(OutOfBudgetError):
        views_of(b"%252525252525252525252525 " * 40_000, TOKEN)


WORST = {
    "packed and cut": "\n|</b>|\\\"|> |[115,107,95]|s,k,|~1|736b5f6c697665|c2tfbGl2ZV81MUh4UQ|5c| |'|a|00000010: 736b ",
    "escaped": '\\u0041|\\n|\\"|%20|%41|&amp;|&#65;|=30|=\n|\\/|a|b|0x41|~1| ',
    "escaped again": '\\u0041|\\|%|25|&amp;|amp;|=|3D|30|5c|"|+|a|\n|> |x41',
}


@pytest.mark.parametrize("name", WORST)
def test_the_dearest_large_bodies_that_a_search_found_are_refused_after_few_views(name: str) -> None:
    draw = random.Random(7)
    body = "".join(draw.choice(WORST[name].split("|")) for _ in range((1 << 20) // 2)).encode()[: 1 << 20]
    spent: list[None] = []
    with pytest.raises(OutOfBudgetError):
        Redactor({"TOKEN": SecretValue(TOKEN)}, in_time=lambda: spent.append(None)).body(body)
    assert len(spent) < 60


def test_noise_of_wide_characters_is_no_text_that_looks_like_another() -> None:
    nearly = b"$\\u0010`\\u00a9\\u00de\\udb06\\udd76\\udb44\\udf27"
    body = b"\n".join(
        [b"Content-Length: 83", b"\1" * 80, b"B", b"\0\0\0\0" + nearly, b"\0\0\0\0" + nearly[1:], b"\0\0\0\0B"]
    )
    assert views_of(body, "$\x10`©Þ\U000d1976\U000e1327x") < 1500
