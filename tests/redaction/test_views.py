"""Views: pieces of a body with the way back, layers that are undone, and what could be text."""

from __future__ import annotations

import sys
from types import FrameType

import numpy as np
import pytest

from app.redaction.encodings import percents
from app.redaction.views import BREAK, Edits, View, around, merge, readable, rewrite

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
    stale = View(view.text, view.source, view.origin, np.zeros(len(view.text), np.bool_), order=3)
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


def edits(*each: tuple[int, int, bytes]) -> Edits:
    out = np.zeros((len(each), 4), np.uint8)
    for row, (_, _, text) in enumerate(each):
        out[row, : len(text)] = np.frombuffer(text, np.uint8)
    columns = ([at for at, _, _ in each], [size for _, size, _ in each], [len(text) for _, _, text in each])
    at, size, count = (np.array(column, np.intp) for column in columns)
    return Edits(at, size, out, count)


def test_edits_of_several_kinds_are_made_at_once() -> None:
    merged = merge([edits((0, 2, b"A"), (6, 2, b"D")), edits(), edits((3, 2, b"BC"))])
    view = rewrite(View.of(b"__-__-__"), merged, order=0, reach=HERE)
    assert view is not None
    assert view.raw == b"A-BC-D"
    assert len(merge([edits(), edits()])) == 0


def test_of_edits_that_overlap_the_first_counts_and_of_two_at_one_place_the_first_kinds() -> None:
    merged = merge([edits((2, 3, b"x"), (8, 2, b"y")), edits((0, 3, b"z"), (8, 3, b"w"))])
    assert (merged.at.tolist(), merged.size.tolist()) == ([0, 8], [3, 2])
    assert merged.out[:, 0].tobytes() == b"zy"


def test_what_is_undone_along_is_new_nowhere_by_itself() -> None:
    view = View.of(b"%41 \\n")
    along = lambda: edits((4, 2, b"\n"))  # noqa: E731
    both = rewrite(view, percents(view.text), order=0, reach=HERE, along=along)
    assert both is not None
    assert both.raw == b"A \n"
    assert rewrite(view, edits(), order=0, reach=HERE, along=along) is None


def test_the_neighbourhood_of_places_is_all_of_a_small_view_and_a_part_of_a_large_one() -> None:
    small, large = View.of(b"x" * 100), View.of(bytes(range(200)) * 500)
    assert around(small, np.array([50]), 3) is small
    part = around(large, np.array([50_000, 50_004, 70_000]), 3)
    assert part.raw == large.raw[49_997:50_008] + b"\xff" + large.raw[69_997:70_004] + b"\xff"
    assert part.span(0, 2) == (49_997, 49_999)
    assert around(large, np.arange(0, 100_000, 5), 3) is large


def test_two_bytes_in_a_row_are_looked_up() -> None:
    view = View.of(b"ab\\u00")
    assert all(map(view.holds, (b"a", b"ab", b"\\u", b"\\u00", b"0", b"00")))
    assert not any(map(view.holds, (b"z", b"ba", b"\\u01", b"bu")))
    assert not View.of(b"a").holds(b"aa")
    assert not View.of(b"").holds(b"a")


def test_the_way_back_from_a_few_bytes_is_as_long_as_there_are_steps() -> None:
    view = View.of(bytes(range(200)))
    for _ in range(16):
        view = view.pick(np.arange(1, len(view.text)))
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        start, end = view.spread(np.array([5]), np.array([7]))
    finally:
        sys.setprofile(None)
    assert (start.tolist(), end.tolist()) == ([21], [24])
    assert calls < 50
