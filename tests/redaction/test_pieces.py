"""Texts in pieces: what is left between keys, tags and the ends of lines."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.pieces import pieces, small_pieces


def left(raw: bytes) -> set[bytes]:
    text = np.frombuffer(raw, np.uint8)
    return {text[kept].tobytes() for kept in pieces(raw)}


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
    assert any(wanted in each.replace(b"\n", b"") or wanted in each for each in small_pieces(raw))


@pytest.mark.parametrize("raw", [b"", b"plain", b"one=two", b"a < b", b"'one'"])
def test_a_text_without_keys_and_tags_has_no_pieces(raw: bytes) -> None:
    assert left(raw) == set()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "12", "b": "34"}',
        b'{"key": "value", "other": ["x", "y"], "n": 5}',
        b"a=12&b=34&c=56",
        b"x: 1\ny: 2\nz: 3",
        b"<p>one</p> two <i>three</i>",
        b'r"12" b"34" "56" "78"',
    ],
)
def test_the_fast_way_leaves_no_less_than_the_exact_one(raw: bytes) -> None:
    fast = b"\xff".join(small_pieces(raw))
    for exact in left(raw):
        assert exact in fast


def test_the_flags_lead_back_to_the_body() -> None:
    raw = b"a=12&b=34&c=56"
    (kept,) = pieces(raw)
    assert np.flatnonzero(kept).tolist() == [2, 3, 4, 7, 8, 9, 12, 13]
