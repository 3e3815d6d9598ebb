"""Lists of numbers and of characters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.redaction.lists import may_hold_codes, may_hold_lists, unpack_lists
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


@pytest.mark.parametrize("form", ["'%c': %d", '"%c":%d', "'%c' = %d", '"%c": "%d"'])
def test_characters_that_are_keys_are_put_together(form: str) -> None:
    raw = (", ".join(form % (code, at) for at, code in enumerate(ITEMS))).encode()
    assert may_hold_lists(raw, len(TEXT), ascii_only=True)
    assert any(ITEMS in text for text in unpack(raw))
    assert not any(ITEMS in text for text in unpack(raw.replace(b"'c'", b"'cc'", 1).replace(b'"c"', b'"cc"', 1)))


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


def test_a_number_with_letters_behind_it_is_no_item() -> None:
    assert b"s_!" in unpack(b"[115, 107px, 95, 33]", fewest=3)[0]


def test_items_that_others_count_lead_back_to_where_they_stand() -> None:
    raw = b" ".join(b"%d %d" % pair for pair in enumerate(ITEMS))
    (view,) = [view for view in unpack_lists(View.of(raw), fewest=len(TEXT), ascii_only=True) if ITEMS in view.raw]
    at = view.raw.index(ITEMS)
    assert [view.span(at + n, at + n + 1) for n in range(2)] == [(2, 4), (7, 9)]


def test_keys_in_csv_are_left_out_whatever_they_are() -> None:
    raw = b'"{' + b", ".join(b'""%d"": %d' % (7 * n % 50, code) for n, code in enumerate(ITEMS)) + b'}"'
    assert any(ITEMS in text for text in unpack(raw))


def test_what_stands_between_single_characters_is_none_of_them() -> None:
    assert any(ITEMS in text for text in unpack(b"x " + b" : ".join(b"%c" % code for code in ITEMS) + b" x"))


def test_a_list_that_was_there_before_is_not_given_again() -> None:
    raw = b",".join(b"%d" % code for code in ITEMS)
    known = View(View.of(raw).text, fresh=np.zeros(len(raw), np.bool_))
    assert list(unpack_lists(known, fewest=len(TEXT), ascii_only=True)) == []


def test_numbers_of_one_digit_are_no_list_of_characters_however_many_they_are() -> None:
    assert not may_hold_lists(b"1;2;3;4;5;6;7;8;9;10;" * 9, 20, ascii_only=True)
    assert may_hold_lists(b", 0, ".join(b"%d" % code for code in b"UTF-16 as its bytes' numbers"), 20, ascii_only=True)


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (b", ".join(b"%d" % code for code in ITEMS), True),
        (b"999999" + b" " * 40 + b", ".join(b"%d" % code for code in ITEMS), True),
        (b", ".join(b"%d" % code for code in ITEMS[1:]), False),
        ((b"," + b" " * 23).join(b"%d" % code for code in ITEMS), True),
        ((b"," + b" " * 24).join(b"%d" % code for code in ITEMS), False),
        (b", ".join(b"%d" % (code + 40) for code in ITEMS), False),
        (b"32 126 " * 10, True),
        (b"31 126 " * 10, False),
        (b"32 127 " * 10, False),
        (b"1126 " * 20, False),
        (b"", False),
    ],
)
def test_numbers_of_characters_are_told_from_others(raw: bytes, *, holds: bool) -> None:
    assert may_hold_codes(raw, len(ITEMS)) is holds


def test_numbers_of_one_digit_bring_no_others_near_together() -> None:
    raw = (b"1;2;3;4;5;6;7;8;" * 12 + b"65;") * 20
    assert not may_hold_lists(raw, 20, ascii_only=True)
    assert may_hold_lists(b"65," * 20, 20, ascii_only=True)
