"""Texts in pieces: what is left between keys, tags and the ends of lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.redaction.pieces import join_spans, pieces, small_pieces
from app.redaction.shortcut import APART
from app.redaction.views import span_places


def left(raw: bytes) -> set[bytes]:
    return {join_spans(raw, kept) for kept in pieces(raw)}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b'{"a": "12", "b": "34"}', b"1234"),
        (b"['12', '34', '56']", b"123456"),
        (b"part1: 12\npart2: 34\n", b" 12 34"),
        (b"a=12&b=34&c=56", b"12&34&56"),
        (b"a=12;b=34;c=56", b"12;34;56"),
        (b"<b>12</b><b>34</b>", b"1234"),
        (b"<td>12</td>\n<td>34</td>", b"12\n34"),
    ],
)
def test_what_stands_between_is_left_out(raw: bytes, wanted: bytes) -> None:
    assert any(wanted in each.replace(b"\n", b"") or wanted in each for each in left(raw))
    assert any(wanted in each.replace(b"\n", b"") or wanted in each for each in small_pieces([raw], APART))


@pytest.mark.parametrize("raw", [b"", b"plain", b"one=two", b"a < b", b"'one'"])
def test_a_text_without_keys_and_tags_has_no_pieces(raw: bytes) -> None:
    assert left(raw) == set()


SIGNS = [
    "a",
    "b",
    "7",
    '"',
    "'",
    "`",
    '""',
    "\\",
    " ",
    "\t",
    "\n",
    ",",
    ":",
    "=",
    ";",
    "&",
    "|",
    "<",
    ">",
    "[",
    "}",
    "é",
]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(SIGNS), max_size=20).map(lambda signs: "".join(signs).encode()),
        min_size=1,
        max_size=3,
    )
)
def test_of_small_texts_no_less_is_left_than_of_large_ones(texts: list[bytes]) -> None:
    small = list(small_pieces(texts, APART))
    for text in texts:
        for exact in left(text):
            assert any(exact in each for each in small), (text, exact)


def test_the_pieces_lead_back_to_the_body() -> None:
    raw = b"a=12&b=34&c=56"
    (kept,) = pieces(raw)
    assert span_places(*kept).tolist() == [2, 3, 4, 7, 8, 9, 12, 13]


def test_very_many_pieces_are_put_together_block_by_block() -> None:
    raw = b'{"a": "1", "bc": "23"}' * 5000
    (strings,) = pieces(raw)
    assert join_spans(raw, strings) == b"123" * 5000
