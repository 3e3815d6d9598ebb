"""An upstream gives the value back wherever an answer has a place for it."""

from __future__ import annotations

import json

import pytest

from tests.attacks.conftest import Stage, holds
from tests.support.service import problem
from tests.support.upstream import Script


def _latin(value: str) -> str:
    return value.encode().decode("latin-1")  # a header's bytes as they are


def _places(value: str) -> dict[str, Script]:
    raw = value.encode()
    length = b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)
    return {
        "header": lambda h: h.answer(b"{}", headers={"X-Echo": f"<{_latin(value)}>"}),
        "cookie": lambda h: h.answer(b"{}", headers={"Set-Cookie": f"s={_latin(value)}; Path=/"}),
        "location": lambda h: h.answer(b"{}", 302, {"Location": f"/?t={_latin(value)}"}),
        "content type": lambda h: h.answer(b"{}", headers={"Content-Type": f"text/plain; boundary={_latin(value)}"}),
        "body": lambda h: h.answer(json.dumps({"a": [value]}).encode()),
        "name in json": lambda h: h.answer(json.dumps({value: 1}).encode()),
        "error body": lambda h: h.answer(raw, 500, {"Content-Type": "text/html"}),
        "binary body": lambda h: h.answer(b"\xff\xfe\x00" + raw, 404, {"Content-Type": "image/png"}),
        "status reason": lambda h: h.answer_raw(b"HTTP/1.1 200 " + raw + b"\r\n" + length),
        "folded header": lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nX-Echo: a\r\n " + raw + b"\r\n" + length),
        "early hints": lambda h: h.answer_raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: " + raw + b"\r\n\r\nHTTP/1.1 200 OK\r\n" + length
        ),
        "trailer": lambda h: h.answer_in_chunks([raw], trailers=b"X-Echo: " + raw + b"\r\n"),
        "no http": lambda h: h.answer_raw(raw + b"\r\n\r\n"),
        "broken header": lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\n" + raw + b"\r\nA: b\r\n" + length),
    }


@pytest.mark.parametrize("place", _places(""))
def test_the_value_is_taken_out_of_it(stage: Stage, place: str) -> None:
    stage.upstream.scripts["/echo"] = _places(stage.token)[place]
    answer = stage.call("/echo")
    assert not holds(answer, stage.token)
    assert len(stage.upstream.seen) == 1
    if place in ("no http", "broken header"):
        assert problem(answer) == (502, "upstream_protocol")
    else:
        assert answer.status_code == 200
        assert answer.json()["redactions"] >= (place != "early hints" or 1)


def test_status_reason_and_trailers_are_not_part_of_an_answer(stage: Stage) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer_in_chunks([b"{}"], trailers=b"X-Late: yes\r\n")
    answer = stage.call()
    assert "X-Late" not in answer.text
    assert set(answer.json()) == {"call_id", "status", "headers", "body", "captures", "redactions", "elapsed_ms"}


def test_a_headers_name_is_looked_at_too(stage: Stage) -> None:
    stage.add("WORD", "canary-77c1f0e2")
    stage.upstream.scripts["/"] = lambda h: h.answer(b"{}", headers={"X-canary-77c1f0e2-Y": "1"})
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets.WORD}}"}).json()
    assert "X-[redacted:WORD]-Y" in {header["name"] for header in answer["headers"]}


def test_a_header_is_looked_at_as_one_line(stage: Stage) -> None:
    stage.add("WORDS", "canary of two words")
    raw = b"HTTP/1.1 200 OK\r\nX-Echo: canary \r\n\tof\r\n two words\r\nContent-Length: 2\r\n\r\n{}"
    stage.upstream.scripts["/"] = lambda h: h.answer_raw(raw)
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets.WORDS}}"}).json()
    assert {"name": "X-Echo", "value": "[redacted:WORDS]"} in answer["headers"]


def test_a_header_that_holds_a_value_across_its_colon_is_left_out(stage: Stage) -> None:
    stage.add("PAIR", "X-Canary: 5f1e9a7c")
    stage.upstream.scripts["/"] = lambda h: h.answer(b"{}", headers={"X-Canary": "5f1e9a7c", "X-Other": "1"})
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets.PAIR}}"}).json()
    names = {header["name"] for header in answer["headers"]}
    assert ("X-Canary" in names, "X-Other" in names) == (False, True)
    assert answer["redactions"] == 1


def test_what_measures_the_original_is_left_out_with_it(stage: Stage) -> None:
    measures = {
        "ETag": '"1"', "Digest": "sha-256=x", "Content-MD5": "x", "Repr-Digest": "x", "X-Amz-Checksum-Sha256": "x",
        "x-goog-hash": "crc32c=x", "X-Checksum-Sha1": "x",
    }  # fmt: skip
    stage.upstream.scripts["/"] = lambda h: h.answer(stage.token.encode(), headers=measures)
    shown = {header["name"] for header in stage.call().json()["headers"]}
    assert not shown & {*measures, "Content-Length"}
    stage.upstream.scripts["/"] = lambda h: h.answer(b"nothing", headers=measures)
    shown = {header["name"] for header in stage.call().json()["headers"]}
    assert shown >= {*measures, "Content-Length"}
