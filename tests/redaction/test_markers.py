"""Markers in the place of what was found: places that overlap, JSON that stays JSON, other widths."""

from __future__ import annotations

import json

import pytest

from app.redaction.canonical import Match
from app.redaction.markers import marker_of, places_of, put_markers


def at(*spans: tuple[int, int], name: str = "T", encoding: str = "utf-8") -> list[Match]:
    return [Match(start, end, name, encoding) for start, end in spans]


def test_without_places_a_body_is_as_it_was() -> None:
    body = b"anything"
    assert put_markers(body, []) == (body, 0)
    assert put_markers(body, [])[0] is body


def test_each_place_gets_its_marker_and_what_is_between_stays() -> None:
    assert put_markers(b"a SECRET b SECRET c", at((2, 8), (11, 17))) == (b"a [redacted:T] b [redacted:T] c", 2)


def test_places_that_overlap_are_one_and_named_by_the_first_and_longest() -> None:
    found = [Match(4, 9, "B"), Match(0, 6, "A"), Match(0, 3, "C"), Match(9, 12, "D")]
    assert [(place.start, place.end, place.name) for place in places_of(found)] == [(0, 9, "A"), (9, 12, "D")]


def test_a_place_within_another_is_part_of_it() -> None:
    assert [(place.start, place.end) for place in places_of(at((0, 9), (2, 4)))] == [(0, 9)]


def test_of_two_readings_of_wide_characters_the_aligned_one_is_meant() -> None:
    found = [*at((3, 23), encoding="utf-16-be"), *at((2, 22), encoding="utf-16-le")]
    assert [(place.start, place.encoding) for place in places_of(found)] == [(2, "utf-16-le")]
    alone = at((3, 23), encoding="utf-16-be")
    assert [place.start for place in places_of(alone)] == [3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_marker_is_written_as_its_place_is(encoding: str) -> None:
    (place,) = at((0, 8), encoding=encoding)
    assert marker_of(place).decode(encoding) == "[redacted:T]"


@pytest.mark.parametrize(
    ("body", "span", "left"),
    [
        (b'{"a": 1234567890}', (6, 16), b'{"a": "[redacted:T]"}'),
        (b'{"a": -12345678.5e3}', (7, 15), b'{"a": "[redacted:T]"}'),
        (b'{"a": "1234567890"}', (7, 17), b'{"a": "[redacted:T]"}'),
        (b'{"a": "x 1234567890 y"}', (9, 19), b'{"a": "x [redacted:T] y"}'),
        (b'{"a\\"1234": 1}', (5, 9), b'{"a\\"[redacted:T]": 1}'),
        (b"[1234567890]", (1, 11), b'["[redacted:T]"]'),
        (b"1234567890", (0, 10), b'"[redacted:T]"'),
        (b'{"a": ["1","2","3"]}', (7, 18), b'{"a": ["[redacted:T]"]}'),
    ],
)
def test_what_was_json_stays_json(body: bytes, span: tuple[int, int], left: bytes) -> None:
    assert put_markers(body, at(span)) == (left, 1)
    json.loads(left)


def test_what_was_no_json_gets_no_quotes() -> None:
    assert put_markers(b'{"a": 1234567890', at((6, 16)))[0] == b'{"a": [redacted:T]'
    assert put_markers(b"key=1234567890", at((4, 14)))[0] == b"key=[redacted:T]"


def test_a_marker_that_ends_inside_a_string_leaves_the_rest_of_it() -> None:
    body = b'[15, "16", "x"]'
    assert put_markers(body, at((1, 7))) == (b'["[redacted:T]6", "x"]', 1)
