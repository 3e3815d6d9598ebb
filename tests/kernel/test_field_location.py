"""Where a fault is: pointers for programs, words for people."""

from __future__ import annotations

import pytest

from app.kernel.errors import FieldLocation, in_body, in_header, in_path, in_query


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        (in_body(), ""),
        (in_body("name"), "/name"),
        (in_body("call", "headers", 0, "name"), "/call/headers/0/name"),
        (in_body("content", "a/b~c", ""), "/content/a~1b~0c/"),
        (in_body("call").member("url"), "/call/url"),
        (in_query("limit"), "query:limit"),
        (in_header("If-Match"), "header:If-Match"),
        (in_path("ws"), "path:ws"),
    ],
)
def test_a_location_is_printed_as_a_pointer(location: FieldLocation, pointer: str) -> None:
    assert str(location) == pointer


@pytest.mark.parametrize(
    ("location", "label"),
    [
        (in_body(), "body"),
        (in_body("allowed_hosts", 1), "allowed hosts 2"),
        (in_body("call", "headers", 0, "value", label="header X-A"), "header X-A"),
        (in_body("call", label="call").member("url"), "call url"),
        (in_query("limit"), "limit"),
    ],
)
def test_a_location_has_words_for_people(location: FieldLocation, label: str) -> None:
    assert location.label == label


def test_what_a_location_is_called_makes_it_no_other_one() -> None:
    assert in_body("url", label="url path") == in_body("url", label="url query a")
    assert in_body("limit") != in_query("limit")


def test_the_places_beside_the_body_are_named_by_their_kind() -> None:
    assert (in_header("If-Match"), in_path("ws"), in_query("limit")) == (
        FieldLocation("header", ("If-Match",)),
        FieldLocation("path", ("ws",)),
        FieldLocation("query", ("limit",)),
    )
    assert [str(each) for each in (in_header("If-Match"), in_path("ws"), in_query("limit"))] == [
        "header:If-Match",
        "path:ws",
        "query:limit",
    ]
    assert str(FieldLocation("query", ("a", 1))) == "query:a.1"
