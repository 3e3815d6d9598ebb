"""Small bodies in which nothing is written in another way are told by what they hold."""

from __future__ import annotations

import pytest

from app.redaction.packings import Sought
from app.redaction.shortcut import reads_one_way

SOUGHT = Sought(32, 32, 32)


@pytest.mark.parametrize(
    "raw", [b"", b"plain", b'{"id": 7, "name": "a b", "url": "https://example.com/a?b=c"}', b"1 < 2"]
)
def test_a_usual_body_reads_one_way(raw: bytes) -> None:
    assert reads_one_way(raw, SOUGHT, fewest=32, ascii_only=True)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"\\n",
            b"%41",
            b"%u0041",
            b"&amp;",
            b"&#65;",
            b"=41",
            b"=\n",
            b"=?u",
            b"~1",
            b"U+0041",
            b"0x41",
            b"0b1",
            b"0o7",
        ),
        *(b"\0", b"\xed\xa0\x80", b'"a" + "b"', b"a\n> b", b"\n00000000: 41", b"1000001 1000010 "),
        *(b"QUJD" * 12, b"41" * 40, b"65, " * 40, b'"a", ' * 40),
    ],
)
def test_what_could_be_undone_is_looked_through_in_full(raw: bytes) -> None:
    assert not reads_one_way(raw, SOUGHT, fewest=32, ascii_only=True)
