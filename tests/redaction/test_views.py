"""A view keeps the way back to the body's bytes, and tells what the last step made."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.views import BREAK, Edits, View, readable, rewrite


def edits(*pieces: tuple[int, int, bytes]) -> Edits:
    width = max(len(out) for _, _, out in pieces) or 1
    rows = np.array([list(out.ljust(width, b"\0")) for _, _, out in pieces], np.uint8)
    at, size = ([piece[place] for piece in pieces] for place in (0, 1))
    return Edits(np.array(at), np.array(size), rows, np.array([len(out) for _, _, out in pieces]))


def test_edits_take_the_place_of_what_they_stand_for() -> None:
    view = rewrite(View.of(b"a%41b%42"), edits((1, 3, b"A"), (5, 3, b"B")), order=2, reach=100)
    assert view is not None
    assert (view.raw, view.span(1, 2), view.span(0, 4)) == (b"aAbB", (1, 4), (0, 8))
    assert view.fresh is not None
    assert view.fresh.tolist() == [False, True, False, True]


def test_a_kind_that_came_before_is_undone_only_where_something_is_new() -> None:
    view = rewrite(View.of(b"a%41b%42"), edits((1, 3, b"A")), order=2, reach=100)
    assert view is not None
    assert rewrite(view, edits((3, 3, b"B")), order=1, reach=100) is None
    assert rewrite(view, edits((1, 1, b"X")), order=1, reach=100) is not None


def test_a_large_view_is_cut_to_what_is_near_to_an_edit() -> None:
    view = rewrite(View.of(b"x" * 20_000 + b"%41" + b"y" * 20_000), edits((20_000, 3, b"A")), order=2, reach=10)
    assert view is not None
    assert view.raw == b"x" * 10 + b"A" + b"y" * 10 + bytes([BREAK])
    assert view.span(10, 11) == (20_000, 20_003)


@pytest.mark.parametrize(
    ("raw", "left"),
    [(b"plain text", b"plain text"), (b"\0\x01\0", None), (b"\0" * 9 + b"text" + b"\0" * 9, b"text\xff")],
)
def test_what_could_be_no_text_is_left_out(raw: bytes, left: bytes | None) -> None:
    view = readable(View.of(raw), 4, ascii_only=True)
    assert (view.raw if view else None) == left
