"""Bytes as numbers of three digits with nothing between them."""

from __future__ import annotations

import pytest

from app.redaction.triples import may_hold_triples, unpack_triples
from app.redaction.views import View

TEXT = b"sk_live_51HxQ-U8"


@pytest.mark.parametrize("form", ["{:03d}", "{:03o}"])
@pytest.mark.parametrize("before", [b"", b"id=1", b"20"])
def test_three_digits_are_a_byte_wherever_they_begin(form: str, before: bytes) -> None:
    digits = "".join(form.format(code) for code in TEXT).encode()
    raw = before + digits + b"."
    assert may_hold_triples(raw, len(TEXT))
    found = [view for view in unpack_triples(View.of(raw), len(TEXT), ascii_only=True) if TEXT in view.raw]
    at = found[0].raw.index(TEXT)
    first, last = found[0].span(at, at + len(TEXT))
    assert raw[first:last] == digits
    assert found[0].bare


def test_what_is_no_text_ends_them() -> None:
    digits = b"".join(b"%03d" % code for code in TEXT)
    assert list(unpack_triples(View.of(digits[:24] + b"007" + digits[24:]), len(TEXT), ascii_only=True)) == []
    assert list(unpack_triples(View.of(digits[:-1]), len(TEXT), ascii_only=True)) == []
    assert not may_hold_triples(digits[:-1], len(TEXT))


def test_other_scripts_have_numbers_up_to_255() -> None:
    text = "ключ-鍵é".encode()
    raw = b"".join(b"%03d" % code for code in text)
    assert any(text in view.raw for view in unpack_triples(View.of(raw), len(text), ascii_only=False))
    assert list(unpack_triples(View.of(raw), len(text), ascii_only=True)) == []


def test_each_run_is_read_where_it_stands() -> None:
    digits = b"".join(b"%03d" % code for code in TEXT)
    raw = digits + b" and " + digits[:-3] + b"033"
    (view,) = [
        view for view in unpack_triples(View.of(raw), len(TEXT), ascii_only=True) if TEXT[:-1] + b"!" in view.raw
    ]
    at = view.raw.index(TEXT[:-1] + b"!")
    assert view.span(at, at + len(TEXT)) == (len(digits) + 5, len(raw))
