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


@pytest.mark.parametrize(
    ("charset", "before", "after"),
    [
        ("shift_jis", b"\x81\x90 \x87\x90 ", b" \xfa\x54"),  # two of these are written another way by a writer
        ("utf-16", b"\xfe\xff", b"\x20\xac"),  # the other byte order
        ("utf-16", b"\xff\xfe", b"\xac\x20"),
        ("windows-1251", b"\xcf\xf0", b"\xe8"),
        ("gb18030", b"\x81\x30\x81\x30", b"\xa2\xe3"),
        ("iso-8859-15", b"\xa4", b"\xa6"),
        ("iso-2022-jp", b"\x1b(J\x5c\x1b$@F|K\\\x1b(B ", b" \x1b$BF|K\\\x1b(B"),  # a writer would write neither so
    ],
)
def test_what_stands_beside_a_value_stays_byte_for_byte(charset: str, before: bytes, after: bytes) -> None:
    wide = {b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}.get(before, charset)
    value, marker = "canary-19-value".encode(wide), "[redacted:T]".encode(wide)
    body = before + value + after + value
    left = redact_text(body, charset, Redactor({"T": SecretValue("canary-19-value")}))
    assert left == (before + marker + after + marker, 2)


def test_a_bare_number_in_another_charset_becomes_a_text() -> None:
    body = "[1, 90210777664423, 2]".encode("utf-16")
    out, count = redact_text(body, "utf-16", Redactor({"T": SecretValue("90210777664423")}))
    assert (out.decode("utf-16"), count) == ('[1, "[redacted:T]", 2]', 1)


@pytest.mark.parametrize("value", ["日本-canary-19", "canary-19-日本", "日本語"])
def test_a_marker_stands_in_the_set_of_characters_around_it(value: str) -> None:
    redactor = Redactor({"T": SecretValue(value)})
    before, after = b"\x1b(J\\ \x1b$@F|", b"K\\\x1b(J~"  # of a JIS of 1978
    middle = f"日{value}日".encode("iso-2022-jp").removeprefix(b"\x1b$B").removesuffix(b"\x1b(B")
    body, count = redact_text(before + b"\x1b$B" + middle + after, "iso-2022-jp", redactor)
    assert count == 1
    assert body.startswith(before)
    assert body.endswith(after)
    assert body.decode("iso-2022-jp") == "¥ 日日[redacted:T]日本‾"


def test_where_no_charset_is_told_it_is_utf_8() -> None:
    assert codec_of(None) == "utf-8"
    assert codec_of("") == "utf-8"
