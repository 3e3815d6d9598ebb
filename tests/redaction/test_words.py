"""Numbers in hexadecimal digits whose last byte comes first."""

from __future__ import annotations

import pytest

from app.redaction.views import View
from app.redaction.words import may_hold_words, swap_words

TEXT = b"sk_live_51HxQ-U8"


def _words(size: int, between: str = " ", before: str = "") -> bytes:
    return between.join(before + TEXT[at : at + size][::-1].hex() for at in range(0, len(TEXT), size)).encode()


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize(("between", "before"), [(" ", ""), (" ", "0x"), (", ", "0X"), ("\t", "0x")])
def test_each_number_is_turned_round(size: int, between: str, before: str) -> None:
    raw = b"[0010] " + _words(size, between, before)
    assert may_hold_words(raw)
    view = swap_words(View.of(raw), len(TEXT))
    assert view is not None
    assert TEXT.hex().encode() in view.raw
    at = view.raw.index(TEXT.hex().encode())
    first, last = view.span(at, at + 2 * len(TEXT))
    assert raw[first:last] == raw[7 + len(before) :]


def test_fewer_bytes_than_a_text_has_are_none() -> None:
    assert swap_words(View.of(_words(2)), len(TEXT) + 1) is None
    assert swap_words(View.of(b"words without numbers"), 1) is None


@pytest.mark.parametrize("raw", [b"", b"6b73", b"6b73-6c5f", b"6b7 6c5", b"550e8400-e29b-41d4-a716", b" 0x73 0x6b "])
def test_two_of_them_follow_one_another_at_least(raw: bytes) -> None:
    assert not may_hold_words(raw)


def test_the_first_number_may_begin_the_view() -> None:
    view = swap_words(View.of(_words(4)), len(TEXT))
    assert view is not None
    assert TEXT.hex().encode() in view.raw
