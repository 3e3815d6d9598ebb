"""An answer quotes what was quoted before, as servers do that put the body they got into a document of their own."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor
from tests.attacks.conftest import Stage

TOK = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
SLASH = "wJalr/FXUtn+EMI/K7="
LINES = [base64.b64encode(bytes((n * 53 + m * 17) % 256 for m in range(48))).decode() for n in range(1, 5)]
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""))
VALUES = {"tok": TOK, "slash": SLASH, "pem": PEM}


def _json(text: str) -> str:
    return json.dumps({"data": text})


def _php(text: str) -> str:
    """PHP's ``json_encode`` escapes a slash, too."""
    return _json(text).replace("/", "\\/")


def _csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(["id", text])
    return out.getvalue()


def _in_lines(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


LAYERS: dict[str, Callable[[str], str]] = {
    "JSON in JSON": lambda v: _json(_json(v)),
    "JSON in JSON in JSON": lambda v: _json(_json(_json(v))),
    "PHP's JSON": _php,
    "PHP's JSON in PHP's JSON": lambda v: _php(_php(v)),
    "PHP's JSON in JSON in PHP's JSON": lambda v: _php(_json(_php(v))),
    "percent twice": lambda v: quote(quote(v, safe=""), safe=""),
    "percent three times": lambda v: quote(quote(quote(v, safe=""), safe=""), safe=""),
    "a form in a form": lambda v: quote_plus("data=" + quote_plus(v)),
    "HTML twice": lambda v: html.escape(html.escape(f'"{v}"')),
    "HTML by numbers, twice": lambda v: html.escape("".join(f"&#{ord(char)};" for char in v)),
    "percent in HTML in JSON": lambda v: _json(html.escape(quote(v, safe=""))),
    "a list of numbers": lambda v: json.dumps(list(v.encode())),
    "a list of numbers over lines": lambda v: json.dumps(list(v.encode()), indent=2),
    "a list of numbers in JSON": lambda v: _json(json.dumps(list(v.encode()))),
    "a list of characters": lambda v: json.dumps(list(v)),
    "base64 in lines of 76": _in_lines,
    "base64 in lines of 76 in JSON": lambda v: _json(_in_lines(v)),
    "base64 of JSON in JSON": lambda v: _json(base64.b64encode(_json(v).encode()).decode()),
    "JSON in CSV": lambda v: _csv(_json(v)),
    "CSV in JSON": lambda v: _json(_csv(_json(v))),
    "a backslash before punctuation": lambda v: re.sub(r"([^\w\s])", r"\\\1", v),
    "a backslash before punctuation, in JSON": lambda v: _json(re.sub(r"([^\w\s])", r"\\\1", v)),
    "Python's repr of JSON": lambda v: repr(_json(v).encode()),
    "Python's repr of JSON in JSON": lambda v: _json(repr(_json(v))),
    "a header's pair in JSON in JSON": lambda v: _json(_json("Basic " + base64.b64encode(f"me:{v}".encode()).decode())),
}
THROUGH_THE_SERVICE = (
    "JSON in JSON in JSON",
    "PHP's JSON in PHP's JSON",
    "percent twice",
    "HTML twice",
    "a list of numbers",
    "base64 in lines of 76 in JSON",
    "JSON in CSV",
    "a backslash before punctuation",
    "Python's repr of JSON in JSON",
)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_value_under_more_than_one_layer_is_one_place(layer: Callable[[str], str], value: str) -> None:
    body = layer(value)
    out, count = Redactor({"TOKEN": SecretValue(value)}).body(b"<p> " + body.encode() + b" </p>")
    assert count == 1
    assert out.startswith(b"<p> ")
    assert out.endswith(b" </p>")
    assert len(out) < len(body) - len(value) + 60  # nothing of it is left beside the marker


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_value_with_another_last_character_stays(layer: Callable[[str], str]) -> None:
    body = layer(TOK[:-1] + "D").encode()
    assert Redactor({"TOKEN": SecretValue(TOK)}).body(body) == (body, 0)


def test_letters_that_only_windows_knows_are_found_in_shift_jis(stage: Stage) -> None:
    value = "①鍵-9f3K7q-髙橋-Zr2Wm"
    stage.add("SHIFTED", value)
    body = f"<p>{value}</p>".encode("cp932")
    stage.upstream.scripts["/"] = lambda h: h.answer(body, headers={"Content-Type": "text/html; charset=Shift_JIS"})
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets.SHIFTED}}"}).json()
    assert (answer["redactions"], answer["body"]["content"]) == (1, "<p>[redacted:SHIFTED]</p>")


@pytest.mark.parametrize("which", VALUES)
def test_no_layer_brings_a_value_out_of_the_service(stage: Stage, which: str) -> None:
    value, name = VALUES[which], f"LAYERED_{which.upper()}"
    stage.add(name, value, visibility="restricted", allowed_places=["body"])
    for layer in THROUGH_THE_SERVICE:
        body = LAYERS[layer](value).encode()
        stage.upstream.scripts["/"] = lambda h, body=body: h.answer(body, headers={"Content-Type": "text/plain"})  # type: ignore[misc]
        answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
        assert answer.status_code == 200
        assert (layer, answer.json()["redactions"]) == (layer, 1)
        assert body.decode() not in answer.json()["body"]["content"]
