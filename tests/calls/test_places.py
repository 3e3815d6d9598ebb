"""What fills a field is encoded for the place it goes to, a secret's value and a variable's alike."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.support.service import Service
from tests.support.upstream import Seen, Upstream
from tests.support.vault_log import values_read

LATIN = 'a b+c/d?e&f=g%41"h\\i<j>;#k{{x}}ü'
ANY = LATIN + "€😀\r\n\t.."

Sent = Callable[[Seen], str | bytes | None]


def header(name: str) -> Sent:
    return lambda seen: seen.header(name)


def basic(seen: Seen) -> bytes:
    return base64.b64decode((seen.header("Authorization") or "").removeprefix("Basic "))


def body(seen: Seen) -> bytes:
    return seen.body


def part(seen: Seen) -> bytes:
    boundary = (seen.header("Content-Type") or "").partition("boundary=")[2].encode()
    return seen.body.split(b"--" + boundary)[1]


def utf8_header(name: str) -> Sent:
    return lambda seen: (seen.header(name) or "").encode("latin-1").decode()


# Where it stands, what fills it, and how it is to arrive.
PLACES: dict[str, tuple[dict[str, Any], str, Sent, Callable[[str], str | bytes]]] = {
    "path": ({"path": "/a/{}/b"}, ANY, lambda seen: seen.path, lambda text: f"/a/{quote(text, safe='')}/b"),
    "path-piece": ({"path": "/a.{}"}, ANY, lambda seen: seen.path, lambda text: f"/a.{quote(text, safe='')}"),
    "url-query": (
        {"path": "/?a=%2F&b={}&c"},
        ANY,
        lambda seen: seen.path,
        lambda text: f"/?a=%2F&b={quote(text, safe='')}&c",
    ),
    "query": (
        {"query": [{"name": "a b", "value": "x{}"}, {"name": "n", "value": "é&"}]},
        ANY,
        lambda seen: seen.path,
        lambda text: f"/?a%20b=x{quote(text, safe='')}&n=%C3%A9%26",
    ),
    "header": (
        {"headers": [{"name": "X-Key", "value": "Key {}."}]},
        LATIN + "€😀",
        utf8_header("X-Key"),
        lambda t: f"Key {t}.",
    ),
    "basic-user": (
        {"auth": {"type": "basic", "username": "{}", "password": "p:q"}},
        LATIN + "€😀",
        basic,
        lambda text: f"{text}:p:q".encode(),
    ),
    "basic-password": (
        {"auth": {"type": "basic", "username": "me", "password": "{}"}},
        LATIN + ":€😀",
        basic,
        lambda text: f"me:{text}".encode(),
    ),
    "json": (
        {"body": {"type": "json", "content": {"a": ["x {}", 1.5, None]}}},
        ANY,
        lambda seen: json.loads(seen.body)["a"][0],
        lambda text: f"x {text}",
    ),
    "json-whole": ({"body": {"type": "json", "content": "{}"}}, ANY, lambda seen: json.loads(seen.body), lambda t: t),
    "form": (
        {"body": {"type": "form", "content": [{"name": "a&", "value": "{}"}, {"name": "b", "value": "="}]}},
        ANY,
        body,
        lambda text: f"a%26={quote_plus(text)}&b=%3D".encode(),
    ),
    "text": ({"body": {"type": "text", "content": "<{}>"}}, ANY, body, lambda text: f"<{text}>".encode()),
    "multipart": (
        {"body": {"type": "multipart", "content": [{"name": 'q"', "value": "{}", "filename": "ü"}]}},
        ANY,
        part,
        lambda text: (
            '\r\nContent-Disposition: form-data; name="q%22"; filename="ü"\r\n\r\n'.encode() + text.encode() + b"\r\n"
        ),
    ),
}


def make_secret(service: Service, ws_path: str, upstream: Upstream, name: str, value: str, **more: object) -> None:
    made = {"name": name, "value": value, "visibility": "masked", "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    answer = service.ask("POST", f"{ws_path}/secrets", made | more, keep=False)
    assert answer.status_code == 201, answer.text


def written(upstream: Upstream, shape: dict[str, Any], template: str) -> dict[str, Any]:
    filled = json.loads(json.dumps({"path": "/", "method": "POST"} | shape).replace("{}", template))
    return filled | {"url": f"http://127.0.0.1:{upstream.port}{filled.pop('path')}"}


@pytest.mark.parametrize("kind", ["secret", "variable"])
@pytest.mark.parametrize("place", PLACES)
def test_what_fills_a_field_arrives_as_its_place_wants_it(
    service: Service, ws_path: str, upstream: Upstream, place: str, kind: str
) -> None:
    shape, value, sent, expected = PLACES[place]
    name = f"S{uuid.uuid4().hex[:8]}"
    call = written(upstream, shape, f"{{{{ secrets.{name} }}}}" if kind == "secret" else "{{it}}")
    if kind == "secret":
        make_secret(service, ws_path, upstream, name, value)
    else:
        call["variables"] = {"it": value}
    answer = service.ask("POST", f"{ws_path}/calls", call, keep=False)
    assert answer.status_code == 200, answer.text
    assert sent(upstream.seen[0]) == expected(value)
    assert kind == "variable" or value not in str(answer.json())


def test_every_field_of_a_call_can_hold_a_secret_of_its_own_each_read_once(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    fields = ("PATH", "URL_QUERY", "QUERY", "HEADER", "USER", "PASSWORD", "JSON_A", "JSON_B")
    values = {name: f"value-of-{name.lower()}-{uuid.uuid4().hex}" for name in fields}
    for name, value in values.items():
        make_secret(service, ws_path, upstream, name, value)
    call = {
        "method": "PUT",
        "url": f"http://127.0.0.1:{upstream.port}/{{{{secrets.PATH}}}}?a={{{{secrets.URL_QUERY}}}}",
        "query": [{"name": "b", "value": "{{secrets.QUERY}}"}, {"name": "c", "value": "{{secrets.QUERY}}"}],
        "headers": [{"name": "X-Key", "value": "{{secrets.HEADER}}"}],
        "auth": {"type": "basic", "username": "{{secrets.USER}}", "password": "{{secrets.PASSWORD}}"},
        "body": {"type": "json", "content": {"a": "{{secrets.JSON_A}}", "b": ["{{secrets.JSON_B}}"]}},
    }
    answer = service.ask("POST", f"{ws_path}/calls", call)
    assert answer.status_code == 200, answer.text
    seen = upstream.seen[0]
    assert seen.path == f"/{values['PATH']}?a={values['URL_QUERY']}&b={values['QUERY']}&c={values['QUERY']}"
    assert seen.header("X-Key") == values["HEADER"]
    assert basic(seen) == f"{values['USER']}:{values['PASSWORD']}".encode()
    assert json.loads(seen.body) == {"a": values["JSON_A"], "b": [values["JSON_B"]]}
    assert not re.search("value-of-", answer.text)
    assert sorted(path for path in values_read(service, ws_path) if path.removeprefix("masked/") in fields) == sorted(
        f"masked/{name}" for name in fields
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_goes_to_its_allowed_places_alone(
    service: Service, ws_path: str, upstream: Upstream, place: str
) -> None:
    shape, _value, _sent, _expected = PLACES[place]
    mine = {"url-query": "query", "json-whole": "body", "header": "header:X-Key", "path-piece": "path"}
    mine |= {"basic-user": "basic", "basic-password": "basic"} | dict.fromkeys(
        ("json", "form", "text", "multipart"), "body"
    )
    for allowed in ("path", "query", "header:X-Key", "basic", "body"):
        name = f"S{uuid.uuid4().hex[:8]}"
        make_secret(service, ws_path, upstream, name, "abcdefgh", allowed_places=[allowed])
        call = written(upstream, shape, f"{{{{secrets.{name}}}}}")
        saved = service.ask("POST", f"{ws_path}/blocks", {"name": f"b{uuid.uuid4().hex}", "call": call})
        upstream.seen.clear()
        ran = service.ask("POST", f"{ws_path}/calls", call)
        if mine.get(place, place) == allowed:
            assert (saved.status_code, ran.status_code) == (201, 200), ran.text
        else:
            assert (saved.status_code, saved.json()["code"]) == (403, "place_not_allowed")
            assert (ran.status_code, ran.json()["code"]) == (403, "place_not_allowed")
            assert upstream.seen == []
