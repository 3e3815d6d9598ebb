"""Words that recur around the pieces of a text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.redaction.pieces import join_spans
from app.redaction.recurring import small_without_recurring, without_recurring

PIECES = ["sk_live_", "51HxQ-U8", "JZpDE0iG", "Xl_D6gNC"]
LETTERS = 28


def left_of(raw: bytes, *, least: int = LETTERS, longest: int = 32) -> list[bytes]:
    """Return what is left in the way that has places, which has to be the same as in the way that has none."""
    left = [join_spans(raw, spans) for spans in without_recurring(raw, least, longest)]
    assert left == list(small_without_recurring([raw], least, longest))
    return left


@pytest.mark.parametrize(
    "write",
    [
        lambda: " || ".join(f"'{piece}'::text" for piece in PIECES),
        lambda: " + ".join(f'"{piece}"s' for piece in PIECES),
        lambda: ", ".join(f"_utf8'{piece}'" for piece in PIECES),
        lambda: ", ".join(f"part {at} is {piece}" for at, piece in enumerate(PIECES, 1)),
        lambda: "".join(f"@code{{{piece}}}" for piece in PIECES),
        lambda: "".join(f"{{b{at}x {piece}}}" for at, piece in enumerate(PIECES)),
        lambda: "".join(f"{{größe {piece}}}" for piece in PIECES),
    ],
)
def test_what_recurs_around_pieces_is_left_out(write: Callable[[], str]) -> None:
    (left,) = left_of(write().encode())
    kept = "".join(char for char in left.decode() if char.isalnum() or char in "_-")
    assert kept.lstrip("_") == "".join(PIECES) or kept.replace("_", "") == "".join(PIECES).replace("_", "")


def test_of_what_recurs_only_what_is_a_quarter_as_common_as_the_commonest_word_goes() -> None:
    common = b"word " * 8
    assert left_of(common + b"one two two", least=3) == [b" " * 8 + b"one  "]
    assert left_of(common + b"word one two two", least=3) == [b" " * 9 + b"one two two"]


def test_numbers_recur_whatever_their_digits_but_do_not_make_words_rare() -> None:
    assert left_of(b"ab 12 cd 34 ef 56 gh 78 ab ij", least=2) == [b"  cd  ef  gh   ij"]


@pytest.mark.parametrize("raw", [b"", b"one two three and four five six", b"aa aa bb bb cc cc dd dd ee ee ff ff"])
def test_where_nothing_recurs_or_too_little_is_left_there_is_nothing_to_read(raw: bytes) -> None:
    assert left_of(raw, least=10) == []


def test_exactly_as_many_letters_as_a_text_has_are_enough() -> None:
    assert left_of(b"x abcde x fghij", least=10) == [b" abcde  fghij"]
    assert left_of(b"x abcde x fghij", least=11) == []


def test_larger_bodies_are_not_read_like_this() -> None:
    body = b"x abcdefghij x ".ljust(16 * 32 + 256)
    assert left_of(body, least=10) == [body.replace(b"x", b"")]
    assert left_of(body + b" ", least=10) == []


def test_between_two_readings_no_word_goes_on() -> None:
    assert left_of(b"x ab\xffcd x ef", least=6) == [b" ab\xffcd  ef"]
