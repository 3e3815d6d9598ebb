"""Kinds of escapes, undone each by itself in small bodies and together in large ones."""

from __future__ import annotations

import base64
import html
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

import pytest

from app.kernel.secret import SecretValue
from app.redaction.layers import TOGETHER, undo_apart, undo_together
from app.redaction.redactor import Redactor
from app.redaction.views import View

VALUE = 'canary-7f3a9c21/"d5e84b60"&<e19a>'
FILL = "".join(json.dumps({"item": at, "name": "nothing to see"}) + "\n" for at in range(TOGETHER // 36))


def texts(views: object) -> set[bytes]:
    return {view.raw for view in views}  # type: ignore[attr-defined]


def test_each_kind_is_undone_by_itself() -> None:
    assert texts(undo_apart(View.of(b"\\/ %41 &lt; x=41"), 100)) == {
        b"/ %41 &lt; x=41",
        b"\\/ A &lt; x=41",
        b"\\/ %41 < x=41",
        b"\\/ %41 &lt; xA",
    }


def test_usual_kinds_are_undone_together_and_what_many_texts_hold_beside_them() -> None:
    plain, quoted = undo_together(View.of(b"\\/ %41 &lt; key=de x=41"), 100)
    assert plain.raw == b"/ A < key=de x=41"
    assert not plain.aside
    assert quoted.raw == b"/ A < key\xde xA"
    assert quoted.aside


def test_kinds_that_read_the_same_bytes_otherwise_are_undone_apart_from_one_another() -> None:
    views = list(undo_together(View.of(b"\\115 %41 ~1"), 100))
    as_octal, further = views[0], views[1:]
    assert as_octal.raw == b"M A ~1"
    assert texts(further) == {b"\x115 A ~1", b"\xc4\x95A ~1", b"s A ~1", b"M A /"}
    assert not as_octal.settled
    assert all(view.settled for view in further)


def test_a_number_with_a_prefix_here_and_there_is_no_escape() -> None:
    assert texts(undo_apart(View.of(b"0x41 0x42 0x43"), 100)) == set()
    assert texts(undo_apart(View.of(b"0x41 0x42 0x43 0x44"), 100)) == {b"A B C D"}


def test_after_a_rare_kind_only_the_usual_ones_are_undone() -> None:
    rare = next(view for view in undo_together(View.of(b"~1 ~01 %2541"), 100) if view.settled)
    assert rare.raw == b"/ ~1 %41"
    assert texts(undo_together(rare, 100)) == {b"/ ~1 A"}


def test_what_was_undone_once_is_not_undone_again_beside_another_kind() -> None:
    plain, quoted = undo_together(View.of(b"x=41 %2541"), 100)
    assert texts(undo_together(plain, 100)) == {b"x=41 A"}
    assert texts(undo_together(quoted, 100)) == {b"xA A"}


ENCODERS: dict[str, Callable[[str], str]] = {
    "json": json.dumps,
    "percent": lambda text: quote(text, safe=""),
    "html": html.escape,
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "css": lambda text: "".join(f"\\{ord(char):x} " for char in text),
    "pointer": lambda text: text.replace("~", "~0").replace("/", "~1"),
}


@pytest.mark.parametrize("inner", ENCODERS)
@pytest.mark.parametrize("outer", ENCODERS)
def test_a_value_under_two_layers_is_found_in_a_large_body_too(inner: str, outer: str) -> None:
    if inner == "pointer" and outer in ("base64", "hexadecimal", "css", "pointer"):
        return  # after a rare kind, and in what was unpacked, only the usual kinds are undone
    body = f"{FILL}{ENCODERS[outer](f'key={ENCODERS[inner](VALUE)}')}\n{FILL}".encode()
    out, count = Redactor({"V": SecretValue(VALUE)}).body(body)
    assert count == 1
    assert out.startswith(FILL.encode())
    assert out.endswith(FILL.encode()[40:])


def test_large_bodies_with_many_kinds_around_a_value_are_looked_through() -> None:
    around = json.dumps({"url": "https://a.example.com/My%20Files?per_page=30", "body": 'Tom &amp; "no".\r\n'})
    written = json.dumps({"data": json.dumps({"key": VALUE})})
    out, count = Redactor({"V": SecretValue(VALUE)}).body((around * 3000 + written + around * 3000).encode())
    assert count == 1
    assert out == (around * 3000 + '{"data": "{\\"key\\": \\"[redacted:V]\\"}"}' + around * 3000).encode()
