"""Rarer escapes, undone by one layer."""

from __future__ import annotations

from email.header import Header

import pytest

from app.redaction.encodings import USUAL, Undo
from app.redaction.rare_escapes import (
    ESCAPES,
    backslashed_css,
    backslashed_decimal,
    backslashed_hexadecimal,
    binaries,
    code_points,
    literals,
    mail_words,
    may_hold_binaries,
    may_hold_literals,
    pointers,
    sections,
    terminals,
)
from tests.redaction.test_encodings import undo


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        (pointers, b"a~1b~0c~2~", b"a/b~c~2~"),
        (code_points, b"U+0041U+1D11Eu+00e9U+41", "A𝄞éU+41".encode()),
        (literals, b"0x41 0o101 0b1000001 0X2d 0x1000 0x", b"A A A - 0x1000 0x"),
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


def test_the_usual_kinds_come_first_since_verdicts_count_on_them() -> None:
    assert ESCAPES[: len(USUAL)] == USUAL


@pytest.mark.parametrize(("signs", "kind"), ESCAPES[len(USUAL) :])
def test_a_text_without_a_kinds_sign_is_left_by_it(signs: tuple[bytes, ...], kind: Undo) -> None:
    text = bytes(code for code in range(256) if not any(code in sign for sign in signs))
    assert undo(kind, text) == text
