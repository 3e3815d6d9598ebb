"""Looking for texts at a cost that tells nothing: what is found, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redaction.search import FOLD, FOLD_CASE, Search

TEXTS = [("one", b"canary-7f3a"), ("two", b"y-7f3a9c21"), ("short", b"9c21")]


def test_every_place_of_each_text_is_found() -> None:
    body = b"canary-7f3a9c21 and canary-7f3a"
    assert sorted(Search(TEXTS).find(body)) == [(0, 11, "one"), (5, 15, "two"), (11, 15, "short"), (20, 31, "one")]


def test_places_of_one_text_do_not_overlap() -> None:
    assert Search([("a", b"aaaa")]).find(b"aaaaaaaaaa") == [(0, 4, "a"), (4, 8, "a")]


@pytest.mark.parametrize("body", [b"", b"c", b"canary-7f3", b"canary-7f3b", b"Canary-7f3a", b"canary_7f3a"])
def test_what_is_not_all_of_a_text_is_none(body: bytes) -> None:
    assert Search(TEXTS[:1]).find(body) == []


def test_a_blank_may_be_written_as_a_plus() -> None:
    assert Search([("a", b"two words")]).find(b"x two+words") == [(2, 11, "a")]
    assert Search([("a", b"1+1=2")]).find(b"1 1=2") == [(0, 5, "a")]
    assert FOLD[ord("+")] == ord(" ")
    assert FOLD_CASE[ord("A")] == ord("a")


def test_the_case_of_letters_counts_unless_it_is_told_not_to() -> None:
    assert Search([("a", b"aBc-D")], any_case=True).find(b"AbC-d abc-d") == [(0, 5, "a"), (6, 11, "a")]
    assert Search([("a", b"aBc-D")]).find(b"AbC-d") == []


def test_what_is_left_out_moves_the_places() -> None:
    assert Search([("a", b"abcdef")]).find(b"-a-b-c-d-e-f-", without=b"-") == [(0, 6, "a")]


def test_of_equal_texts_the_first_label_counts_and_an_empty_one_is_nowhere() -> None:
    search = Search([("first", b"same"), ("second", b"same"), ("empty", b"")])
    assert search.find(b"same") == [(0, 4, "first")]
    assert search.longest == 4
    assert Search([("empty", b"")]).find(b"anything") == []
    assert Search[str]([]).longest == 0


@pytest.mark.parametrize("at", [0, 1, 49_140, 49_145, 49_150, 49_152, 49_160, 98_300, 150_000])
def test_a_text_is_found_across_the_border_of_two_blocks(at: int) -> None:
    body = bytearray(200_000)
    body[at : at + 11] = b"canary-7f3a"
    assert Search(TEXTS[:1]).find(bytes(body)) == [(at, at + 11, "one")]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.binary(max_size=300), st.data())
def test_it_finds_what_python_finds(texts: list[bytes], noise: bytes, data: st.DataObject) -> None:
    body = noise + data.draw(st.sampled_from(texts)) + noise
    folded = body.translate(FOLD)
    found = {(first, last) for first, last, _ in Search(enumerate(texts)).find(body)}
    assert found
    assert all(folded[first:last] in {text.translate(FOLD) for text in texts} for first, last in found)
    for text in texts:
        assert (folded.find(text.translate(FOLD)) >= 0) is any(
            last - first == len(text) and folded[first:last] == text.translate(FOLD) for first, last in found
        )
