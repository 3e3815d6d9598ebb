"""Lists of numbers and of characters are read as the text that they are."""

from __future__ import annotations

import pytest

from app.redaction.lists import may_hold_lists, unpack_lists
from app.redaction.views import View

TEXT = "hbfdgcea"


def read(raw: str, *, fewest: int = 8, ascii_only: bool = True) -> list[bytes]:
    return [view.raw for view in unpack_lists(View.of(raw.encode()), fewest=fewest, ascii_only=ascii_only)]


@pytest.mark.parametrize(
    "raw",
    [
        str(list(TEXT.encode())),
        " ".join(map(str, TEXT.encode())),
        ".".join(map(str, TEXT.encode())),
        "[" + ", ".join(f"{code}.0" for code in TEXT.encode()) + "]",
        "{" + ", ".join(f'"{at}": {code}' for at, code in enumerate(TEXT.encode())) + "}",
        " ".join(f"{code:03o}" for code in TEXT.encode()),
        "".join(f"[{at + 40}] => {code}\n" for at, code in enumerate(TEXT.encode())),
        "{" + ", ".join(f'"{at}": "{char}"' for at, char in enumerate(TEXT)) + "}",
    ],
)
def test_a_list_is_read(raw: str) -> None:
    assert any(TEXT.encode() in text for text in read(raw))
    assert may_hold_lists(raw.encode(), 8, ascii_only=True)


def test_numbers_beyond_ascii_are_bytes_or_characters() -> None:
    assert any("éééééééé".encode() in text for text in read(str([0xE9] * 8), ascii_only=False))
    assert any("éééé".encode() in text for text in read(str(list("éééé".encode())), ascii_only=False))
    assert any("éééé".encode() in text for text in read(str([-61, -87] * 4), ascii_only=False))


@pytest.mark.parametrize("raw", ["", "[1, 2]", "[97, 98, 99, 100, 101, 102]", "a97 b98 c99 d100 e101 f102 g103 h104"])
def test_what_is_too_short_or_part_of_a_word_is_no_list(raw: str) -> None:
    assert read(raw) == []


def test_the_way_back_leads_to_the_numbers() -> None:
    raw = "x " + str(list(TEXT.encode())) + " y"
    view = next(iter(unpack_lists(View.of(raw.encode()), fewest=8, ascii_only=True)))
    first = view.raw.index(b"bfd")
    begin, end = view.span(first, first + 3)
    assert raw[begin:end] == "98, 102, 100"
    assert view.bare
