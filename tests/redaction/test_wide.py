"""UTF-16 and UTF-32 within other bytes are read, in either byte order, wherever they begin."""

from __future__ import annotations

import pytest

from app.redaction.views import View
from app.redaction.wide import wide


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
@pytest.mark.parametrize("text", ["canary text", "cañary tëxt €"])
def test_wide_characters_are_read(charset: str, before: bytes, text: str) -> None:
    raw = before + text.encode(charset) + b"\0\0"
    views = list(wide(View.of(raw), 200, ascii_only=text.isascii()))
    found = [view for view in views if text.encode() in view.raw]
    assert found
    if not text.isascii():
        assert {view.encoding for view in found} == {charset}


@pytest.mark.parametrize("raw", [b"", b"abc", b"a\0b", b"\0\0\0\0"])
def test_what_has_no_three_western_characters_is_not_read(raw: bytes) -> None:
    assert list(wide(View.of(raw), 200, ascii_only=True)) == []
