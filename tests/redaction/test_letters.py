"""A text is found by its letters, and only where all of it stands there in its order."""

from __future__ import annotations

import pytest

from app.redaction.letters import LetterSearch, letters
from app.redaction.views import View

TEXT = b"-sk_live/51HxQ-U8JZ="


def found(body: bytes, *, any_case: bool = False) -> list[bytes]:
    return [body[first:last] for first, last, _ in LetterSearch([("T", TEXT)], any_case=any_case).find(View.of(body))]


def test_letters_are_what_is_left_of_ascii_without_punctuation() -> None:
    assert letters("a-1 é\n_Z".encode()) == "a1éZ".encode()


@pytest.mark.parametrize("body", [TEXT, b"-s.k.._live/51|HxQ -U8JZ =", "-sk\u200b_live/51HxQ-U8JZ=".encode()])
def test_whatever_stands_between_the_letters_is_part_of_the_place(body: bytes) -> None:
    assert found(b"a " + body + b" b") == [body]


@pytest.mark.parametrize("body", [TEXT[1:], TEXT[:-1], TEXT.replace(b"/", b""), TEXT.replace(b"_", b"-"), TEXT.lower()])
def test_a_text_without_some_of_its_own_characters_is_none(body: bytes) -> None:
    assert found(b"a " + body + b" b") == []


def test_letters_may_count_whatever_their_case() -> None:
    assert found(TEXT.lower(), any_case=True) == [TEXT.lower()]


def test_the_longest_of_two_texts_with_the_same_letters_is_meant() -> None:
    search = LetterSearch([("SHORT", b"abcdefgh1234"), ("LONG", b"abcd-efgh-1234")])
    names = [name for _, _, name in search.find(View.of(b"abcd-efgh-1234 abcdefgh1234 abcd.efgh.1234"))]
    assert names == ["LONG", "SHORT", "SHORT"]
