"""Every 422 says where the fault is in one dialect: JSON Pointers into the body, query:, header: and path: names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.service import Service

URL = "https://api.example.com/"
SECRET = {"name": "S", "value": "long-enough", "visibility": "masked"}
ROW_1 = ["/headers/1/name", "/headers/1/value"]
TWICE = "{{secrets.A}}{{secrets.A}}"
CALLS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/url"]),
    ({"url": "nowhere"}, ["/url"]),
    ({"url": f"{URL}{{{{"}, ["/url"]),
    ({"url": URL, "headers": [{"name": "A", "value": "x"}, {"name": "a b", "value": "x"}]}, ["/headers/1/name"]),
    ({"url": URL, "headers": [{"name": "Host", "value": "x"}]}, ["/headers/0/name"]),
    ({"url": URL, "headers": [{"name": "A", "value": TWICE}]}, ["/headers/0/value"]),
    (
        {"url": URL, "headers": [{"name": "A"}, {"value": 5}]},
        ["/headers/0/value", "/headers/1/name", "/headers/1/value"],
    ),
    ({"url": URL, "query": [{"name": "q", "value": "{{secrets.GONE}}"}]}, ["/query/0/value"]),
    ({"url": URL, "auth": {"type": "basic", "password": "{{"}}, ["/auth/password"]),
    ({"url": URL, "auth": {"type": "digest"}}, ["/auth/type"]),
    ({"url": URL, "body": {"type": "json", "content": {"a/b": [0, "{{"]}}}, ["/body/content/a~1b/1"]),
    ({"url": URL, "body": {"type": "form", "content": [{"name": "", "value": "x"}]}}, ["/body/content/0/name"]),
    ({"url": URL, "body": {"type": "text", "content": 5}}, ["/body/content"]),
    ({"url": URL, "captures": [{"name": "a", "path": "$"}, {"name": "b", "path": "b"}]}, ["/captures/1/path"]),
    ({"url": URL, "captures": [{"name": "a", "path": "$"}] * 2}, ["/captures/1/name"]),
    ({"url": f"{URL}{{{{a}}}}/{{{{b}}}}", "variables": {"a": "x"}}, ["/variables/b"]),
    ({"url": URL, "colour": "red"}, ["/colour"]),
]


@pytest.mark.parametrize(("call", "pointers"), CALLS)
def test_a_fault_in_a_call_is_pointed_at(
    service: Service, ws_path: str, call: dict[str, Any], pointers: list[str]
) -> None:
    flat = service.ask("POST", f"{ws_path}/calls", call)
    assert (flat.status_code, sorted(flat.json()["errors"])) == (422, pointers), flat.text
    within = [f"/call{pointer}" if not pointer.startswith("/variables") else pointer for pointer in pointers]
    wrapped = service.ask("POST", f"{ws_path}/calls/preview", {"call": call})
    assert (wrapped.status_code, sorted(wrapped.json()["errors"])) == (422, within), wrapped.text
    if within == pointers:  # only a run says what has no value
        return
    saved = service.ask("POST", f"{ws_path}/blocks", {"name": "x", "call": call})
    assert (saved.status_code, sorted(saved.json()["errors"])) == (422, within), saved.text


@pytest.mark.parametrize(
    ("method", "path", "body", "pointers"),
    [
        ("POST", "/calls", [], [""]),
        ("POST", "/calls", {"call": {"url": URL}, "variables": {"a": ["\x00"], "b": "x"}}, ["/variables/a"]),
        ("POST", "/secrets", {"name": "a b", "value": "x"}, ["/name", "/visibility"]),
        ("POST", "/secrets", {"name": "S", "value": "x", "visibility": "masked"}, ["/value"]),
        ("POST", "/secrets", SECRET | {"allowed_hosts": ["a.example", "*.com"]},
         ["/allowed_hosts/1"]),
        ("POST", "/secrets", SECRET | {"allowed_places": ["moon"]},
         ["/allowed_places/0"]),
        ("GET", "/variables?limit=0&colour=red", None, ["query:colour", "query:limit"]),
        ("GET", "/audit?cursor=made-up", None, ["query:cursor"]),
        ("GET", "/audit?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", None, ["query:to"]),
        ("PUT", "/members/no%20body", {"role": "editor"}, ["path:user"]),
        ("PUT", "/members/edda", {"role": "runtime"}, ["/role"]),
    ],
)  # fmt: skip
def test_a_fault_elsewhere_is_pointed_at(
    service: Service, ws_path: str, method: str, path: str, body: object, pointers: list[str]
) -> None:
    answer = service.ask(method, ws_path + path, body)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (422, pointers), answer.text
