"""Texts are found wherever they stand, at the border of a block too."""

from __future__ import annotations

import random

import pytest

from app.redaction.search import Search


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 32, 33, 100])
def test_a_text_is_found_at_each_place(size: int) -> None:
    draw = random.Random(size)
    text = bytes(draw.choices(b"abcdefgh", k=size))
    for at in (0, 1, 49_100, 49_152 - size, 49_152, 100_000):
        body = b"x" * at + text + b"y" * 50
        assert Search([("T", text)]).find(body) == [(at, at + size, "T")]


def test_texts_of_several_sizes_are_found_together() -> None:
    found = Search([("A", b"one"), ("B", b"three"), ("C", b"two"), ("D", b"")]).find(b"one two three one")
    assert sorted(found) == [(0, 3, "A"), (4, 7, "C"), (8, 13, "B"), (14, 17, "A")]


def test_of_equal_texts_the_first_ones_label_counts() -> None:
    assert Search([("A", b"same"), ("B", b"same")]).find(b"same") == [(0, 4, "A")]


def test_a_place_overlaps_no_other_of_its_text() -> None:
    assert Search([("A", b"aa")]).find(b"aaaaa") == [(0, 2, "A"), (2, 4, "A")]


def test_a_blank_may_be_a_plus() -> None:
    assert Search([("A", b"a b+c")]).find(b"a+b c") == [(0, 5, "A")]


def test_case_counts_unless_it_is_said_not_to() -> None:
    assert Search([("A", b"AbC")]).find(b"aBc") == []
    assert Search([("A", b"AbC")], any_case=True).find(b"aBc") == [(0, 3, "A")]


def test_what_is_left_out_is_not_counted() -> None:
    assert Search([("A", b"abc")]).find(b"-a-b-c", without=b"-") == [(0, 3, "A")]
    assert Search([]).find(b"abc") == []
    assert Search([]).longest == 0
