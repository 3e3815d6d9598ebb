"""Escapes that the usual writers make, undone by one layer."""

from __future__ import annotations

from html.entities import html5
from urllib.parse import quote

import pytest

from app.redaction.encodings import (
    USUAL,
    Undo,
    backslashed_points,
    backslashes,
    percented_points,
    percents,
    quoted_printable,
    references,
    surrogates,
)
from app.redaction.views import View, rewrite


def undo(kind: Undo, text: bytes) -> bytes:
    view = View.of(text)
    left = rewrite(view, kind(view.text), order=0, reach=len(text))
    return text if left is None else left.raw


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (rb"a\nb\r\t\b\f\v\a\e", b"a\nb\r\t\b\f\v\a\x1b"),
        (rb"\"\\\/\'\-\=", b"\"\\/'-="),
        (rb"\u0041\u00e9\u20AC", "Aé€".encode()),
        (rb"\u{41}\u{1d11e}\x{41}", "A𝄞A".encode()),
        (rb"\U0001D11E", "𝄞".encode()),
        (rb"\x41\xc3\xa9", "Aé".encode()),
        (rb"\101\60\7x", b"A0\x07x"),
        (rb"\\u0041", rb"\u0041"),
        (rb"\u004 \u{} \u{41 \xg", rb"\u004 \u{} \u{41 \xg"),
        (b"a\\\nb\\\r\nc", b"abc"),
        (rb"\U00110000", rb"\U00110000"),
        (b"end\\", b"end\\"),
        (rb"\z\y", rb"\z\y"),
    ],
)
def test_backslashes(text: bytes, left: bytes) -> None:
    assert undo(backslashes, text) == left


def test_backslashes_with_characters_of_latin_1() -> None:
    assert undo(backslashed_points, rb"\xe9\351") == "éé".encode()
    assert undo(backslashed_points, rb"\x41") == rb"\x41"  # it would be the same once more


def test_percents() -> None:
    for text in ("a b/c?d&é€", "%41", "100%"):
        assert undo(percents, quote(text, safe="").encode()) == text.encode()
    assert undo(percents, b"%4 %g1 %%41 %") == b"%4 %g1 %A %"
    assert undo(percented_points, b"%u20AC%e9") == "€é".encode()
    assert undo(percented_points, b"%e9") == b"%e9"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"&amp;lt;", b"&lt;"),
        (b"&lt;&gt;&quot;&apos;", b"<>\"'"),
        (b"&#65;&#x41;&#X41;&#65", b"AAAA"),
        (b"&euro;&nbsp;", "€\u00a0".encode()),
        (b"&ampx &lt", b"&x <"),
        (b"&notanentity; &; &", "¬anentity; &; &".encode()),
        (b"&#0; &#; &#x;", b"&#0; &#; &#x;"),
    ],
)
def test_references(text: bytes, left: bytes) -> None:
    assert undo(references, text) == left


def test_every_name_that_html_knows_is_read() -> None:
    for name, text in html5.items():
        if len(text.encode()) <= len(name) + 1 and name.endswith(";"):
            assert undo(references, f"x&{name}y".encode()) == f"x{text}y".encode(), name


def test_quoted_printable() -> None:
    assert undo(quoted_printable, b"a=41=\nb=\r\nc=C3=A9") == "aAbcé".encode()
    assert undo(quoted_printable, b"a=b =4 =") == b"a=b =4 ="


def test_two_halves_are_one_character() -> None:
    assert undo(surrogates, "\ud834\udd1e".encode("utf-8", "surrogatepass")) == "𝄞".encode()
    alone = "\ud834x".encode("utf-8", "surrogatepass")
    assert undo(surrogates, alone) == alone


@pytest.mark.parametrize(("signs", "kind"), USUAL)
def test_a_text_without_a_kinds_sign_is_left_by_it(signs: tuple[bytes, ...], kind: Undo) -> None:
    text = bytes(code for code in range(256) if not any(code in sign for sign in signs))
    assert undo(kind, text) == text
