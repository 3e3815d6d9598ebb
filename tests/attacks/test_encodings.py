"""An upstream gives the value back in another spelling, another charset, or with other values around it."""

from __future__ import annotations

import base64
import json

import pytest

from tests.attacks.conftest import Stage, holds
from tests.support.echoes import ECHOES
from tests.support.upstream import Handler


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("media_type", ["application/json", "text/html", "application/octet-stream"])
def test_every_spelling_is_taken_out(stage: Stage, echo: str, media_type: str) -> None:
    form = ECHOES[echo](stage.token)
    body = b'{"a":  "' + form + b'"    }'
    stage.upstream.scripts["/"] = lambda h: h.answer(body, headers={"Content-Type": media_type})
    answer = stage.call()
    content = answer.json()["body"]
    raw = base64.b64decode(content["content"]) if content["type"] == "base64" else json.dumps(content).encode()
    assert form not in raw
    assert not holds(answer, stage.token)
    assert answer.json()["redactions"] == 1


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        ("utf-16", "käse-canary"), ("utf-32-be", "käse-canary"), ("windows-1252", "käse-canary"),
        ("iso-8859-15", "käse-canary"), ("gb18030", "käse-日本-canary"), ("shift_jis", "日本-canary"),
        ("big5", "日本-canary"),
    ],
)  # fmt: skip
def test_every_charset_that_is_read_is_looked_through(stage: Stage, charset: str, value: str) -> None:
    name = "C_" + charset.replace("-", "_")
    stage.add(name, value)
    body = f"before {value} after".encode(charset)
    stage.upstream.scripts["/"] = lambda h: h.answer(body, headers={"Content-Type": f"text/plain; charset={charset}"})
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets." + name + "}}"})
    assert answer.json()["body"]["content"].strip("\ufeff") == f"before [redacted:{name}] after"


def test_several_values_are_all_taken_out_the_longer_first(stage: Stage) -> None:
    stage.add("SHORT", "canary-12345")
    stage.add("LONG", "canary-12345-and-more")

    def script(handler: Handler) -> None:
        handler.answer(handler.seen.body, headers={"Content-Type": "text/plain"})

    stage.upstream.scripts["/"] = script
    sent = {name: "{{secrets." + name + "}}" for name in ("SHORT", "LONG", "TOKEN")}
    answer = stage.call(headers=[], body={"type": "form", "content": sent}).json()
    assert answer["body"]["content"] == "SHORT=[redacted:SHORT]&LONG=[redacted:LONG]&TOKEN=[redacted:TOKEN]"
    assert answer["redactions"] == 3
