"""Lists of numbers and of characters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.redaction.lists import may_hold_lists, unpack_lists
from app.redaction.views import View

TEXT = "canary-7f3a9c21-tail"
ITEMS = TEXT.encode()


def unpack(raw: bytes, *, ascii_only: bool = True, fewest: int = len(TEXT)) -> list[bytes]:
    return [view.raw for view in unpack_lists(View.of(raw), fewest=fewest, ascii_only=ascii_only)]


@pytest.mark.parametrize(
    "write",
    [
        lambda: b"[" + b",".join(b"%d" % code for code in ITEMS) + b"]",
        lambda: b"[" + b", ".join(b"%d" % code for code in ITEMS) + b"]",
        lambda: b"{" + b", ".join(b'"%d": %d' % pair for pair in enumerate(ITEMS)) + b"}",
        lambda: b"\n".join(b"%d => %d" % pair for pair in enumerate(ITEMS)),
        lambda: b" ".join(b"%03o" % code for code in ITEMS),
        lambda: b"[" + b",".join(b"'%c'" % code for code in ITEMS) + b"]",
        lambda: b'["' + b'", "'.join(b"%c" % code for code in ITEMS) + b'"]',
        lambda: b"{" + b", ".join(b'"%d": "%c"' % pair for pair in enumerate(ITEMS)) + b"}",
        lambda: b" ".join(b"%c" % code for code in ITEMS),
    ],
)
def test_a_list_is_put_together(write: Callable[[], bytes]) -> None:
    raw = b"x = " + write() + b" ; and more"
    assert may_hold_lists(raw, len(TEXT), ascii_only=True)
    found = unpack(raw)
    assert any(ITEMS in text.replace(b"\xff", b"") for text in found)


def test_negative_numbers_are_bytes_as_java_writes_them() -> None:
    items = "clé-é-ü-ß-abcdefghij".encode()
    raw = b"[" + b", ".join(b"%d" % (code - 256 if code > 127 else code) for code in items) + b"]"
    assert any(items in text for text in unpack(raw, ascii_only=False))


def test_numbers_beyond_a_byte_are_code_points() -> None:
    text = "ключ-ключ-ключ-ключ!"
    raw = b"[" + b", ".join(b"%d" % ord(char) for char in text) + b"]"
    assert any(text.encode() in found for found in unpack(raw, ascii_only=False))


def test_what_was_put_together_leads_back_to_its_items() -> None:
    raw = b"[" + b",".join(b"%d" % code for code in ITEMS) + b"]"
    (view, *_) = unpack_lists(View.of(raw), fewest=len(TEXT), ascii_only=True)
    at = view.raw.index(ITEMS)
    first, last = view.span(at, at + len(ITEMS))
    assert raw[first:last] == raw[1:-1]
    assert view.bare


@pytest.mark.parametrize(
    "raw", [b"", b"[1, 2, 3]", b'{"a": 1, "b": [4, 5]}', b"some words of a text", b"1.5 2.5 3.5", b"['a', 'b']"]
)
def test_a_short_list_is_none(raw: bytes) -> None:
    assert not may_hold_lists(raw, len(TEXT), ascii_only=True)
    assert unpack(raw) == []


def test_items_that_stand_far_apart_are_no_list() -> None:
    raw = (b" " * 100).join(b"%d" % code for code in ITEMS)
    assert unpack(raw) == []
