"""Markers take the place of what matches cover, and JSON stays JSON."""

from __future__ import annotations

import pytest

from app.redaction.canonical import Match
from app.redaction.markers import markers_for, places_of, put_markers


@pytest.mark.parametrize(
    ("body", "found", "left", "count"),
    [
        (b"abcdef", [], b"abcdef", 0),
        (b"abcdef", [Match(1, 3, "A")], b"a[redacted:A]def", 1),
        (b"abcdef", [Match(1, 3, "A"), Match(2, 5, "B")], b"a[redacted:A]f", 1),
        (b"abcdef", [Match(1, 2, "A"), Match(1, 4, "B")], b"a[redacted:B]ef", 1),
        (b"abcdef", [Match(1, 3, "A"), Match(3, 5, "B")], b"a[redacted:A][redacted:B]f", 2),
        (b"[1, 234]", [Match(4, 7, "A")], b'[1, "[redacted:A]"]', 1),
        (b"[1, 12345]", [Match(5, 7, "A")], b'[1, "[redacted:A]"]', 1),
        (b'["x234"]', [Match(3, 6, "A")], b'["x[redacted:A]"]', 1),
        (b'["a\\"b", 7]', [Match(2, 6, "A"), Match(9, 10, "B")], b'["[redacted:A]", "[redacted:B]"]', 2),
        (b"-5", [Match(0, 2, "A")], b'"[redacted:A]"', 1),
        (b"{no json 5", [Match(9, 10, "A")], b"{no json [redacted:A]", 1),
    ],
)
def test_each_place_becomes_a_marker(body: bytes, found: list[Match], left: bytes, count: int) -> None:
    assert put_markers(body, found) == (left, count)
    assert len(markers_for(body, found)) == count


def test_of_two_readings_a_byte_apart_the_aligned_one_is_meant() -> None:
    found = [Match(3, 9, "A", "utf-16-be"), Match(4, 10, "A", "utf-16-le")]
    assert list(places_of(found)) == [found[1]]


def test_a_marker_is_written_as_the_place_was() -> None:
    assert (
        put_markers(b"ab\0c\0d", [Match(1, 5, "A", "utf-16-le")])[0] == b"a" + "[redacted:A]".encode("utf-16-le") + b"d"
    )
