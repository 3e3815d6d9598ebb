"""What stands between the pieces of a text is left out: keys, tags, the numbers of lines."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.pieces import pieces, small_pieces


def left(raw: bytes) -> list[bytes]:
    return [np.frombuffer(raw, np.uint8)[kept].tobytes() for kept in pieces(raw)]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"a": "one", "b": ["two", 3], "c": {"d": "three"}}', b"onetwothree"),
        (b'{""a"":""one"",""b"":""two""}', b"onetwo"),
        (b"{'a' => 'one', 'b' => 'two'}", b"onetwo"),
        (b"x(b'one'\n  b'two')", b"onetwo"),
    ],
)
def test_strings_are_put_together_without_their_keys(raw: bytes, text: bytes) -> None:
    assert left(raw)[0] == text
    assert next(small_pieces(raw)) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a: one\nb: two\nc: three", b" one two three"),
        (b"a=one&b=two&c=three", b"onetwothree"),
        (b"[0] => one\n[1] => two\n", b"> one> two"),
    ],
)
def test_what_a_line_or_pair_begins_with_is_left_out(raw: bytes, text: bytes) -> None:
    assert left(raw)[-1].replace(b"\n", b"").replace(b"&", b"") == text


def test_tags_are_left_out() -> None:
    assert left(b"<a>one</a><!-- x --><b>two</b> 1 < 2") == [b"onetwo 1 < 2"]


@pytest.mark.parametrize("raw", [b"", b"plain text, no more", b"1 < 2", b"a=b"])
def test_a_text_in_one_piece_has_no_pieces(raw: bytes) -> None:
    assert left(raw) == []
