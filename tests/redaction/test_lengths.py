"""Lengths before the pieces of a text."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from app.redaction.lengths import SIGNS, lengths, may_hold_lengths
from app.redaction.markup import may_hold_more_markup
from app.redaction.small_escapes import MARK, signs_in
from app.redaction.views import View, rewrite

PIECES = ["sk_live_", "51HxQ-U8", "JZpDE0iG", "Xl_D"]


def undone(raw: bytes) -> bytes:
    view = View.of(raw)
    return (rewrite(view, lengths(view.text), order=0, reach=100) or view).raw


@pytest.mark.parametrize(
    "form",
    [
        *("{n}:{p},", "{n:08d}:{p}", "{n}|{p}|", "{n};{p};", "{n}H{p},"),
        *(
            "{{{n}}}\r\n{p} ",
            "{{{n}+}}\r\n{p}\r\n",
            "~{{{n}}}\r\n{p}",
            "({n}){p}",
            "[{n}]{p}",
            "<{n}>{p}",
            "{{{n}}}{p}",
        ),
        *("{n:02d}{p}", "{n:03d}{p}", "{n:04d}{p}", "{n:08d}{p}", "{n:010d}{p}", "{n:04d}{p}\n", "{n:04d}{p}\r\n"),
        *("{n:02x}{p}", "{n:04x}{p}", "{n:04X}{p}", "{n:08x}{p}", "0x{n:02x}{p}", "{n:04o}{p}", "{n:08b}{p}"),
    ],
)
def test_lengths_of_any_width_and_base_are_left_out(form: str) -> None:
    raw = "".join(form.format(n=len(piece), p=piece) for piece in PIECES).encode()
    left = undone(raw)
    assert "".join(char for char in left.decode() if char.isalnum() or char in "_-").removeprefix("0x").replace(
        "0x", ""
    ) == "".join(PIECES)
    assert may_hold_more_markup(raw, has_signs=False, has_marks=bool(signs_in(raw) & MARK))
    assert any(sign in raw for sign in SIGNS)


@pytest.mark.parametrize(("form", "width"), [("{n:04x}{p}", 4), ("{n:04x}{p}\n", 5), ("{n:08d}{p}", 8)])
def test_a_length_may_count_itself(form: str, width: int) -> None:
    raw = "".join(form.format(n=len(piece) + width, p=piece) for piece in PIECES) + "0000"
    assert undone(raw.encode()).replace(b"\n", b"").removesuffix(b"0000") == "".join(PIECES).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"08:30 and 09:45",
        b"2026-01-05T08:00:00Z",
        b'{"id": "000008", "n": 0}',
        b"[1] [2] [3]",
        b"f(1)(2)",
        b"0009sk_live",
        b"0000ab0000cd",
        b"0,01,02",
    ],
)
def test_numbers_that_lead_to_no_other_stay(raw: bytes) -> None:
    assert undone(raw) == raw
    assert not may_hold_lengths(raw, framed=True)


def test_a_length_beyond_the_end_is_none() -> None:
    assert undone(b"0002ab0002cd") == b"abcd"
    assert undone(b"0002ab0003cd") == b"0002ab0003cd"


def test_in_larger_texts_only_lengths_with_something_behind_them_count() -> None:
    raw = b"0002ab0002cd".ljust(16 * 1024)
    assert undone(raw) != raw
    assert undone(raw + b" ") == raw + b" "
    assert undone((b"2:ab,2:cd,").ljust(20_000)).startswith(b"ab,cd,")


def test_of_many_such_numbers_the_first_are_tried() -> None:
    noise = b" 0zz" * 31
    assert undone(b" 01" + b"?" * 90 + b" 0002ab0002cd").endswith(b" abcd")
    assert undone(noise.replace(b"0zz", b"09z") + b" 0002ab0002cd").endswith(b" abcd")
    assert undone(noise.replace(b"0zz", b"09z") + b" 09z 0002ab0002cd").endswith(b" 0002ab0002cd")


def test_each_edit_has_a_place_of_its_own() -> None:
    edits = lengths(np.frombuffer(b"8:0004abcd0004efgh8:00000000", np.uint8))
    assert (np.diff(edits.at) >= edits.size[:-1]).all()


def test_a_row_of_lengths_that_leads_nowhere_is_gone_through_once() -> None:
    matches = 0

    def count(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal matches
        matches += event == "c_call" and called.__name__ == "match"

    sys.setprofile(count)
    try:
        lengths(np.frombuffer(b"[0], " * 500, np.uint8))
    finally:
        sys.setprofile(None)
    assert 500 <= matches <= 2500
