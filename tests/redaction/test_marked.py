"""Lists of numbers that each have a mark of their base or type."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.redaction.marked import may_hold_marked, unpack_marked
from app.redaction.views import View

ITEMS = b"canary-7f3a9c21-tail"


def unpack(raw: bytes) -> list[bytes]:
    return [view.raw for view in unpack_marked(View.of(raw), fewest=len(ITEMS), ascii_only=True)]


@pytest.mark.parametrize(
    "write",
    [
        "0x{:02x} ",
        "(byte) 0x{:02X}, ",
        "chr(0x{:x}).",
        "&H{:02X} & ",
        "ChrW(&h{:02x}) & ",
        "#x{:x} ",
        "#${:02x}",
        "8'h{:02x}, ",
        'x"{:02X}", ',
        "0o{:o}, ",
        "U+{:04X} LATIN, ",
        "{}u8, ",
        "{}_u8, ",
        "{}i8, ",
        "{}u, ",
        "{}U, ",
        "{}n, ",
        "{}L, ",
        "{}l, ",
        "{}UL, ",
        "i{}e",
        "{:e}, ",
    ],
)
def test_numbers_with_a_mark_are_put_together(write: str) -> None:
    raw = "".join(write.format(code) for code in ITEMS).encode()
    assert may_hold_marked(raw, len(ITEMS))
    assert any(ITEMS in text for text in unpack(raw))


def test_what_was_put_together_leads_back_to_its_numbers() -> None:
    raw = b"x " + b" ".join(b"chr(0x%02x)" % code for code in ITEMS)
    (view,) = unpack_marked(View.of(raw), fewest=len(ITEMS), ascii_only=True)
    at = view.raw.index(ITEMS)
    first, last = view.span(at, at + 2)
    assert raw[first:last] == b"63).chr(0x61".replace(b".", b" ")


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (b"", False),
        (b"0", False),
        (b"plain text", False),
        (b"0x41 " * (len(ITEMS) - 2), False),
        (b"0x41 " * (len(ITEMS) - 1), True),
        (b"price 5 eur, " * 40, False),
    ],
)
def test_too_few_are_none(raw: bytes, *, holds: bool) -> None:
    assert may_hold_marked(raw, len(ITEMS)) is holds
    assert unpack(raw) == []


def test_a_pattern_of_few_numbers_is_none() -> None:
    pattern: Callable[[str], bytes] = lambda codes: b" ".join(b"0x%02x" % ord(code) for code in codes * 20)  # noqa: E731
    assert unpack(pattern("abc")) == []
    assert unpack(pattern("abcd")) != []


def test_a_broken_number_stands_for_nothing() -> None:
    raw = ", ".join([*(f"{code:e}" for code in ITEMS), "1.155e+00", *(f"{code:e}" for code in ITEMS)]).encode()
    assert any(2 * ITEMS in text for text in unpack(raw))


def test_in_a_large_text_only_what_stands_before_numbers_is_a_mark() -> None:
    digits, hexadecimal = (b"".join(write % code for code in ITEMS) for write in (b"%du8, ", b"0x%02x, "))
    assert unpack(digits + b" " * (64 * 1024 - len(digits))) != []
    assert unpack(digits + b" " * 64 * 1024) == []
    assert unpack(hexadecimal + b" " * 64 * 1024) != []


def test_a_number_beyond_all_that_is_counted_stands_for_nothing() -> None:
    raw = ", ".join(
        [*(f"{code:e}" for code in ITEMS), "9.99e+99", "1.5e-30", *(f"{code:e}" for code in ITEMS)]
    ).encode()
    assert any(2 * ITEMS in text for text in unpack(raw))
