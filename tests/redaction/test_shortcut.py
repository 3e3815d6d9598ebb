"""How a small body reads, where nothing in it is packed, cut or listed, and escaped only as is common."""

from __future__ import annotations

import base64

import pytest

from app.redaction.packings import Sought
from app.redaction.shortcut import LARGEST, readings

SOUGHT = Sought(20, 40, 20)


def read(raw: bytes, sought: Sought = SOUGHT) -> list[bytes] | None:
    return readings(raw, sought, fewest=20, ascii_only=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"plain text",
        b'{"id": 17, "title": "A ticket", "tags": ["a", "b"], "open": true, "price": 1.5}',
        b"<p>Some <b>words</b></p>",
        b"100 % of a & b = c",
        b"name,price\nbolt,3\nnut,1\n",
    ],
)
def test_most_answers_read_in_one_way(raw: bytes) -> None:
    assert read(raw) == [raw]


@pytest.mark.parametrize(
    "raw",
    [
        b"a%u0041",
        b"=?utf-8?q?a?=",
        b"a\0b\0c\0d",
        b"\xed\xa0\x80",
        b"a~1b",
        b"U+0041",
        b"0x41 0x42 0x43 0x44",
        b"<![CDATA[a]]>",
        b"\x1b[1ma",
        b"[b]a[/b]",
        b"(a) Tj T* (b) Tj",
        rb"{\rtf1 a}",
        b"73h, 6bh",
        b"&H73",
        b"%115",
        b"a\n1: b",
        "a\u200bb".encode(),
        b"".join(b"%03d" % code for code in b"a list of the numbers of characters"),
        b"".join(b"<list-item>%d</list-item>\n" % code for code in b"a list of the numbers of characters"),
        b'"ab" + "cd"',
        b"a\n> b",
        base64.b64encode(b"some text that is long enough to matter"),
        b"some text that is long enough to matter".hex().encode(),
        b",".join(b"%d" % code for code in b"a list of the numbers of characters"),
    ],
)
def test_what_could_be_undone_is_no_such_body(raw: bytes) -> None:
    assert read(raw) is None


@pytest.mark.parametrize("raw", [b"ch_3MmlL0b1IwHu", b"colour 0xff, 0x10 and 0o7", b"0xyz " * 9])
def test_a_number_with_a_prefix_here_and_there_is_no_escaped_text(raw: bytes) -> None:
    assert read(raw) == [raw]


def test_values_with_too_little_ascii_go_the_long_way() -> None:
    assert read(b"plain", Sought(20, 40, 2)) is None


def test_there_is_a_size_beyond_which_it_saves_nothing() -> None:
    assert LARGEST == 16 * 1024
    assert read(b"a" * LARGEST) == [b"a" * LARGEST]
    assert read(b"a" * (LARGEST + 1)) is None


@pytest.mark.parametrize(
    ("raw", "undone"),
    [
        (b"a\\u0041", [b"aA"]),
        (b"a%41", [b"aA"]),
        (b"a&amp;b", [b"a&b"]),
        (b"a&#65;", [b"aA"]),
        (b"a=41", [b"aA"]),
        (b"max-age=31536000", [b"max-age1536000"]),
        (b'x \\"%2541', [b'x "%2541', b'x \\"%41', b'x "%41', b'x \\"A', b'x "A']),
    ],
)
def test_common_escapes_are_undone_one_after_the_other(raw: bytes, undone: list[bytes]) -> None:
    found = read(raw)
    assert found is not None
    assert found[0] == raw
    assert found[1 : 1 + len(undone)] == undone


def test_a_body_of_very_many_escapes_is_left_to_the_long_way() -> None:
    assert len(read(b"%20, zq! " * 256) or ()) == 2
    assert read(b"%20, zq! " * 257) is None
    assert read(b"%" + b"25" * 40 + b"21") is None  # it would read in too many ways


def test_how_often_a_body_may_read_otherwise_has_a_bound() -> None:
    assert len(read(b"%" + b"25" * 14 + b"21") or ()) == 16
    assert read(b"%" + b"25" * 15 + b"21") is None


def test_all_that_a_body_reads_as_has_a_bound_together() -> None:
    assert len(read(b"a" * 15_000 + b" %2521") or ()) == 3
    assert read(b"a" * 15_000 + b" %25252521") is None


def test_in_what_was_unpacked_rare_kinds_are_not_undone_and_so_no_reason_for_the_long_way() -> None:
    text = b"a~1b\n1: b\n> c U+0041 [/d]"
    assert read(text) is None
    assert readings(text, SOUGHT, fewest=20, ascii_only=True, settled=True) == [text]
