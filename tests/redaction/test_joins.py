"""What cuts a text, and what is left when that is left out."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.joins import join, may_be_cut, rejoin, squeeze, squeezed_places, unprefix
from app.redaction.small_escapes import OPERATOR, signs_in
from app.redaction.views import View


def test_blanks_lines_quotes_backslashes_and_commas_are_left_out() -> None:
    assert squeeze(b" a\tb\r\nc\\d\"e'f`g,h ") == b"abcdefgh"
    assert squeeze(b"a.b+c") == b"a.b+c"


def test_the_places_are_those_of_what_is_left() -> None:
    view = View.of(b' a,"b" c')
    assert squeezed_places(view).tolist() == [1, 4, 7]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b'"ab" + "cd"', b"abcd"),
        (b"'ab' . 'cd'", b"abcd"),
        (b'"ab" & "cd"', b"abcd"),
        (b'"ab" ~ "cd"', b"abcd"),
        (b'"ab" <> "cd"', b"abcd"),
        (b'"ab" || "cd"', b"abcd"),
        (b'"ab"\n  + "cd"', b"abcd"),
        (b"a + b", b"a+b"),
        (b'"a+b"', b"a+b"),
        (b'"ab" * "cd"', b"ab*cd"),
    ],
)
def test_operators_between_strings_are_left_out(text: bytes, left: bytes) -> None:
    assert join(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"> ab\n> cd", b">abcd"),
        (b"ab\n# cd", b"abcd"),
        (b"ab\n// cd", b"abcd"),
        (b"ab\n  * cd", b"abcd"),
        (b"ab\n| cd", b"abcd"),
        (b"ab\ncd", b"abcd"),
        (b"ab > cd", b"ab>cd"),
    ],
)
def test_prefixes_of_lines_are_left_out(text: bytes, left: bytes) -> None:
    assert unprefix(text) == left


@pytest.mark.parametrize(
    ("raw", "cut"),
    [
        (b"plain", False),
        (b'{"a": "b", "c": "d"}', False),
        (b'"a" + "b"', True),
        (b"a\n> b", True),
        (b"a\nb", False),
        (b"1 + 2", False),
        (b'"a" +', False),
        (b'"a"."b"', True),
        (b"'a' ||\n'b'", True),
        (b'"a\\" + \\"b"', True),
    ],
)
def test_it_is_seen_whether_something_may_be_cut(raw: bytes, cut: bool) -> None:
    assert may_be_cut(raw, has_operator=bool(signs_in(raw) & OPERATOR)) is cut
    assert bool(list(rejoin(View.of(raw), order=9, reach=100, both=True))) is cut


def test_views_without_them_lead_back_to_the_body() -> None:
    raw = b'x = "ab" + "cd"\n> "ef"'
    views = list(rejoin(View.of(raw), order=9, reach=100, both=True))
    assert {squeeze(view.raw) for view in views} == {b"x=abcdef", b"x=ab+cdef"}
    for view in views:
        first = view.raw.index(b"c")
        assert view.span(first, first + 2) == (raw.index(b"cd"), raw.index(b"cd") + 2)
        assert view.order == 9


def test_without_both_at_once_it_is_read_only_where_that_is_asked_for() -> None:
    raw = View.of(b'x = "ab" + "cd"\n> "ef"')
    assert len(list(rejoin(raw, order=9, reach=100, both=True))) == 3
    assert len(list(rejoin(raw, order=9, reach=100, both=False))) == 2


def test_of_a_large_view_only_the_neighbourhood_of_cuts_is_joined_and_only_what_was_cut_is_new() -> None:
    raw = b"a word " * 3000 + b'"ab" + "cd" and more' + b" a word" * 3000
    (view,) = rejoin(View.of(raw), order=9, reach=20, both=True)
    assert len(view.raw) < 60
    assert b"abcd" in view.raw
    assert view.fresh is not None
    assert np.flatnonzero(view.fresh).tolist() == [view.raw.index(b"c")]
