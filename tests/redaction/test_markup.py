"""Markup within a text, and lengths before its pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.redaction import markup
from app.redaction.encodings import Undo
from app.redaction.markup import may_hold_more_markup
from app.redaction.small_escapes import MARKUP, signs_in
from app.redaction.views import View, rewrite


def undone(undo: Undo, raw: bytes) -> bytes:
    view = View.of(raw)
    return (rewrite(view, undo(view.text), order=0, reach=100) or view).raw


@pytest.mark.parametrize(
    ("undo", "raw", "left"),
    [
        (markup.latex, rb"a\textunderscore{}b\textbackslash c\textless{}", b"a_b\\c<"),
        (markup.latex, rb"\textasciitilde\textasciicircum{}\textquotedbl{}", b'~^"'),
        (markup.latex, rb"a\char95 b\char" + b'"5Fc' + rb"\symbol{45}", b"a_b_c-"),
        (markup.latex, b"^^73^^6b", b"sk"),
        (markup.latex, rb"a\slash b\slash{}c{-}d", b"a/b/c-d"),
        (markup.latex, rb"\textbf{ab}\textcolor{red}{cd}\emph{e\}f}", b"abcde\\}f"),
        (markup.latex, rb"\mathtt[x]{ab}", b"ab"),
        (markup.latex, b"{a} }", b"{a} }"),
        (markup.troff, rb"a\(aqb\(ulc\(sl\(rs", b"a'b_c/\\"),
        (markup.troff, rb"\fBab\fR\f[I]cd\f[]\f(CWe\f1", b"abcde"),
        (markup.troff, b".B ab\n.I cd\n.XYZ ef", b" ab cd\n.XYZ ef"),
        (markup.troff, b"a.B b", b"a.B b"),
        (markup.controls, b"s\bsk\bk_\bl", b"skl"),
        (markup.controls, b"\x1b]8;;http://x\x1b\\ab\x1b]0;t\x07cd", b"abcd"),
        (markup.controls, b"\x1b(Ba\x1b[1;31mb\x1b7c\x08", b"ab"),
        (markup.controls, b"\x0304a\x0304,05b\x02c\x0f\x1dd", b"abcd"),
        (markup.controls, b"plain", b"plain"),
        (markup.curly_tags, b"{color:red}ab{color}{b}cd{/b}{/}", b"abcd"),
        (markup.curly_tags, b"[red:b]ab[-:-]cd", b"abcd"),
        (markup.curly_tags, b"^FO10,20^FDAB12^FS^FDcd", b"AB12cd"),
        (markup.curly_tags, b'{"a":1}{x}', b'{"a":1}{x}'),
        (markup.hexadecimal_records, b":05000000736B5F6C69AB\n:0500050076655F35315A", b"736B5F6C69\n76655F3531"),
        (markup.hexadecimal_records, b"S1080000736B5F6C69AB S20900000076655F35315A", b"736B5F6C69 76655F3531"),
        (markup.hexadecimal_records, b"S30A0000000076655F35315A", b"76655F3531"),
        (markup.hexadecimal_records, b":06000000736B5F6C69AB", b":06000000736B5F6C69AB"),
        (markup.hexadecimal_records, b"x:05000000736B5F6C69ABg", b"x:05000000736B5F6C69ABg"),
        (markup.lengths, b"2:ab,3:cde,", b"ab,cde,"),
        (markup.lengths, b"l2:ab3:cdee", b"labcdee"),
        (markup.lengths, b"2:a1 3:c2e", b"a1 c2e"),
        (markup.lengths, b"2Hab,12H123456789012,", b"ab,123456789012,"),
        (markup.lengths, b"2:ab,100:" + b"x" * 100 + b",1:c", b"ab," + b"x" * 100 + b",c"),
        (markup.lengths, b"2:abc,3:cde", b"2:abc,3:cde"),
        (markup.lengths, b"2:ab", b"2:ab"),
        (markup.lengths, b"10:11:12 and 3", b"10:11:12 and 3"),
        (markup.lengths, b"", b""),
    ],
)
def test_markup_is_left_out_or_read(undo: Undo, raw: bytes, left: bytes) -> None:
    assert undone(undo, raw) == left
    assert _may_hold(raw) or left == raw


def _may_hold(raw: bytes) -> bool:
    return may_hold_more_markup(raw, has_signs=bool(signs_in(raw) & MARKUP))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a",
        b"plain text, with {braces} and [brackets]",
        b'{"at": "2026-11-29T10:10:11Z", "n": 12, "s": "a:b"}',
        b"S1 and S3 at 12:30",
        b":0011223344zz",
        b"17:00 H2O",
    ],
)
def test_most_texts_have_none(raw: bytes) -> None:
    assert not _may_hold(raw)


@pytest.mark.parametrize("sign", [b"\x08", b"\x03", b"\x02", b"\x1d"])
def test_one_sign_is_enough_wherever_it_stands(sign: bytes) -> None:
    assert _may_hold(sign + b"ab")
    assert _may_hold(b"ab" + sign)


def test_each_kind_has_what_its_escapes_have_one_of() -> None:
    samples: dict[Callable[..., object], bytes] = {
        markup.latex: b"\\textbf{a}",
        markup.troff: b"\\fBa\\fR",
        markup.controls: b"a\x08b",
        markup.curly_tags: b"a{/}",
        markup.hexadecimal_records: b":05000000736B5F6C69AB",
        markup.lengths: b"2:ab,3:cde",
    }
    for signs, undo in markup.MARKUP:
        raw = samples[undo]
        assert any(sign in raw for sign in signs)
        assert len(undo(np.frombuffer(raw, np.uint8))) > 0


def test_pieces_that_lead_to_one_another_again_and_again_are_gone_through_once() -> None:
    assert undone(markup.lengths, b"0:" * 1000) == b"0:" * 1000
    assert undone(markup.lengths, b"1:1:1:1:1:1:ab")[-2:] == b"ab"
