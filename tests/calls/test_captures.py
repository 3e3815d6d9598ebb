"""What a client gets of a reply's body, and what captures find in it."""

from __future__ import annotations

import base64
import json

import pytest

from app.calls.captures import Capture, answer_body, capture_values, compile_capture
from app.kernel.errors import ValidationFailed, in_body
from app.outbound.model import Response


def _capture(name: str, path: str) -> Capture:
    return compile_capture(name, path, location=in_body("call", "captures", 3))


def reply(body: bytes, media_type: str | None = "application/json", charset: str | None = None) -> Response:
    return Response(
        status=200,
        headers=(),
        body=body,
        media_type=media_type,
        charset=charset,
        redactions=0,
        elapsed_ms=1.0,
        sent_bytes=0,
        received_bytes=len(body),
    )


@pytest.mark.parametrize("text", ['{"a": [1, -2.5, 1e3, 19.90, true, null, "ü"]}', "7", '"x"', "9007199254740992"])
def test_json_comes_back_value_for_value(text: str) -> None:
    assert answer_body(reply(text.encode())) == {"type": "json", "content": json.loads(text)}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        "9007199254740993",
        "1" * 6000,
        "0.1000000000000000055511151231257827",
        "1e400",
        "-0",
        "NaN",
        "[Infinity]",
        '"\\ud800"',
        "[" * 400 + "]" * 400,
        "[" * 100_000,
        "{broken",
        "",
    ],
)
def test_json_that_would_not_survive_comes_as_text(text: str) -> None:
    assert answer_body(reply(text.encode())) == {"type": "text", "content": text}


@pytest.mark.parametrize("charset", [None, "utf-8", "ISO-8859-1", "windows-1252"])
@pytest.mark.parametrize("text", ['{"a":"ü","b":[1,2.5,null]}', '{ "a": "ü" }'])
def test_json_is_read_in_its_charset(text: str, charset: str | None) -> None:
    raw = text.encode()
    read = json.loads(raw.decode(charset or "utf-8"))
    assert answer_body(reply(raw, charset=charset)) == {"type": "json", "content": read}


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("grün".encode(), None, "grün"),
        ("grün".encode("latin-1"), "ISO-8859-1", "grün"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        ("grün".encode("utf-16"), "utf-16", "grün"),
        (b"\xef\xbb\xbfa", None, "\ufeffa"),
        (b"line\r\nline\n", "utf-8", "line\r\nline\n"),
    ],
)
def test_text_is_read_in_its_charset(body: bytes, charset: str | None, text: str) -> None:
    assert answer_body(reply(body, "text/plain", charset)) == {"type": "text", "content": text}


@pytest.mark.parametrize(
    ("body", "media_type", "charset"),
    [
        (b"\xff\xfe\xfd", "text/plain", None),
        (b"a\x00b", "text/plain", None),
        (b"plain", "application/octet-stream", None),
        (b"plain", "image/png", None),
        (b"plain", "text/plain", "no-such-charset"),
        (b"plain", "text/plain", "\x00"),
        (b"\\x61", "text/plain", "unicode_escape"),
        (b"+AGE-", "text/plain", "utf-7"),
        (b"egg-", "text/plain", "punycode"),
        (b"\x81\x82", "text/plain", "cp037"),
    ],
)
def test_what_is_no_text_or_would_be_decoded_twice_comes_as_base64(
    body: bytes, media_type: str, charset: str | None
) -> None:
    assert answer_body(reply(body, media_type, charset)) == {
        "type": "base64",
        "content": base64.b64encode(body).decode(),
    }


DOCUMENT = (
    b'{"ticket": {"id": 7, "price": 1.50, "big": 12345678901234567890123}, "list": [{"a": 1}, {"a": 2}], "n": null}'
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.ticket.id", 7),
        ("$.ticket.price", 1.5),
        ("$['ticket']", None),  # holds a number that nobody could write
        ("$.list[1]", {"a": 2}),
        ("$.list[*].a", [1, 2]),
        ("$..a", [1, 2]),
        ("$.list[?@.a > 1].a", [2]),
        ("$.list", [{"a": 1}, {"a": 2}]),
        ("$.gone", None),
        ("$..gone", []),
        ("$.n", None),
    ],
)
def test_a_capture_finds_its_part(path: str, found: object) -> None:
    result = capture_values([_capture("it", path)], reply(DOCUMENT))
    assert result == {"it": found}
    assert json.dumps(result) == json.dumps({"it": found})


@pytest.mark.parametrize("body", [b"", b"no json", b"[NaN]", b"[" * 100_000])
def test_captures_of_what_is_no_json_are_null(body: bytes) -> None:
    assert capture_values([_capture("it", "$.a")], reply(body)) == {"it": None}


def test_a_bare_text_is_found_whole_and_not_read_again() -> None:
    captures = [_capture("all", "$"), _capture("inner", "$.a")]
    assert capture_values(captures, reply(b'"{\\"a\\": 1}"')) == {"all": '{"a": 1}', "inner": None}


def test_captures_of_another_media_type_are_null() -> None:
    assert capture_values([_capture("it", "$")], reply(b"7", "text/plain")) == {"it": None}


@pytest.mark.parametrize(
    "path", ["", "ticket.id", "$.", "$.a | $.b", "$.a[?typeof(@.b) == 'string']", "$." + "a" * 600, "$[" * 200]
)
def test_what_is_no_jsonpath_is_refused_when_it_is_saved(path: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        _capture("it", path)
    assert [str(each) for each in caught.value.errors or {}] == ["/call/captures/3/path"]


@pytest.mark.parametrize("name", ["", "a b", "1a", "{{x}}"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailed):
        _capture(name, "$.a")


def test_a_path_that_finds_very_much_is_cut_off_at_a_thousand() -> None:
    body = json.dumps(list(range(5000))).encode()
    assert capture_values([_capture("it", "$[*]")], reply(body)) == {"it": list(range(1000))}


@pytest.mark.parametrize("path", ["$..*..*..*..x", "$..[?count(@..*) > 100000]", "$[?@..x]"])
def test_a_path_that_would_look_for_ever_finds_nothing(path: str) -> None:
    body = b'{"a":[' * 150 + b"1" + b"]}" * 150
    wide = b"[" + b",".join([body] * 100) + b"]"
    assert capture_values([_capture("it", path)], reply(wide)) == {"it": None}


def test_a_pattern_that_would_match_for_ever_finds_nothing() -> None:
    body = json.dumps([{"b": "a" * 5000}]).encode()
    assert capture_values([_capture("it", "$[?search(@.b, '(a|aa)+c')]")], reply(body)) == {"it": None}
