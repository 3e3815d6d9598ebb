"""An upstream packs the value: compressed, padded, cut into chunks, or under a length or coding that is a lie."""

from __future__ import annotations

import gzip

import brotli
import pytest
import zstandard

from tests.attacks.conftest import Stage, holds
from tests.support.echoes import CODINGS
from tests.support.service import problem
from tests.support.upstream import Script

LIMIT = 10 * 1024 * 1024


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_it_is_taken_out_however_it_is_packed_and_cut(stage: Stage, coding: str, size: int) -> None:
    packed = CODINGS[coding](b"<" + stage.token.encode() + b">")
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    stage.upstream.scripts["/"] = lambda h: h.answer_in_chunks(
        pieces, {"Content-Type": "text/plain", "Content-Encoding": coding}
    )
    answer = stage.call().json()
    assert answer["body"] == {"type": "text", "content": "<[redacted:TOKEN]>"}
    assert "content-encoding" not in {header["name"].lower() for header in answer["headers"]}


def test_a_value_at_the_limit_is_taken_out_before_anything_is_cut_off(stage: Stage) -> None:
    # What comes over the wire is over the limit; what is left is under it.
    raw = stage.token.encode()
    body = b"x" * (LIMIT - 2000) + raw * 100
    stage.upstream.scripts["/"] = lambda h: h.answer(body, headers={"Content-Type": "text/plain"})
    answer = stage.call()
    assert answer.status_code == 200
    assert answer.json()["redactions"] == 100
    assert not holds(answer, stage.token)


@pytest.mark.parametrize("size", [LIMIT + 1, 11 * 1024 * 1024])
def test_what_is_too_large_is_refused_whole(stage: Stage, size: int) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer(stage.token.encode() + b"x" * size)
    answer = stage.call()
    assert problem(answer) == (502, "response_too_large")
    assert not holds(answer, stage.token)


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(64 << 20), 1)),
        ("br", brotli.compress(bytes(64 << 20), quality=1)),
        ("zstd", zstandard.compress(bytes(64 << 20))),
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(64 << 20), 1))),
    ],
    ids=["gzip", "br", "zstd", "gzip in gzip"],
)
def test_a_bomb_ends_at_the_limit(stage: Stage, coding: str, bomb: bytes) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer(bomb, headers={"Content-Encoding": coding})
    assert problem(stage.call()) == (502, "response_too_large")


def _lies(raw: bytes) -> dict[str, tuple[Script, str]]:
    return {
        "unknown coding": (lambda h: h.answer(raw, headers={"Content-Encoding": "x-rot13"}), "response_not_readable"),
        "no gzip": (lambda h: h.answer(raw, headers={"Content-Encoding": "gzip"}), "response_not_readable"),
        "cut zstd": (
            lambda h: h.answer(zstandard.compress(raw * 9)[:-4], headers={"Content-Encoding": "zstd"}),
            "response_not_readable",
        ),
        "length too long": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + raw),
            "upstream_protocol",
        ),
        "two lengths": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n" + raw),
            "upstream_protocol",
        ),
        "bad chunk": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + raw),
            "upstream_protocol",
        ),
        "cut in a chunk": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + raw),
            "upstream_protocol",
        ),
        "reset": (lambda h: h.reset(), "upstream_protocol"),
        "endless header": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n" + raw),
            "response_too_large",
        ),
        "many headers": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12_000 + b"\r\n" + raw),
            "response_too_large",
        ),
        "large headers": (
            lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 9 + b"\r\n" + raw),
            "response_too_large",
        ),
    }


@pytest.mark.parametrize("lie", _lies(b""))
def test_a_lie_is_refused_and_nothing_of_it_shown(stage: Stage, lie: str) -> None:
    stage.upstream.scripts["/"], code = _lies(stage.token.encode())[lie]
    answer = stage.call()
    assert problem(answer) == (502, code)
    assert answer.json()["party"] == "upstream"
    assert not holds(answer, stage.token)


def test_what_follows_a_gzip_member_is_dropped(stage: Stage) -> None:
    raw = stage.token.encode()
    stage.upstream.scripts["/"] = lambda h: h.answer(gzip.compress(b"all") + raw, headers={"Content-Encoding": "gzip"})
    answer = stage.call()
    assert (answer.status_code, answer.json()["body"]["content"]) == (200, "all")
    assert not holds(answer, stage.token)


def test_hundreds_of_short_headers_are_read(stage: Stage) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, stage.token.encode()) for number in range(300))
    stage.upstream.scripts["/"] = lambda h: h.answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines + b"\r\n")
    answer = stage.call()
    assert (answer.status_code, answer.json()["redactions"]) == (200, 300)
    assert not holds(answer, stage.token)
