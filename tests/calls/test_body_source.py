"""Bodies as their author spelled them: what goes out is the text, what is filled in is escaped for its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.calls.body_source import read_form_source, read_json_source
from app.calls.definition import Pair, WrittenCall, as_json, from_json
from app.calls.schemas import CallBody
from app.calls.template import parse_call, resolve
from app.kernel.errors import ValidationFailed
from app.kernel.secret import SecretValue
from app.outbound.inject import inject
from app.web.body import load

URL = "https://api.example.com/v1"
OTHER = "It says something else than the content: change both, or leave it out."
SECRET = 'a/b "c" & d=é%+'


def call_of(kind: str, source: str, **more: Any) -> WrittenCall:
    call: WrittenCall = load(
        CallBody(), {"method": "POST", "url": URL, "body": {"type": kind, "source": source, **more}}
    )
    return call


def sent(call: WrittenCall, **variables: object) -> str:
    template = parse_call(from_json(as_json(call)))
    values = {name: SecretValue(SECRET) for name in template.secrets}
    return (inject(resolve(template, variables), values).body or b"").decode()


@pytest.mark.parametrize(
    ("source", "variables", "expected"),
    [
        ('{ "n": 1.10,\n\t"big": 1E3 , "u": "\\u00e9\\/" }', {}, '{ "n": 1.10,\n\t"big": 1E3 , "u": "\\u00e9\\/" }'),
        ('{"t" : "{{secrets.T}}"}', {}, f'{{"t" : {json.dumps(SECRET, ensure_ascii=False)}}}'),
        ('["\\u00e9 {{name}} \\/"]', {"name": 'a"b\\'}, '["\\u00e9 a\\"b\\\\ \\/"]'),
        ('[ "{{n}}",  "{{n}} "]', {"n": 7}, '[ 7,  "7 "]'),
        ('[ "{{n}}" ]', {"n": {"a": ["{{no}}"]}}, '[ {"a": ["{{no}}"]} ]'),
        (r'["{{\"{{\"}}not}} {{n}}"]', {"n": "1"}, '["{{not}} 1"]'),
        ('"{{n}}"', {"n": "x"}, '"x"'),
        (' null ', {}, ' null '),
    ],
)  # fmt: skip
def test_json_goes_out_as_it_is_spelled(source: str, variables: dict[str, object], expected: str) -> None:
    assert sent(call_of("json", source), **variables) == expected


@pytest.mark.parametrize(
    ("source", "variables", "expected"),
    [
        ("a=b c&&d=%7e&flag&e=", {}, "a=b c&&d=%7e&flag&e="),
        ("t={{secrets.T}}&u=1", {}, "t=a/b+%22c%22+%26+d=%C3%A9%25%2B&u=1"),
        ("a=x y {{n}}%7e", {"n": "p&q=r;s"}, "a=x y p%26q=r%3Bs%7e"),
        ('a={{"{{"}}x}}', {}, "a={{x}}"),
        ("", {}, ""),
    ],
)
def test_a_form_goes_out_as_it_is_spelled(source: str, variables: dict[str, object], expected: str) -> None:
    assert sent(call_of("form", source), **variables) == expected


def test_the_content_that_a_source_says_may_come_along_and_is_shown() -> None:
    call = call_of("json", '{ "b": 1.0, "a": [true] }', content={"a": [True], "b": 1.0})
    assert as_json(call)["body"] == {
        "type": "json", "content": {"a": [True], "b": 1.0}, "source": '{ "b": 1.0, "a": [true] }',
    }  # fmt: skip
    assert call_of("form", "a=1+2&b", content={"a": "1 2", "b": ""}).content == (Pair("a", "1 2"), Pair("b", ""))


@pytest.mark.parametrize(
    ("kind", "source", "more", "sentence"),
    [
        ("json", "{", {}, "It can't be read as JSON."),
        ("json", '{"a": 1, "a": 2}', {}, "It can't be read as JSON."),
        ("json", "[" * 100_000, {}, "It can't be read as JSON."),
        ("json", "NaN", {}, "It can't be read as JSON."),
        ("json", '{"a": 1}', {"content": {"a": True}}, OTHER),
        ("form", "=a", {}, "It can't be read as a form."),
        ("form", "a=%ff", {}, "It can't be read as a form."),
        ("form", "a=1", {"content": {"a": "2"}}, OTHER),
        ("text", "a", {"content": "a"}, "Allowed only in a json or form body."),
        ("json", "[]\x00", {}, "Must be Unicode text without NUL."),
    ],
)  # fmt: skip
def test_a_source_that_says_something_else_is_refused(
    kind: str, source: str, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        call_of(kind, source, **more)
    assert {str(field): list(told) for field, told in (caught.value.errors or {}).items()} == {
        "/body/source": [sentence]
    }


@pytest.mark.parametrize(
    ("kind", "source"), [("json", r'["\u007b{secrets.T}}"]'), ("form", "a=%7b{secrets.T}}"), ("form", "a=%7B%7Bn}}")]
)
def test_braces_that_are_escaped_make_no_template_by_a_back_door(kind: str, source: str) -> None:
    with pytest.raises(ValidationFailed, match="braces of a template without escapes"):
        parse_call(call_of(kind, source))


def test_two_secrets_in_one_string_are_refused_as_anywhere() -> None:
    with pytest.raises(Exception, match="more than one secret"):
        parse_call(call_of("json", '["{{secrets.A}}{{secrets.B}}"]'))


def test_what_a_source_says() -> None:
    assert read_json_source('{"a": [1, "x"]}') == {"a": [1, "x"]}
    assert read_form_source("a=b+c&&d") == (Pair("a", "b c"), Pair("d", ""))
