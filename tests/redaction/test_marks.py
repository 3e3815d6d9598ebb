"""Marks right before the pieces of a text."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.marks import LARGEST, SIGNS, marks, may_hold_marks
from app.redaction.markup import may_hold_more_markup
from app.redaction.small_escapes import MARK, signs_in
from app.redaction.views import View, rewrite


def unmarked(raw: bytes) -> bytes:
    view = View.of(raw)
    return (rewrite(view, marks(view.text), order=0, reach=100) or view).raw


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (b"&6sk_l&live", b"sk_live"),
        (b"&asome&lmore&r.", b"somemore."),
        (b"&#ff0000sk&#00ff00li", b"skli"),
        (b"&x&f&f&0&0sk", b"sk"),
        (b"^1sk^7li", b"skli"),
        (b"^x0f0sk^xfffli", b"skli"),
        (b"^fg(red)sk^fg()li", b"skli"),
        (b"^bg(#00ff00)sk^bg()li", b"skli"),
        (b"{ff0000}sk{#00FF00}li", b"skli"),
        (b"|cffff0000sk|rli|r", b"skli"),
        (b"$f00sk$z", b"sk"),
        (b"${color red}sk${color}", b"sk"),
        (b"~r~sk~s~li", b"skli"),
        (b"#ff0000sk#00ff00li", b"skli"),
        (b"#[fg=red]sk#[default]", b"sk"),
        (b"%F{red}sk%f", b"sk"),
        (b"%{F#ff0000}sk%{F-}", b"sk"),
        (b"[31msk[0m", b"sk"),
        (b"^[[1;31msk^[[0m", b"sk"),
        (b"\\Qsk\\E-\\Qli\\E", b"sk-li"),
        (b"\\verb|sk|\\verb*|li|", b"|sk||li|"),
        (b"\x07ff0000sk\x0700ff00li", b"skli"),
        (b"[0's,0'k,0'_]", b"[s,k,_]"),
    ],
)
def test_marks_are_left_out(raw: bytes, left: bytes) -> None:
    assert unmarked(raw) == left
    assert may_hold_more_markup(raw, has_signs=False, has_marks=bool(signs_in(raw) & MARK))
    assert any(sign in raw for sign in SIGNS)


@pytest.mark.parametrize(
    "raw",
    [
        b"&6once",
        b"?a=1&b=2&c=3&e=4",
        b"?a=1&client_id=2&format=x&extra[a]=b",
        b"&copy; &amp; &eacute; &frac12;",
        b"a&&b&&c",
        b"&#1114112;&#1234567;",
        b"color: #ff0000; background: #00ff00",
        b'"#ff0000", "#00ff00"',
        b"10'6, 20'7",
        b"\\verbose \\verbatim",
        b"^a ^b",
        b"[12] [13]",
    ],
)
def test_what_looks_like_some_or_stands_once_stays(raw: bytes) -> None:
    assert unmarked(raw) == raw
    assert not may_hold_marks(raw)


def test_of_kinds_that_there_is_one_mark_of_nothing_goes() -> None:
    assert unmarked(b"&6sk$f00li") == b"&6sk$f00li"
    assert unmarked(b"&6sk$f00&7li") == b"sk$f00li"


def test_larger_texts_have_them_by_chance() -> None:
    raw = b"&6sk&7li".ljust(LARGEST)
    assert may_hold_marks(raw)
    assert unmarked(raw).startswith(b"skli")
    assert not may_hold_marks(raw + b" ")
    assert len(marks(np.frombuffer(raw + b" ", np.uint8))) == 0
