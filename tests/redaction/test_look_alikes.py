"""Characters that stand for others."""

from __future__ import annotations

import pytest

from app.redaction.look_alikes import look_alikes, may_hold_look_alikes
from tests.redaction.test_encodings import undo


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ｓｋ＿ｌｉｖｅ", "sk_live"),
        ("𝐬𝐤①²ℓ", "sk12l"),
        ("a\u2011b\u22121\u20442", "a-b-1/2"),
        ("a\u00a0b\u2003c\u202fd", "a b c d"),
        ("a\u200bb\u00adc\u2060d\ufeff", "abcd"),
        ("…é鍵ß½Ж«»", "…é鍵ß½Ж«»"),
        ("ａ～！", "a~!"),
        ("\U000e0073\U000e006b\U000e0020\U000e007e\U000e007f", "sk ~\U000e007f"),
        ("a\u0332b\u0338c\ufe0fd\u0301", "abcd\u0301"),
        ("\u2066a\u2069b", "ab"),
        ("a–b—c―d“e”f„g‟h‘i’j‚k‛", "a-b-c-d\"e\"f\"g\"h'i'j'k'"),
    ],
)
def test_each_is_read_as_what_it_stands_for(text: str, left: str) -> None:
    assert undo(look_alikes, text.encode()) == left.encode()


@pytest.mark.parametrize("cut", [b"\xef\xbc", b"a\xc2", b"\xf0\x9d\x90", b"\xe2\x80\x41", b"\xef\xbc\xc2\xad"[:3]])
def test_half_a_character_stays(cut: bytes) -> None:
    assert undo(look_alikes, cut) == cut


def test_a_text_in_ascii_or_in_another_script_holds_none() -> None:
    assert not may_hold_look_alikes(b"plain ~ text")
    assert not may_hold_look_alikes("ключ 鍵 é".encode())
    assert may_hold_look_alikes("a\u00a0b".encode())
