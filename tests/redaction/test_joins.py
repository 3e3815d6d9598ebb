"""What a writer cuts a text by is left out: operators between strings, what a line begins with, quotes and blanks."""

from __future__ import annotations

import pytest

from app.redaction.joins import join, may_be_cut, rejoin, squeeze, unprefix
from app.redaction.views import View


@pytest.mark.parametrize(
    ("raw", "joined", "unprefixed"),
    [
        (b"ab cd\n'ef'", b"abcdef", b"abcdef"),
        (b'"ab" + "cd"', b"abcd", b"abcd"),
        (b"'ab' || 'cd'", b"abcd", b"abcd"),
        (b"1 + 2", b"1+2", b"1+2"),
        (b"ab\n> cd\n# ef", b"ab>cd#ef", b"abcdef"),
    ],
)
def test_a_text_is_put_together(raw: bytes, joined: bytes, unprefixed: bytes) -> None:
    assert (join(raw), unprefix(raw)) == (joined, unprefixed)


def test_squeezing_leaves_out_blanks_quotes_and_commas() -> None:
    assert squeeze(b"a b\t,c\\\"'`\r\nd") == b"abcd"


@pytest.mark.parametrize(
    ("raw", "views"),
    [
        (b"plain", []),
        (b'"ab" + "cd"', [b"abcd"]),
        (b"\n> ab\n> cd", [b"\nab\ncd"]),
        (b'\n> "ab" +\n> "cd"', [b'\n"ab" +\n"cd"', b'>"ab"+>"cd"'[1:], b"abcd"]),
    ],
)
def test_views_are_made_of_what_is_cut(raw: bytes, views: list[bytes]) -> None:
    made = [view.raw for view in rejoin(View.of(raw), order=7)]
    assert may_be_cut(raw) == bool(views)
    assert len(made) == 0 if not views else made[-1] == views[-1]
