"""UTF-16 and UTF-32 within other bytes."""

from __future__ import annotations

import pytest

from app.redaction.views import View
from app.redaction.wide import may_hold_wide, wide

TEXT = "canary-7f3a9c21"


def read(raw: bytes, *, ascii_only: bool = True) -> list[tuple[bytes, str]]:
    return [(view.raw, view.encoding) for view in wide(View.of(raw), 500, ascii_only=ascii_only)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"{'a': '"])
def test_wide_characters_are_read_wherever_they_begin(encoding: str, before: bytes) -> None:
    raw = before + TEXT.encode(encoding) + b"'} and more"
    views = read(raw, ascii_only=False)
    assert any(TEXT.encode() in text and name == encoding for text, name in views)
    for view in wide(View.of(raw), 500, ascii_only=False):
        if view.encoding == encoding and TEXT.encode() in view.raw:
            at = view.raw.index(TEXT.encode())
            assert view.span(at, at + len(TEXT)) == (len(before), len(before) + 2 * len(TEXT))


def test_where_all_texts_are_ascii_one_byte_order_is_enough() -> None:
    assert any(TEXT.encode() in text for text, _ in read(TEXT.encode("utf-16-le")))
    assert len(read(TEXT.encode("utf-16-le"))) < len(read(TEXT.encode("utf-16-le"), ascii_only=False)) + 1


def test_wider_ones_are_read_in_two_steps() -> None:
    raw = TEXT.encode("utf-32-le")
    (first, *_) = wide(View.of(raw), 500, ascii_only=True)
    names = {view.encoding for view in wide(first, 500, ascii_only=True)}
    assert all(name.startswith("utf-32") for name in names)


def test_letters_beyond_western_ones_are_read_beside_them() -> None:
    text = "abcdefg-ключ-€"
    views = read(text.encode("utf-16-le"), ascii_only=False)
    assert any(text.encode() in raw for raw, _ in views)


@pytest.mark.parametrize("raw", [b"", b"plain", bytes(100), b"a\0b", b"a\0b\0"])
def test_what_has_no_three_western_characters_is_not_wide(raw: bytes) -> None:
    assert read(raw) == []


def test_in_the_other_byte_order_the_first_character_is_read_too() -> None:
    raw = b"x" + TEXT.encode("utf-16-le") + b"\0\0"
    (view,) = wide(View.of(raw), 500, ascii_only=True)
    first = view.raw.index(TEXT.encode())
    assert view.span(first, first + len(TEXT)) == (1, 2 * len(TEXT))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_three_western_characters_of_two_bytes_or_four_are_told(encoding: str) -> None:
    assert may_hold_wide(b"x" + "abc".encode(encoding) + b"x\0x")


@pytest.mark.parametrize("raw", [b"", b"\0", b"a\0b\0c", b"\0\0\0\0\0\0", b"abc"])
def test_a_few_zeros_are_no_wide_characters(raw: bytes) -> None:
    assert not may_hold_wide(raw)
