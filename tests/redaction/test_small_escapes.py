"""Escapes of small texts: undone as the long way undoes them, or left to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.redaction.encodings import Undo, backslashes, percents, quoted_printable, references
from app.redaction.markup import SIGNS as MARKUP_SIGNS
from app.redaction.rare_escapes import ESCAPES as ALL_ESCAPES
from app.redaction.rare_escapes import TEXT_SIGNS, binaries, literals, shown_text, suffixed_numbers
from app.redaction.small_escapes import ESCAPES, LITERAL, MARKUP, OPERATOR, RARE, UNDONE_BY_THE_LONG_WAY, signs_in
from app.redaction.views import View, rewrite

PIECES = [
    *("\\", "\\n", '\\"', "\\/", "\\u00e9", "\\u003c", "\\u12", "\\t", "%41", "%2F", "%", "=41", "=\n", "=\r\n", "="),
    *("&amp;", "&lt", "&page=", "&ampx;", "&notin;", "&#65;", "&#x41", "&#1114112;", "&#0;", "&", "a", "5", "?", ";"),
    *("n", "é", "~0", "u+", "0x", "=?", " "),
    *("_x0041_", "%115", "&H41", "x'41'", "[b]", "[/b]", "{", "rtf1"),
]
LONG: dict[bytes, Undo] = {b"\\": backslashes, b"%": percents, b"=": quoted_printable, b"&": references}


def undo(kind: Undo, text: bytes) -> bytes:
    view = View.of(text)
    left = rewrite(view, kind(view.text), order=0, reach=len(text))
    return text if left is None else left.raw


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: "".join(pieces).encode()))
def test_each_kind_is_undone_as_the_long_way_does_it(text: bytes) -> None:
    signs = signs_in(text)
    if signs & (UNDONE_BY_THE_LONG_WAY | RARE):
        return
    for sign, char, small in ESCAPES:
        left = small(text)
        if left is None:  # it says that it doesn't know
            continue
        assert left == undo(LONG[char], text)
        if not signs & sign:
            assert left == text
    if all(small(text) is not None for _, _, small in ESCAPES):
        asked_further = (*LONG.values(), binaries, literals, shown_text, suffixed_numbers)
        held = [kind for signs, kind in ALL_ESCAPES if any(sign in text for sign in signs)]
        others = [kind for kind in held if kind not in asked_further]
        assert {undo(kind, text) for kind in others} <= {text}


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"\\x41",
            b"\\101",
            b"\\\\",
            b"\\\n",
            b"\\b5",
            b"\\2d",
            b"%u0041",
            b"=?utf-8?q?",
            b"~0",
            b"~1",
            b"U+41",
            b"u+",
        ),
        *(b"_x0041_", b"_X0041_", b"%115", b"&H73", b"&h73", b"x'73'", b"X'73'", b"[/b]"),
    ],
)
def test_rarer_escapes_are_left_to_the_long_way(text: bytes) -> None:
    assert signs_in(b"a" + text) & (UNDONE_BY_THE_LONG_WAY | RARE)


@pytest.mark.parametrize("text", [b"0x41", b"0b1", b"0O7"])
def test_numbers_with_a_prefix_have_a_sign_of_their_own(text: bytes) -> None:
    assert signs_in(text) == LITERAL


@pytest.mark.parametrize("text", [b"\xed\xa0", b"a\xed\xbf", b"\xed\xa0a"])
def test_bytes_of_half_a_character_are_seen_wherever_they_stand(text: bytes) -> None:
    assert signs_in(text) & UNDONE_BY_THE_LONG_WAY


@pytest.mark.parametrize("text", [b"", b"a", b"plain", b"100 % of a & b = c", b'{"a": [1, 2]}'])
def test_most_texts_hold_none(text: bytes) -> None:
    assert not signs_in(text) & ~OPERATOR


@pytest.mark.parametrize("sign", [*TEXT_SIGNS, *MARKUP_SIGNS, b"</b>"])
def test_markup_is_seen_wherever_it_stands(sign: bytes) -> None:
    assert signs_in(b"ab" + sign) & signs_in(sign + b"ab") & signs_in(b"ab" + sign + b"ab") & MARKUP


@pytest.mark.parametrize("text", [b"\\u115?", b"\\u{41}", b"\\u12"])
def test_a_unit_that_may_be_another_kinds_is_left_to_the_long_way(text: bytes) -> None:
    (backslashes_of_small,) = [kind for _, char, kind in ESCAPES if char == b"\\"]
    assert backslashes_of_small(text) is None


def test_a_name_without_its_semicolon_is_read_before_another_letter() -> None:
    (references_of_small,) = [kind for _, char, kind in ESCAPES if char == b"&"]
    assert references_of_small(b"a&ampx&ltb&nbspc") == "a&x<b\u00a0c".encode()
