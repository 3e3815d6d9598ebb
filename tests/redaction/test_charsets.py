"""A value that comes back in another charset is found when the text is read."""

from __future__ import annotations

import pytest

from app.kernel.secret import SecretValue
from app.redaction.charsets import codec_of, redact_text
from app.redaction.redactor import Redactor

VALUE = "käse-日本-7f3a9c21"


@pytest.mark.parametrize("charset", ["shift_jis", "gb18030", "utf-16", "utf-16-be", "utf-32-le"])
def test_a_value_in_another_charset_is_taken_out(charset: str) -> None:
    value = VALUE if charset != "shift_jis" else VALUE.replace("ä", "a")
    redactor = Redactor({"TOKEN": SecretValue(value)})
    body, count = redact_text(f"<{value}>".encode(charset), charset, redactor)
    assert (body.decode(charset), count) == ("<[redacted:TOKEN]>", 1)


@pytest.mark.parametrize("charset", [None, "utf-8", "utf-16", "no-such", "shift_jis"])
def test_what_holds_no_value_stays_byte_for_byte(charset: str | None) -> None:
    body = b"\xff\xfe\x00\xd8 nothing \x81"
    assert redact_text(body, charset, Redactor({"TOKEN": SecretValue(VALUE)})) == (body, 0)


@pytest.mark.parametrize(
    "charset", ["utf-7", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "rot13", "hex"]
)
def test_charsets_that_undo_an_encoding_are_none(charset: str) -> None:
    assert codec_of(charset) is None


@pytest.mark.parametrize("label", ["iso-8859-1", "latin1", "windows-1252", None])
def test_a_body_of_windows_1252_is_looked_through_whatever_it_says(label: str | None) -> None:
    value = "price-€-7f3a9c21"
    body, count = Redactor({"T": SecretValue(value)}).body(f"<{value}>".encode("cp1252"))
    assert (body, count) == (b"<[redacted:T]>", 1)
    assert redact_text(body, label, Redactor({"T": SecretValue(value)})) == (body, 0)
