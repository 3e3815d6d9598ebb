"""What captures find in a reply, and why they find nothing."""

from __future__ import annotations

import json

import pytest

from app.calls.captures import Capture, Captured, Problem, capture_values, compile_capture
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


DOCUMENT = (
    b'{"ticket": {"id": 7, "price": 1.50, "big": 12345678901234567890123}, "list": [{"a": 1}, {"a": 2}], "n": null}'
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.ticket.id", 7),
        ("$.ticket.price", 1.5),
        ("$.ticket.big", "12345678901234567890123"),
        ("$['ticket']", {"id": 7, "price": 1.5, "big": "12345678901234567890123"}),
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
    assert result == Captured({"it": found}, {"it": "not_found"} if path == "$.gone" else {})
    assert json.dumps(result.values) == json.dumps({"it": found})


LARGE = b"""{"items": [
  {"id": 1234567890123456788, "n": 1}, {"id": 1234567890123456789, "n": 2}, {"id": 1234567890123456790, "n": 3},
  {"id": 9007199254740993, "n": 4}, {"id": 0.1, "n": 5}, {"id": 1e3, "n": 6}, {"id": -0, "n": 7}, {"id": 1e400, "n": 8}
]}"""


@pytest.mark.parametrize(
    ("test", "found"),
    [
        ("@.id==1234567890123456789", [2]),
        ("@.id==1234567890123456789.0", [2]),
        ("@.id==9007199254740993", [4]),
        ("@.id==9007199254740992", []),
        ("@.id>1234567890123456788", [2, 3]),
        ("@.id<=9007199254740992", [5, 6, 7]),
        ("@.id==0.1", [5]),
        ("@.id==1000", [6]),
        ("@.id==1e3", [6]),
        ("@.id==0", [7]),
        ("@.id==12345678901234567890e-1", [2]),
        ("@.id!=1234567890123456789", [1, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_a_filter_by_a_number_gives_the_right_record(test: str, found: list[int]) -> None:
    result = capture_values([_capture("it", f"$.items[?{test}].n")], reply(LARGE))
    assert result == Captured({"it": found})


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("9007199254740992", 9007199254740992),
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740993", "-9007199254740993"),
        ("1" * 5000, "1" * 5000),
        ("1e400", "1e400"),
        ("1e20", 1e20),
        ("0.10000000000000001", 0.1),
        ("true", True),
    ],
)
def test_a_number_that_readers_would_change_comes_as_text(number: str, found: object) -> None:
    body = f'{{"n": {number}, "in": [{{"n": {number}}}]}}'.encode()
    result = capture_values([_capture("n", "$.n"), _capture("all", "$.in")], reply(body))
    assert result == Captured({"n": found, "all": [{"n": found}]})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not_json"),
        (b"no json", "not_json"),
        (b"[NaN]", "not_json"),
        (b'{"a": "\\ud800"}', "not_json"),
        (b"[" * 100_000, "too_large"),
        (b"{}", "not_found"),
        (b"[1]", "not_found"),
        (b'"a"', "not_found"),
    ],
)
def test_a_capture_that_finds_nothing_says_why(body: bytes, problem: Problem) -> None:
    assert capture_values([_capture("it", "$.a")], reply(body)) == Captured({"it": None}, {"it": problem})


def test_a_null_that_is_there_was_found() -> None:
    assert capture_values([_capture("it", "$.a")], reply(b'{"a": null}')) == Captured({"it": None})


@pytest.mark.parametrize(
    ("body", "media_type", "charset"),
    [
        ('{"n": "José"}'.encode(), "text/plain", None),
        ('{"n": "José"}'.encode(), "application/x-amz-json-1.0", None),
        ('{"n": "José"}'.encode(), None, None),
        (b"\xef\xbb\xbf" + '{"n": "José"}'.encode(), "application/json", None),
        ('{"n": "José"}'.encode(), "application/json", "utf8mb4"),
        ('{"n": "José"}'.encode(), "application/json", "no-such-charset"),
        ('{"n": "José"}'.encode(), "application/json", "ISO-8859-1"),
        ('{"n": "José"}'.encode("latin-1"), "application/json", "ISO-8859-1"),
        ('{"n": "José"}'.encode("utf-16"), "application/json", "utf-16"),
    ],
)
def test_json_is_told_by_its_bytes(body: bytes, media_type: str | None, charset: str | None) -> None:
    assert capture_values([_capture("n", "$.n")], reply(body, media_type, charset)) == Captured({"n": "José"})


def test_a_bare_text_is_found_whole_and_not_read_again() -> None:
    captures = [_capture("all", "$"), _capture("inner", "$.a")]
    assert capture_values(captures, reply(b'"{\\"a\\": 1}"')) == Captured(
        {"all": '{"a": 1}', "inner": None}, {"inner": "not_found"}
    )


def test_a_number_alone_is_text_where_nobody_says_json() -> None:
    assert capture_values([_capture("it", "$")], reply(b"7", "text/plain")) == Captured(
        {"it": None}, {"it": "not_json"}
    )
    assert capture_values([_capture("it", "$")], reply(b"7", None)) == Captured({"it": 7})


@pytest.mark.parametrize(
    "path",
    [
        "",
        "ticket.id",
        "$.",
        "$.a | $.b",
        "$.a[?typeof(@.b) == 'string']",
        "$." + "a" * 600,
        "$[" * 200,
        "$[?@.a == 1e400]",
        "$[?@.a == -1e400]",
        "$[?@.a == 1.5e999]",
        "$[?@.a == 1e99999999999999999999]",
        "$[?@.a == 01]",
        "$[?@.a == -01]",
        "$[9007199254740993]",
        "$[1e400]",
        "$[?length(@.a) == 1e309]",
    ],
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
    assert capture_values([_capture("it", "$[*]")], reply(body)) == Captured({"it": list(range(1000))})


@pytest.mark.parametrize("path", ["$..*..*..*..x", "$..[?count(@..*) > 100000]", "$[?@..x]"])
def test_a_path_that_would_look_for_ever_finds_nothing(path: str) -> None:
    body = b'{"a":[' * 150 + b"1" + b"]}" * 150
    wide = b"[" + b",".join([body] * 100) + b"]"
    assert capture_values([_capture("it", path)], reply(wide)) == Captured({"it": None}, {"it": "too_large"})


def test_a_pattern_that_would_match_for_ever_finds_nothing() -> None:
    body = json.dumps([{"b": "a" * 5000}]).encode()
    assert capture_values([_capture("it", "$[?search(@.b, '(a|aa)+c')]")], reply(body)) == Captured(
        {"it": None}, {"it": "too_large"}
    )
