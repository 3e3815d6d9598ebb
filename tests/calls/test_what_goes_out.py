"""Calls as the world's APIs want them: types, encodings and headers as they arrive at an upstream."""

from __future__ import annotations

import base64
import itertools
import json
from email.parser import BytesParser
from typing import Any

import pytest

from tests.support.actors import Workspace
from tests.support.service import Service, problem
from tests.support.upstream import Seen, Upstream

_numbers = itertools.count(1)
VALUE = "p&ss<w>\"o'rd-77"


@pytest.fixture(scope="module")
def ws_path(service: Service) -> str:
    workspace = Workspace.make(service)
    workspace.secret("AMP", VALUE, allowed_hosts=["127.0.0.1:1"])
    return workspace.path


def send(service: Service, ws_path: str, upstream: Upstream, path: str = "/", **call: Any) -> Seen:
    allowed = {"allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    assert service.ask("PATCH", f"{ws_path}/secrets/AMP", allowed, headers={"If-Match": "*"}).ok
    sent = {"method": "POST", "url": f"http://127.0.0.1:{upstream.port}{path}"} | call
    answer = service.ask("POST", f"{ws_path}/calls", sent)
    assert answer.status_code == 200, answer.text
    return upstream.seen[-1]


TYPED: list[Any] = [5, 2**70, -1, 1.5, True, False, None, ["a", "b"], {"k": 1, "l": [None]}, "5", "", "{{x}}"]


@pytest.mark.parametrize("value", TYPED, ids=repr)
def test_a_variable_keeps_its_type_where_it_stands_alone(
    service: Service, ws_path: str, upstream: Upstream, value: Any
) -> None:
    body = {"type": "json", "content": {"n": "{{n}}", "in": ["{{ n }}"]}}
    expected = {"n": value, "in": [value]}
    seen = send(service, ws_path, upstream, body=body, variables={"n": value})
    assert json.loads(seen.body) == expected
    assert json.dumps(json.loads(seen.body)) == json.dumps(expected)
    url = f"http://127.0.0.1:{upstream.port}/"
    block = {"name": "typed", "call": {"method": "POST", "url": url, "body": body, "variables": {"n": value}}}
    made = service.ask("POST", f"{ws_path}/blocks", block)
    assert made.json()["call"]["variables"] == {"n": value}
    assert service.ask("POST", f"{ws_path}/blocks/typed/run").status_code == 200
    assert json.loads(upstream.seen[-1].body) == expected
    assert service.ask("POST", f"{ws_path}/blocks/typed/run", {"variables": {"n": [0]}}).status_code == 200
    assert json.loads(upstream.seen[-1].body) == {"n": [0], "in": [[0]]}
    service.ask("DELETE", f"{ws_path}/blocks/typed?confirm=typed")
    kept = service.ask("POST", f"{ws_path}/variables", {"name": "n", "value": value})
    assert (kept.status_code, kept.json()["value"]) == (201, value), kept.text
    assert service.ask("GET", f"{ws_path}/variables/n").json()["value"] == value
    assert json.loads(send(service, ws_path, upstream, body=body).body) == expected
    other = service.ask("PATCH", f"{ws_path}/variables/n", {"value": [value]}, headers={"If-Match": "*"})
    assert other.json()["value"] == [value]
    assert json.loads(send(service, ws_path, upstream, body=body).body) == {"n": [value], "in": [[value]]}
    assert service.ask("DELETE", f"{ws_path}/variables/n").status_code == 204


def test_elsewhere_a_number_or_truth_is_text_and_anything_else_is_refused(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    header = [{"name": "X-A", "value": "{{n}}"}]
    for value, text in ((5, "5"), (2**70, str(2**70)), (True, "true"), (1.5, "1.5"), ("x", "x")):
        body = {"type": "json", "content": "n={{n}}"}
        seen = send(service, ws_path, upstream, "/{{n}}", headers=header, body=body, variables={"n": value})
        assert (seen.path, seen.header("X-A"), json.loads(seen.body)) == (f"/{text}", text, f"n={text}")
    others: tuple[Any, ...] = (None, [], {})
    for other in others:
        call = {"url": f"http://127.0.0.1:{upstream.port}/", "headers": header, "variables": {"n": other}}
        answer = service.ask("POST", f"{ws_path}/calls", call)
        assert problem(answer) == (422, "value_not_allowed_here")
        assert list(answer.json()["errors"]) == ["/headers/0/value"]


@pytest.mark.parametrize("value", [json.loads("[" * 21 + "]" * 21), {"a": "\x00"}, ["\ud800"], "x" * 65537])
def test_a_variable_that_is_too_deep_or_no_text_is_refused(service: Service, ws_path: str, value: Any) -> None:
    answer = service.ask("POST", f"{ws_path}/variables", {"name": "m", "value": value})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["/value"]


def test_xml_is_escaped_where_it_is_filled_in(service: Service, ws_path: str, upstream: Upstream) -> None:
    body = {"type": "xml", "content": "<a b='{{v}}'><p>{{secrets.AMP}}</p>&amp;</a>"}
    seen = send(service, ws_path, upstream, body=body, variables={"v": "</n><admin>1</admin>'"})
    assert seen.body.decode() == (
        "<a b='&lt;/n&gt;&lt;admin&gt;1&lt;/admin&gt;&apos;'><p>p&amp;ss&lt;w&gt;&quot;o&apos;rd-77</p>&amp;</a>"
    )
    assert seen.header("Content-Type") == "application/xml; charset=utf-8"


def test_bytes_go_out_as_bytes(service: Service, ws_path: str, upstream: Upstream) -> None:
    data = bytes(range(256))
    encoded = base64.b64encode(data).decode()
    seen = send(service, ws_path, upstream, body={"type": "base64", "content": encoded, "content_type": "image/png"})
    assert (seen.body, seen.header("Content-Type")) == (data, "image/png")
    seen = send(service, ws_path, upstream, body={"type": "base64", "content": "{{f}}"}, variables={"f": encoded})
    assert (seen.body, seen.header("Content-Type")) == (data, "application/octet-stream")
    part = {"name": "f", "value": encoded, "filename": "ü.bin", "content_type": "image/png", "encoding": "base64"}
    given = [{"name": "Content-Type", "value": "multipart/form-data"}]
    body = {"type": "multipart", "content": [part, {"name": "t", "value": "x"}]}
    seen = send(service, ws_path, upstream, body=body, headers=given)
    head = f"Content-Type: {seen.header('Content-Type')}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + seen.body).get_payload()
    assert [each.get_payload(decode=True) for each in parts] == [data, b"x"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "call",
    [
        {"body": {"type": "base64", "content": "no base64!"}},
        {"body": {"type": "multipart", "content": [{"name": "f", "value": "%", "encoding": "base64"}]}},
        {"body": {"type": "text", "content": "x", "content_type": "a/b"}},
        {"body": {"type": "json", "content": 1}, "headers": [{"name": "content-type", "value": "text/xml"}]},
        {"body": {"type": "json", "content": 1}, "headers": [{"name": "Content-Type", "value": "multipart/form-data"}]},
        {"body": {"type": "form", "content": []}, "headers": [{"name": "Content-Type", "value": "application/json"}]},
        {"body": {"type": "multipart", "content": []}, "headers": [{"name": "Content-Type", "value": "text/plain"}]},
        {"body": {"type": "xml", "content": ""}, "headers": [{"name": "Content-Type", "value": "application/json"}]},
        {"url": "https://a.example/{{+secrets.AMP}}"},
        {"query": [{"name": "a", "value": "{{+p}}"}]},
        {"timeout_seconds": 301},
    ],
)
def test_what_contradicts_itself_is_refused_when_it_is_saved(
    service: Service, ws_path: str, call: dict[str, Any]
) -> None:
    answer = service.ask("POST", f"{ws_path}/blocks", {"name": "x", "call": {"url": "https://a.example/"} | call})
    assert answer.status_code == 422, answer.text


def test_a_variable_of_several_segments_keeps_its_slashes(service: Service, ws_path: str, upstream: Upstream) -> None:
    seen = send(service, ws_path, upstream, "/browse/{{+p}}", variables={"p": "Build/my file.config"})
    assert seen.path == "/browse/Build/my%20file.config"
    for climbing in ("a/../b", "..", "./x", "a/%2e%2e/b"):
        call = {"url": "https://a.example/browse/{{+p}}", "variables": {"p": climbing}}
        answer = service.ask("POST", f"{ws_path}/calls/preview", call)
        if "%" in climbing:
            assert answer.json()["url"] == "https://a.example/browse/a/%252e%252e/b"
        else:
            assert problem(answer) == (422, "value_not_allowed_here")


@pytest.mark.parametrize("text", ["Done ✅", "José", "日本", "\U0001f600"])
def test_a_header_goes_out_as_utf8(service: Service, ws_path: str, upstream: Upstream, text: str) -> None:
    seen = send(service, ws_path, upstream, headers=[{"name": "X-A", "value": f"<{text}>"}])
    assert (seen.header("X-A") or "").encode("latin-1").decode() == f"<{text}>"


def test_a_body_may_be_large_and_a_call_long(service: Service, ws_path: str, upstream: Upstream) -> None:
    seen = send(
        service, ws_path, upstream, body={"type": "text", "content": "x" * 3 * 1024 * 1024}, timeout_seconds=300
    )
    assert len(seen.body) == 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("body_type", "media_type", "told"),
    [
        ("text", "application/json", True),
        ("text", " Application/vnd.api+json; charset=utf-8", True),
        ("text", "text/plain", False),
        ("text", "application/jsonlines", False),
        ("json", "application/json", False),
    ],
)
def test_a_text_that_says_it_is_json_is_told_among_the_problems(
    service: Service, ws_path: str, body_type: str, media_type: str, told: bool
) -> None:
    call = {
        "method": "POST",
        "url": "https://a.example/",
        "headers": [{"name": "content-type", "value": media_type}],
        "body": {"type": body_type, "content": '{"a": "{{v}}"}'},
    }
    made = service.ask("POST", f"{ws_path}/blocks", {"name": "raw", "call": call})
    assert made.status_code == 201, made.text
    problems = made.json()["problems"]
    others = [each["field"] for each in problems if each["code"] != "missing_variable"]
    assert others == (["/call/headers/0/value"] if told else [])
    assert service.ask("GET", f"{ws_path}/blocks/raw").json()["problems"] == problems
    service.ask("DELETE", f"{ws_path}/blocks/raw?confirm=raw")
