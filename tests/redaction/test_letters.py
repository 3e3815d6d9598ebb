"""Looking for texts by their letters: whatever punctuation stands between them, and nothing less than all of a text."""

from __future__ import annotations

import pytest

from app.redaction.letters import SHORTEST, SHORTEST_MIXED, LetterSearch, has_enough_letters, letters
from app.redaction.views import View

TOK = b"sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"


def find(body: bytes, *texts: bytes, any_case: bool = False) -> list[bytes]:
    search = LetterSearch([("T", text) for text in texts or (TOK,)], any_case=any_case)
    return [body[first:last] for first, last, _ in search.find(View.of(body))]


def test_letters_and_digits_are_kept_and_what_is_beyond_ascii() -> None:
    assert letters(b"a-b_c 1\n2\xc3\xa9!") == b"abc12\xc3\xa9"


@pytest.mark.parametrize(
    "written",
    [
        TOK,
        b"|".join(bytes((code,)) for code in TOK),
        b"'sk_live_51H' . 'xQ-U8JZpDE0iGXl_D6gNC'",
        b"sk_live_51HxQ-\n> U8JZpDE0iGXl_D6gNC",
        b"sk_live_51HxQ-U8JZ,pDE0iGXl_D6gNC",
    ],
)
def test_a_text_is_found_whatever_stands_between(written: bytes) -> None:
    (found,) = find(b"before <" + written + b"> behind")
    assert letters(found) == letters(TOK)


@pytest.mark.parametrize(
    "written",
    [
        TOK[:-1],
        TOK[1:],
        TOK.replace(b"_", b""),
        TOK.replace(b"-", b"_"),
        TOK[::-1],
        TOK.replace(b"H", b"Hx", 1),
        TOK.upper(),
    ],
)
def test_a_part_of_a_text_or_another_one_is_none(written: bytes) -> None:
    assert find(b"before <" + written + b"> behind") == []


def test_punctuation_at_a_texts_ends_is_part_of_it() -> None:
    text = b"==abcdefghijklmnop=="
    assert find(b"x " + text + b" y", text) == [text]
    assert find(b"x =abcdefghijklmnop= y", text) == []
    assert find(b"x =,=abcdefghijklmnop= , = y", text) == [b"=,=abcdefghijklmnop= , ="]


def test_of_texts_with_the_same_letters_the_longest_that_fits_is_found() -> None:
    long, short = b"(abcdefghijklmnop)", b"abcdefghijklmnop"
    assert find(b"x (abcdefghijklmnop) y", short, long) == [long]
    assert find(b"x abcdefghijklmnop y", short, long) == [short]


def test_the_case_counts_unless_it_is_told_not_to() -> None:
    assert find(TOK.upper(), TOK, any_case=True) == [TOK.upper()]
    assert find(b"", TOK) == []
    assert SHORTEST == 12


def test_a_text_beyond_ascii_is_found_with_what_is_its_own() -> None:
    text = "clé-secrète-très-longue".encode()
    assert find(b"x " + text + b" y", text) == [text]
    assert find(b"x " + text.replace("é".encode(), b"e") + b" y", text) == []


def test_of_texts_of_the_same_letters_the_longest_is_taken_out() -> None:
    search = LetterSearch([("A", b"abcdefghijkl"), ("B", b"abcdefghijkl==")])
    assert list(search.find(View.of(b"k=abcdefghijkl==;"))) == [(2, 16, "B")]


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        (b"abcdefghijkl", True),
        (b"abcdefghijk", False),
        (b"abcdefg1", True),
        (b"abcdef1", False),
        (b"-a-b-c-d-1-2-3-4-", True),
        (b"12345678901", False),
        (b"123456789012", True),
        (b"\xc3\xa9123456", True),
    ],
)
def test_a_text_of_letters_and_digits_may_be_shorter(text: bytes, *, enough: bool) -> None:
    assert has_enough_letters(text) is enough
    assert SHORTEST_MIXED == 8
