"""Which bodies read in one way only: those in which nothing is escaped, packed, cut or listed."""

from __future__ import annotations

import base64

import pytest

from app.redaction.packings import Sought
from app.redaction.shortcut import LARGEST, reads_one_way

SOUGHT = Sought(20, 40, 20)


def one_way(raw: bytes, sought: Sought = SOUGHT) -> bool:
    return reads_one_way(raw, sought, fewest=20, ascii_only=True)


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
    assert one_way(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"a\\u0041",
        b"a%41",
        b"a%u0041",
        b"a&amp;",
        b"a&#65;",
        b"a=41",
        b"a=\n",
        b"=?utf-8?q?a?=",
        b"a\0b",
        b"\xed\xa0\x80",
        b"a~1b",
        b"U+0041",
        b"0x41",
        b"<![CDATA[a]]>",
        b"\x1b[1ma",
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
    assert not one_way(raw)


def test_values_with_too_little_ascii_go_the_long_way() -> None:
    assert not one_way(b"plain", Sought(20, 40, 2))


def test_there_is_a_size_beyond_which_it_saves_nothing() -> None:
    assert LARGEST == 16 * 1024
