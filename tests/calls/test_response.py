"""What a client gets of a reply's body."""

from __future__ import annotations

import base64
import json

import pytest

from app.calls.response import answer_body
from app.outbound.model import Response


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


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -2.5, 1e3, 19.90, true, null, "ü"]}',
        "7",
        "-0",
        "-0.0",
        "4.9e-324",
        '{"price": 0.10000000000000001}',
        "[2.2250738585072014e-308, 1.7976931348623157e308]",
        "0.30000000000000004",
        '"x"',
        "9007199254740992",
        '{ "a b":\t"c  d\\n e",\r\n "n" : [ 1, 2.5 ] }\n',
    ],
)
def test_json_comes_back_value_for_value(text: str) -> None:
    told = answer_body(reply(text.encode()))
    assert told["type"] == "json"
    read = json.loads(text, parse_int=lambda number: -0.0 if number == "-0" else int(number))
    assert json.dumps(told["content"]) == json.dumps(read)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a" : 1, "a":1}',
        '{"a b": 1, "ab": 1, "a b": 1}',
        "9007199254740993",
        "1" * 6000,
        "0.1000000000000000055511151231257827",
        "0.1234567890123456789012345",
        "9007199254740993.0",
        "1e400",
        "1e-400",
        "0e99999999999999999999",
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


@pytest.mark.parametrize("charset", [None, "utf-8", "ISO-8859-1", "windows-1252", "utf8mb4", "no-such", "Shift_JIS"])
@pytest.mark.parametrize(
    "media_type", ["application/json", "text/plain", "text/html", "application/x-amz-json-1.0", None]
)
@pytest.mark.parametrize(
    "text", ['{"a":"José","b":[1,2.5,null]}', '{ "a": "José" }', '\ufeff["José"]', ' \r\n\t["José"] ']
)
def test_json_is_told_by_its_bytes(text: str, media_type: str | None, charset: str | None) -> None:
    told = answer_body(reply(text.encode(), media_type, charset))
    assert told == {"type": "json", "content": json.loads(text.removeprefix("\ufeff"))}


@pytest.mark.parametrize(
    "charset", ["ISO-8859-1", "windows-1252", "utf-16", "utf-16-le", "utf-32", "iso-2022-jp", "gbk"]
)
def test_json_that_is_no_utf_8_is_read_in_its_charset(charset: str) -> None:
    for text in ('{"a": "José"}', '["é"]') if charset[0] not in "ig" or charset == "ISO-8859-1" else ('{"a": "日本"}',):
        told = answer_body(reply(text.encode(charset), "text/plain", charset))
        assert told == {"type": "json", "content": json.loads(text)}


@pytest.mark.parametrize("text", ['{"a": 1, "a": "José"}', '["José", 9007199254740993]', '{"José": broken'])
def test_what_nearly_is_json_in_utf_8_comes_as_text_in_utf_8(text: str) -> None:
    assert answer_body(reply(text.encode(), charset="ISO-8859-1")) == {"type": "text", "content": text}


@pytest.mark.parametrize("text", ["7", '"x"', "null", "true"])
def test_a_word_alone_is_json_where_its_type_says_so_or_there_is_none(text: str) -> None:
    for media_type in ("application/json", "application/problem+json", "text/x-json", None):
        assert answer_body(reply(text.encode(), media_type)) == {"type": "json", "content": json.loads(text)}
    for media_type in ("text/plain", "text/csv", "application/notjson"):
        assert answer_body(reply(text.encode(), media_type)) == {"type": "text", "content": text}


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
        (b'{"a": 1}', "image/png", None),
        (b'{"a": 1}', "application/octet-stream", None),
        (b'{"a": \x00}', "application/json", None),
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
