"""Rarer escapes, undone by one layer."""

from __future__ import annotations

from email.header import Header
from typing import Final

import numpy as np
import pytest

from app.redaction.encodings import USUAL, Undo
from app.redaction.layers import undo_apart
from app.redaction.rare_escapes import (
    ESCAPES,
    backslashed_css,
    backslashed_decimal,
    backslashed_hexadecimal,
    backslashed_units,
    binaries,
    bracketed_tags,
    code_points,
    literals,
    mail_words,
    marked_numbers,
    may_hold_binaries,
    may_hold_literals,
    may_hold_markup,
    may_hold_suffixed,
    pointers,
    rich_text,
    sections,
    shown_text,
    suffixed_numbers,
    terminals,
    underscores,
)
from app.redaction.views import View
from tests.redaction.test_encodings import undo


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        (pointers, b"a~1b~0c~2~", b"a/b~c~2~"),
        (code_points, b"U+0041U+1D11Eu+00e9U+41", "A𝄞éU+41".encode()),
        (code_points, rb"\N{U+41}\N{U+1d11e}\N{LETTER}<U+0041><U+41>", "A𝄞".encode() + rb"\N{LETTER}A<U+41>"),
        (code_points, b"U+0041>{U+0041}N{U+0042}", b"A>{A}N{B}"),
        (underscores, b"a_x0041_b_X002D_c_x41__x00411_", b"aAb-c_x41__x00411_"),
        (literals, b"0x41 0o101 0b1000001 0X2d 0x1000 0x", b"A A A - 0x1000 0x"),
        (literals, b"0x41u, 0x42U, 0x43UL", b"A, B, CL"),
        (marked_numbers, b"%115%107%95%300%1", b"sk_%300%1"),
        (marked_numbers, b"&H73&h6B&G73 h73 &H7", b"sk&G73 h73 &H7"),
        (marked_numbers, b"x'73'X'6b'x'7'x'73 y'73'", b"skx'7'x'73 y'73'"),
        (suffixed_numbers, b"73h, 6Bh, 0b3H", b"s, k, \xb3"),
        (suffixed_numbers, b"db 0AH,73h", b"db \n,s"),
        (suffixed_numbers, b"73h 6bh 173h x73h 73ha", b"s k 173h x73h 73ha"),
        (bracketed_tags, b"[b]sk_[/b][color=#ff0000]live[/color][*]_5", b"sk_live_5"),
        (shown_text, b"[(sk_) 20 (live)-3.5(_51)] TJ", b"[(sk_live_51)] TJ"),
        (shown_text, b"(sk_) Tj\nET BT 72 688 Td (live) Tj T* (_51) Tj", b"(sk_live_51) Tj"),
        (shown_text, b"[(sk_)] TJ 0 -14 Td [(live)] TJ", b"[(sk_live)] TJ"),
        (bracketed_tags, b"[bold red]sk_[/][green]live[/]_5", b"sk_live_5"),
        (bracketed_tags, b'[1, 2] (see) this (one) ["a"] [/a', b'[1, 2] (see) this (one) ["a"] [/a'),
        (rich_text, rb"{\rtf1\ansi {\b sk_}{\cf1\fs-24 live}\par}", b"sk_live"),
        (rich_text, rb"{\b sk_}", rb"{\b sk_}"),
        (backslashed_units, rb"sk\005flive\+00005f\005\\0041", b"sk_live_" + rb"\005\\0041"),
        (binaries, b"01000001 1000010 10 010000010", b"A B 10 010000010"),
        (backslashed_hexadecimal, rb"a\2db\5C\g", b"a-b\\\\g"),
        (backslashed_css, rb"a\2d b\00002dc\2 ", b"a-b-c\x02"),
        (sections, b"a<![CDATA[b]]><![CDATA[c]]>d]]", b"abcd]]"),
        (terminals, b"a\x1b[1;31mb\x1b[0mc\x1b[Kd\x1b(B\x1b[1", b"abcd\x1b(B\x1b[1"),
        (backslashed_decimal, rb"\115\0163\o{163}\u115?\9", rb"sss" + b"s" + rb"\9"),
    ],
)
def test_each_kind(kind: Undo, text: bytes, left: bytes) -> None:
    assert undo(kind, text) == left


@pytest.mark.parametrize(
    ("raw", "found"),
    [(b"0x41,0X42 0b1 0o7", True), (b"0x41,0x42,0x43", False), (b"0xg 0b2 0o8 0x 0b " * 3, False), (b"", False)],
)
def test_several_numbers_with_a_prefix_are_seen(raw: bytes, found: bool) -> None:
    assert may_hold_literals(raw) is found


def test_the_words_of_a_mail_follow_one_another() -> None:
    written = Header("clé-secrète " * 8, "utf-8").encode().encode()
    left = undo(mail_words, written)
    assert b"=?" not in left
    assert b"?=" not in left


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"01000001 01000010 ", True),
        (b"1000001, 1000010 x", True),
        (b"01000001", False),
        (b"010000010 010000100 ", False),
        (b"10 11 01 ", False),
        (b"", False),
    ],
)
def test_binary_numbers_come_in_twos_at_least(raw: bytes, found: bool) -> None:
    assert may_hold_binaries(raw) is found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"73h, 6bh", True),
        (b"db 0b3h,0a0h", True),
        (b"70H 60H", True),
        (b"73h", False),
        (b"each of which had been reached", False),
        (b"at 12h or 173h 6bh", False),
        (b"73h and 6bh", False),
        (b"", False),
    ],
)
def test_an_assembler_s_numbers_come_in_twos_at_least(raw: bytes, found: bool) -> None:
    assert may_hold_suffixed(raw) is found
    assert any(True for _ in undo_apart(View.of(raw), 100)) is found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"[b]sk_[/b]live", True),
        (b"[*]a[/*]", True),
        (b"[bold red]sk_[/]live", True),
        (b"a[i] = /[/.]+/.test(b[j])", False),
        (b"=?utf-8?q?sk_?= =?utf-8?q?live?=", True),
        (b"/a(?=b)/.test(c) || d=?e", False),
    ],
)
def test_what_source_code_has_in_brackets_is_no_tag_and_no_word_of_a_mail(raw: bytes, found: bool) -> None:
    assert any(True for _ in undo_apart(View.of(raw), 100)) is found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"[(a) 20 (b)] TJ", True),
        (b"(a) Tj T* (b) Tj", True),
        (rb"{\rtf1 a}", True),
        (b"TJ and Tj", False),
        (b"(a) 20 (b)", False),
        (b"", False),
    ],
)
def test_a_text_in_pdf_or_rtf_is_told_by_their_words(raw: bytes, found: bool) -> None:
    assert may_hold_markup(raw) is found


def test_the_usual_kinds_come_first_since_verdicts_count_on_them() -> None:
    assert ESCAPES[: len(USUAL)] == USUAL


@pytest.mark.parametrize(("signs", "kind"), ESCAPES[len(USUAL) :])
def test_a_text_without_a_kinds_sign_is_left_by_it(signs: tuple[bytes, ...], kind: Undo) -> None:
    text = bytes(code for code in range(256) if not any(code in sign for sign in signs))
    assert undo(kind, text) == text


def test_an_octal_number_beyond_a_byte_stays() -> None:
    assert undo(backslashed_decimal, rb"\0377\0400") == rb"\0400".join((b"\xff", b""))


_EVERY_KIND: Final = (
    rb"\u0041 \ud83d\ude00 \x41 \U0001F600 \101 \u{1F600} \x{41} \N{U+41}",
    rb"\c41 \0163 \o{163} \u115? \002d \+00002d \2d ",
    b"%41 %u0041 =41=\r\n &#65; &#x41; &amp; &notin; %115 &H41 x'41' ~0 U+0041 <U+0041> _x0041_ +ADw- &ACI-",
    b"\xed\xa0\xbd\xed\xb8\x80 \xc2\xad \xe2\x80\x8b \xf3\xa0\x81\x81",
    b"0o101 0b1000001 0x41u 01000001 01000010 0b3h, 73h :0B0000004142 S1130000414243 8:abcdefgh,2:ab 8Habcdefgh2Hab",
    b"=?utf-8?Q?=41?= =?utf-8?B?QUJD?= <![CDATA[abc]]>",
    b"\x1b[0;31m [b]x[/b] {color:red}a{/} ^FO10,20^FD a\x08 \x0304,05a",
    rb"{\rtf1 \'41} \textbf{a} \textunderscore{} \char\"41 ^^41 \slash  \fBa\fR \(aq [(a) 20 (b)] TJ",
)


@pytest.mark.parametrize("text", _EVERY_KIND)
@pytest.mark.parametrize(("signs", "kind"), ESCAPES)
def test_no_escape_reaches_beyond_the_end_wherever_a_text_is_cut(
    signs: tuple[bytes, ...], kind: Undo, text: bytes
) -> None:
    for first in range(0, len(text), 5):
        for end in range(first + 1, min(len(text), first + 40) + 1):
            edits = kind(np.frombuffer(text[first:end], np.uint8))
            ends = edits.at + edits.size
            assert not len(edits) or (edits.at[0] >= 0 and ends[-1] <= end - first)
            assert (edits.at[1:] >= ends[:-1]).all()
            assert (edits.count <= edits.size).all()
