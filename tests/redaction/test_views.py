"""Views: pieces of a body with the way back, layers that are undone, and what could be text."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.encodings import percents
from app.redaction.views import BREAK, Edits, View, readable, rewrite

HERE = 10_000


def undo(view: View, *, order: int = 0, reach: int = HERE) -> View | None:
    return rewrite(view, percents(view.text), order=order, reach=reach)


def test_a_body_is_its_own_view() -> None:
    view = View.of(b"abc")
    assert view.raw == b"abc"
    assert view.span(1, 3) == (1, 3)


def test_what_was_undone_leads_back_to_all_that_it_was_made_of() -> None:
    once = undo(View.of(b"a%2541b"))
    assert once is not None
    assert once.raw == b"a%41b"
    twice = undo(once)
    assert twice is not None
    assert twice.raw == b"aAb"
    assert [twice.span(at, at + 1) for at in range(3)] == [(0, 1), (1, 6), (6, 7)]
    assert twice.span(0, 3) == (0, 7)
    assert undo(twice) is None


def test_an_earlier_kind_is_undone_only_where_something_is_new() -> None:
    view = undo(View.of(b"%41 %2542"), order=3)
    assert view is not None
    assert view.raw == b"A %42"
    again = undo(view, order=1)
    assert again is not None
    assert again.raw == b"A B"
    stale = View(view.text, view.start, view.end, np.zeros(len(view.text), np.bool_), order=3)
    assert undo(stale, order=1) is None
    assert undo(stale, order=3) is not None


def test_what_stands_for_nothing_makes_its_neighbour_new() -> None:
    edits = Edits(np.array([1]), np.array([2]), np.zeros((1, 1), np.uint8), np.array([0]))
    view = rewrite(View.of(b"a--b"), edits, order=0, reach=HERE)
    assert view is not None
    assert view.raw == b"ab"
    assert view.fresh is not None
    assert view.fresh.tolist() == [False, True]


def test_of_a_large_view_the_neighbourhood_of_what_changed_is_left() -> None:
    raw = bytearray(b"x" * 100_000)
    raw[50_000:50_003] = b"%41"
    view = undo(View.of(bytes(raw)), reach=100)
    assert view is not None
    assert len(view.raw) < 300
    at = view.raw.index(b"A")
    assert view.span(at, at + 1) == (50_000, 50_003)
    assert view.raw.endswith(bytes((BREAK,)))


def test_a_pick_keeps_its_places_and_its_encoding() -> None:
    view = View(np.frombuffer(b"abcdef", np.uint8), encoding="utf-16-le", settled=True)
    picked = view.pick(np.array([1, 4]))
    assert (picked.raw, picked.span(0, 1), picked.span(0, 2)) == (b"be", (1, 2), (1, 5))
    assert (picked.encoding, picked.settled) == ("utf-16-le", True)


@pytest.mark.parametrize("raw", [b"plain text", "schön".encode()])
def test_text_is_readable_as_it_is(raw: bytes) -> None:
    view = View.of(raw)
    assert readable(view, 4, ascii_only=False) is view


def test_of_other_bytes_the_pieces_that_could_be_text_are_left() -> None:
    raw = b"\xff" * 64 + b"hello" + bytes(200) + "schön".encode() + b"\xff" * 50 + b"ab" + b"\0"
    view = readable(View.of(raw), 4, ascii_only=False)
    assert view is not None
    assert view.raw == b"hello\xff" + "schön".encode() + b"\xff"
    at = view.raw.index(b"sch")
    assert view.span(at, at + 3) == (raw.index(b"sch"), raw.index(b"sch") + 3)
    ascii_only = readable(View.of(raw), 4, ascii_only=True)
    assert ascii_only is not None
    assert ascii_only.raw == b"hello\xff"
    assert readable(View.of(bytes(100)), 4, ascii_only=True) is None
