"""Each rarer escape is undone by one layer, and what is none stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.redaction import rare_escapes
from app.redaction.search import Bytes
from app.redaction.views import Edits, View, rewrite


def undone(undo: Callable[[Bytes], Edits], raw: bytes) -> bytes:
    view = View(np.frombuffer(raw, np.uint8))
    return (rewrite(view, undo(view.text), order=0, reach=1000) or view).raw


@pytest.mark.parametrize(
    ("undo", "raw", "text"),
    [
        (rare_escapes.pointers, b"a~1b~0c~2", b"a/b~c~2"),
        (rare_escapes.code_points, b"U+0041u+20AC U+41", "A€ U+41".encode()),
        (rare_escapes.literals, b"0o101 0b1000010 0x43 0x4444 0o9", b"A B C 0x4444 0o9"),
        (rare_escapes.binaries, b"1000001 01000010 11 111111111", b"A B 11 111111111"),
        (rare_escapes.mail_words, b"=?utf-8?b?QUI=?=\n =?utf-8?b?Qw==?=", b"QUI=Qw=="),
        (rare_escapes.backslashed_hexadecimal, b"\\41\\2d5\\zz \\\\41", b"A-5\\zz \\\\41"),
        (rare_escapes.backslashed_css, b"\\41 b\\0000e9f\\a x\\z", "Ab\u00e9f\nx\\z".encode()),
        (rare_escapes.backslashed_decimal, b"\\065\\0102\\o{103}\\u68?\\300", b"ABCD\\300"),
    ],
)
def test_one_layer_is_undone(undo: Callable[[Bytes], Edits], raw: bytes, text: bytes) -> None:
    assert undone(undo, raw) == text


@pytest.mark.parametrize("undo", [undo for _, undo in rare_escapes.ESCAPES])
@pytest.mark.parametrize("raw", [b"", b"plain", b"\\", b"%", b"&", b"=", b"~", b"U+", b"0x", b"=?"])
def test_half_an_escape_stays(undo: Callable[[Bytes], Edits], raw: bytes) -> None:
    assert undone(undo, raw) == raw


def test_two_numbers_of_binary_digits_are_asked_for() -> None:
    assert rare_escapes.may_hold_binaries(b"[1000001 1000010 ]")
    assert not rare_escapes.may_hold_binaries(b"1000001, and 7")
