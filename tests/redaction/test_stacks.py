"""Any value, under up to four layers of whatever kind, is one place."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor

VALUE = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
LARGEST = 12_000
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+="


def _csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(["id", text])
    return out.getvalue()


def _escape(text: str) -> str:
    return "".join(f"\\{char}" if char in "-./+=:;,{}[]\"'\\" else char for char in text)


ENCODERS: dict[str, Callable[[str], str]] = {
    "json": lambda v: json.dumps({"data": v}),
    "php": lambda v: json.dumps([v]).replace("/", "\\/"),
    "backslash": _escape,
    "repr": repr,
    "percent": lambda v: quote(v, safe=""),
    "html": html.escape,
    "csv": _csv,
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64url": lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="),
    "base64 in lines": lambda v: base64.encodebytes(v.encode()).decode(),
    "base64 of a document": lambda v: base64.b64encode(f"user:{v};".encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "list": lambda v: json.dumps(list(v.encode())),
    "characters": lambda v: json.dumps(list(v)),
    "keyed": lambda v: json.dumps(dict(enumerate(v))),
    "units": lambda v: "".join(f"\\u{ord(char):04x}" for char in v),
}
STACKS = st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=4)


def _pile(value: str, stack: list[str]) -> str:
    for each in stack:
        value = ENCODERS[each](value)
        if len(value) > LARGEST:
            break  # what is larger costs too much for a quick test: fewer layers are tried
    return value


@settings(max_examples=60, deadline=None, derandomize=True)
@given(value=st.text(LETTERS, min_size=20, max_size=40), stack=STACKS)
def test_any_value_under_any_stack_of_layers_is_found(value: str, stack: list[str]) -> None:
    assume(len(set(value)) > 8)
    body = _pile(value, stack).encode()
    out, count = Redactor({"V": SecretValue(value)}).body(body)
    assert count >= 1
    assert out != body


@pytest.mark.parametrize(
    "stack",
    [
        ["keyed", "csv"],
        ["keyed", "csv", "base64url"],
        ["keyed", "csv", "html", "base64"],
        ["list", "characters", "csv", "base64 of a document"],
        ["keyed", "base64 in lines", "backslash"],
        ["keyed", "base64 in lines", "json"],
        ["hex", "base64 in lines", "json"],
        ["units", "base64 in lines", "percent"],
    ],
    ids=" in ".join,
)
def test_lists_in_csv_and_packings_within_escaped_lines_are_found(stack: list[str]) -> None:
    assert Redactor({"V": SecretValue(VALUE)}).body(_pile(VALUE, stack).encode())[1] == 1


def test_numbers_by_keys_in_csv_are_found() -> None:
    body = _csv(json.dumps({str(at): code for at, code in enumerate(VALUE.encode())})).encode()
    assert Redactor({"V": SecretValue(VALUE)}).body(body)[1] == 1
