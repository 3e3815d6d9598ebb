"""Headers that another machine on the way would read otherwise; answers that would pass for the next call's."""

from __future__ import annotations

import pytest

from tests.attacks.conftest import Stage
from tests.support.service import problem


@pytest.mark.parametrize(
    "name",
    [
        "Host", "host", "Content-Length", "content_length", "Transfer-Encoding", "transfer_encoding", "Connection",
        "Keep-Alive", "TE", "Trailer", "Expect", "Upgrade", "Range", "If-Range", "Accept-Encoding", "Proxy-Connection",
        "Proxy-Authorization", "X-Forwarded-For", "X_Forwarded_Host", "Forwarded", "Via",
        "Host ", " Host", "X Y", "X:Y", "X\r\nHost", "X\nY", "X\x00", "Höst", "", "X(Y)",
    ],
)  # fmt: skip
def test_a_header_that_rules_the_connection_can_not_be_set(stage: Stage, name: str) -> None:
    answer = stage.call(headers=[{"name": name, "value": "1"}])
    assert answer.status_code == 422
    assert problem(answer)[1] in ("header_not_allowed", "validation_failed")
    assert stage.upstream.seen == []


@pytest.mark.parametrize("twin", ["authorization", "AUTHORIZATION", "Authorization"])
def test_no_header_goes_twice(stage: Stage, twin: str) -> None:
    pair = [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}, {"name": twin, "value": "x"}]
    assert problem(stage.call(headers=pair)) == (422, "header_not_allowed")
    pair = [{"name": "X-Key", "value": "a"}, {"name": "x_key", "value": "b"}]
    assert problem(stage.call(headers=pair)) == (422, "header_not_allowed")
    auth = {"type": "basic", "username": "a", "password": "b"}
    assert problem(stage.call(headers=[{"name": twin, "value": "x"}], auth=auth)) == (422, "header_not_allowed")
    assert stage.upstream.seen == []


@pytest.mark.parametrize("break_", ["\r\nX-Evil: 1", "\n\nGET / HTTP/1.1", "\r", "\x00"])
def test_no_line_break_gets_into_a_header(stage: Stage, break_: str) -> None:
    written = stage.call(headers=[{"name": "X-A", "value": f"a{break_}"}])
    assert written.status_code == 422
    filled = stage.call(headers=[{"name": "X-A", "value": "{{it}}"}], variables={"it": f"a{break_}"})
    assert problem(filled) == (422, "value_not_allowed_here")
    if "\x00" not in break_:
        name = f"BREAK_{ord(break_[0])}_{len(break_)}"
        stage.add(name, f"canary-1234{break_}5678")
        secret = stage.call(headers=[{"name": "X-A", "value": "{{secrets." + name + "}}"}])
        assert problem(secret) == (422, "value_not_allowed_here")
    assert stage.upstream.seen == []


def test_spaces_that_a_header_would_lose_are_refused_since_what_is_left_is_no_whole_value(stage: Stage) -> None:
    stage.add("SPACED", "canary-99d1 ")
    answer = stage.call(headers=[{"name": "X-A", "value": "{{secrets.SPACED}}"}])
    assert problem(answer) == (422, "value_not_allowed_here")
    assert stage.upstream.seen == []


def test_no_line_break_gets_into_the_request_line_or_a_parts_head(stage: Stage) -> None:
    answer = stage.call("/{{it}}", query=[{"name": "q", "value": "{{it}}"}], variables={"it": "a HTTP/1.1\r\nX: y"})
    assert answer.status_code == 200
    seen = stage.upstream.seen.pop()
    assert seen.header("X") is None
    assert seen.path == "/a%20HTTP%2F1.1%0D%0AX%3A%20y?q=a%20HTTP%2F1.1%0D%0AX%3A%20y"
    part = {"name": 'a"\r\nX: y', "value": "v"}
    assert stage.call(body={"type": "multipart", "content": [part]}).status_code == 422
    assert stage.upstream.seen == []


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" * 3, b""]
)
@pytest.mark.parametrize("after", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nqueued", b"\r\n\r\n", b""])
def test_an_answer_that_was_not_asked_for_is_nobodys(stage: Stage, before: bytes, after: bytes) -> None:
    def script(handler: object) -> None:
        raw = before + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nmine" + after
        handler.wfile.write(raw)  # type: ignore[attr-defined]  # the connection stays open

    stage.upstream.scripts["/poisoned"] = script
    stage.upstream.scripts["/next"] = lambda h: h.answer(b"the next", headers={"Content-Type": "text/plain"})
    assert stage.call("/poisoned").json()["body"]["content"] == "mine"
    assert stage.call("/next").json()["body"]["content"] == "the next"
