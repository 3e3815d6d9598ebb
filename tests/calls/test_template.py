"""A call's fields, parsed once: where each fault is, what a call carries, and what variables make of it."""

from __future__ import annotations

from typing import Any

import pytest

from app.calls.definition import Pair, WrittenCall, WrittenPart, as_json, from_json
from app.calls.template import CallTemplate, parse_call, resolve
from app.kernel.errors import (
    CallerError,
    DestinationNotAllowed,
    HeaderNotAllowed,
    MissingVariable,
    OneSecretPerField,
    StrongroomError,
    TemplateNotAllowed,
    ValidationFailed,
    ValueNotAllowedHere,
)
from app.outbound.model import (
    BytesBody,
    Call,
    Filled,
    FormBody,
    JsonBody,
    MultipartBody,
    NoBody,
    Origin,
    Slot,
    Text,
    TextBody,
    XmlBody,
)

URL = "https://api.example.com/v1"


def written(**more: Any) -> WrittenCall:
    whole: dict[str, Any] = {"method": "POST", "url": URL} | more
    return WrittenCall(**whole)


def parse(**more: Any) -> CallTemplate:
    return parse_call(written(**more))


def fill(variables: dict[str, object], **more: Any) -> Call:
    return resolve(parse(**more), variables)


def fault(error: type[StrongroomError], **more: Any) -> tuple[str, str]:
    """Return where a call is refused, and the sentence that stands there."""
    with pytest.raises(error) as caught:
        parse(**more)
    ((where, (sentence,)),) = (caught.value.errors or {}).items()
    return str(where), sentence


WHOLE = written(
    url="https://API.example.com:8443/a/{{p}}?x=1&k={{secrets.URL}}&flag",
    headers=(Pair("X-A", "{{secrets.HEAD}}"), Pair("X-B", "{{h}}")),
    query=(Pair("q", "{{secrets.QUERY}}"),),
    basic=("{{u}}", "{{secrets.PW}}"),
    body_type="json",
    content={"a": ["{{b}}", 1, {"c": "{{secrets.BODY}}"}]},
    captures=(("id", "$.id"),),
    timeout_seconds=3.5,
    follow_redirects=True,
)


def test_what_a_call_carries_is_found_in_all_its_fields() -> None:
    template = parse_call(WHOLE)
    assert template.secrets == ("BODY", "HEAD", "PW", "QUERY", "URL")
    assert template.variables == {"p", "h", "u", "b"}
    assert [str(field.location) for field in template.fields] == [
        "/call/url",
        *["/call/url"] * 3,
        "/call/query/0/value",
        "/call/headers/0/value",
        "/call/headers/1/value",
        "/call/auth/username",
        "/call/auth/password",
        "/call/body/content/a/0",
        "/call/body/content/a/2/c",
    ]
    assert [field.place for field in template.fields] == [
        "path",
        *["query"] * 4,
        "header:X-A",
        "header:X-B",
        *["basic"] * 2,
        *["body"] * 2,
    ]


def test_a_call_filled_in_has_every_part() -> None:
    call = resolve(parse_call(WHOLE), {"p": "1/2", "h": "x", "u": "me", "b": "B"})
    assert (call.method, call.origin) == ("POST", Origin("https", "api.example.com", 8443))
    assert call.path.pieces == (Text("/a/"), Filled("1/2"))
    assert [each.pieces for each in call.url_query] == [(Text("x=1"),), (Text("k="), Slot("URL")), (Text("flag"),)]
    assert [(name, value.pieces) for name, value in call.query] == [("q", (Slot("QUERY"),))]
    assert [(name, value.pieces) for name, value in call.headers] == [
        ("X-A", (Slot("HEAD"),)),
        ("X-B", (Filled("x"),)),
    ]
    assert call.basic is not None
    assert [each.pieces for each in call.basic] == [(Filled("me"),), (Slot("PW"),)]
    assert isinstance(call.body, JsonBody)
    assert (call.timeout_seconds, call.follow_redirects) == (3.5, True)


def test_a_call_is_kept_and_read_again() -> None:
    parts = (WrittenPart("f", "AA==", "a.bin", "image/png", "base64"), WrittenPart("g", "text"))
    for each in (
        WHOLE,
        written(body_type="multipart", content=parts),
        written(body_type="form", content=(Pair("a", "b"),)),
        written(body_type="base64", content="AA==", content_type="image/png"),
        written(variables=(("n", 5), ("l", [1, None]))),
    ):
        assert from_json(as_json(each)) == each


@pytest.mark.parametrize(
    ("more", "where", "sentence"),
    [
        ({"headers": (Pair("X A", ""),)}, "/call/headers/0/name", "Invalid header name."),
        ({"headers": (Pair("", ""),)}, "/call/headers/0/name", "Invalid header name."),
        (
            {
                "headers": (Pair("X-A", ""), Pair("Host", "")),
            },
            "/call/headers/1/name",
            "Can't be set by a call.",
        ),
        ({"headers": (Pair("content_length", ""),)}, "/call/headers/0/name", "Can't be set by a call."),
        ({"headers": (Pair("X-A", ""), Pair("x_a", ""))}, "/call/headers/1/name", "Set this header only once."),
        (
            {"headers": (Pair("Authorization", ""),), "basic": ("u", "p")},
            "/call/headers/0/name",
            "Set this header only once.",
        ),
    ],
)
def test_a_header_that_no_call_sets_is_refused_where_it_stands(more: dict[str, Any], where: str, sentence: str) -> None:
    assert fault(HeaderNotAllowed, **more) == (where, sentence)


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a\x00b"])
def test_a_header_is_one_line(text: str) -> None:
    assert fault(ValidationFailed, headers=(Pair("X-A", text),)) == (
        "/call/headers/0/value",
        "Remove the line break or NUL.",
    )


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"url": "https://{{h}}/"}, "/call/url"),
        ({"url": f"{URL}?a{{{{n}}}}=1"}, "/call/url"),
        ({"headers": (Pair("X-{{n}}", ""),)}, "/call/headers/0/name"),
        ({"query": (Pair("{{n}}", ""),)}, "/call/query/0/name"),
        ({"body_type": "form", "content": (Pair("{{n}}", ""),)}, "/call/body/content/0/name"),
        ({"body_type": "json", "content": {"{{n}}": 1}}, "/call/body/content"),
        ({"body_type": "json", "content": {"a": [{"{{n}}": 1}]}}, "/call/body/content/a/0"),
        ({"body_type": "multipart", "content": (WrittenPart("{{n}}", ""),)}, "/call/body/content/0/name"),
        ({"body_type": "multipart", "content": (WrittenPart("a", "", "{{n}}"),)}, "/call/body/content/0/filename"),
        (
            {"body_type": "multipart", "content": (WrittenPart("a", "", None, "{{n}}"),)},
            "/call/body/content/0/content_type",
        ),
    ],
)
def test_a_name_is_no_template(more: dict[str, Any], where: str) -> None:
    assert fault(TemplateNotAllowed, **more)[0] == where


def test_a_field_holds_one_secret() -> None:
    where, _ = fault(OneSecretPerField, body_type="json", content=["", {"k": "{{secrets.A}}{{secrets.B}}"}])
    assert where == "/call/body/content/1/k"


@pytest.mark.parametrize("name", ["name", "filename", "content_type"])
def test_the_head_of_a_part_is_one_line(name: str) -> None:
    part: dict[str, Any] = {"name": "a", "value": "", name: "x\r\ny"}
    where, sentence = fault(ValidationFailed, body_type="multipart", content=(WrittenPart(**part),))
    assert (where, sentence) == (f"/call/body/content/0/{name}", "Remove the line break.")


@pytest.mark.parametrize("text", ["A", "AA*A", "AAAAA", "é==="])
def test_base64_that_is_none_is_refused_when_it_is_written(text: str) -> None:
    assert fault(ValidationFailed, body_type="base64", content=text) == ("/call/body/content", "Isn't base64.")
    part = WrittenPart("a", text, encoding="base64")
    assert fault(ValidationFailed, body_type="multipart", content=(WrittenPart("b", text), part)) == (
        "/call/body/content/1/value",
        "Isn't base64.",
    )


def test_base64_that_a_variable_completes_is_judged_when_it_is_sent() -> None:
    call = fill({"v": "AA"}, body_type="base64", content="A{{v}}A", content_type="image/png")
    assert isinstance(call.body, BytesBody)
    assert call.body.content_type == "image/png"
    assert call.body.content.pieces == (Text("A"), Filled("AA"), Text("A"))


def test_a_json_body_is_nested_no_deeper_than_it_can_be_read() -> None:
    deep: object = "x"
    for _ in range(64):
        deep = [deep]
    assert isinstance(fill({}, body_type="json", content=deep).body, JsonBody)
    where, sentence = fault(ValidationFailed, body_type="json", content={"a": deep})
    assert (where.startswith("/call/body/content/a/0"), sentence) == (True, "At most 64 levels.")


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_has_not_is_refused(number: float) -> None:
    assert fault(ValidationFailed, body_type="json", content={"n": [number]}) == (
        "/call/body/content/n/0",
        "Too large.",
    )


def test_two_captures_have_two_names() -> None:
    assert fault(ValidationFailed, captures=(("a", "$.a"), ("b", "$.b"), ("a", "$.c"))) == (
        "/call/captures/2/name",
        "This name is used twice.",
    )


@pytest.mark.parametrize(
    ("body_type", "content", "refused", "taken"),
    [
        (
            "json",
            {},
            ["application/x-www-form-urlencoded", "multipart/form-data", "text/xml", "application/soap+xml; a=b"],
            ["application/json", "application/vnd.api+json", "text/plain", "application/x-ndjson", "{{t}}"],
        ),
        (
            "xml",
            "<a/>",
            ["application/json", "application/problem+json", "text/json", "multipart/mixed"],
            ["text/xml; charset=utf-8", "application/soap+xml", "image/svg+xml"],
        ),
        ("form", (), ["application/json", "text/plain"], ["Application/X-WWW-Form-Urlencoded; charset=utf-8"]),
        ("multipart", (), ["multipart/mixed", "application/json"], ["multipart/form-data; boundary=x"]),
        ("text", "", [], ["application/json", "multipart/mixed"]),
        ("none", None, [], ["application/json"]),
    ],
)
def test_a_content_type_that_contradicts_its_body_is_refused(
    body_type: str, content: object, refused: list[str], taken: list[str]
) -> None:
    for each in taken:
        parse(headers=(Pair("content-type", each),), body_type=body_type, content=content)
    for each in refused:
        headers = (Pair("X-A", each), Pair("Content-Type", f" {each.upper()}"))
        assert fault(ValidationFailed, headers=headers, body_type=body_type, content=content) == (
            "/call/headers/1/value",
            f"This is no type of a {body_type} body.",
        )


def test_every_variable_that_is_missing_is_named() -> None:
    with pytest.raises(MissingVariable) as caught:
        fill({"b": ""}, url=f"{URL}/{{{{a}}}}", headers=(Pair("X-A", "{{b}}{{c}}"),))
    assert "a, c" in str(caught.value)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b"])
@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"headers": (Pair("X-A", "x{{v}}"),)}, "/call/headers/0/value"),
        ({"basic": ("{{v}}", "p")}, "/call/auth/username"),
        ({"basic": ("u", "{{v}}")}, "/call/auth/password"),
    ],
)
def test_a_variable_begins_no_line_of_its_own(text: str, more: dict[str, Any], where: str) -> None:
    with pytest.raises(ValueNotAllowedHere) as caught:
        fill({"v": text}, **more)
    assert [str(each) for each in caught.value.errors or {}] == [where]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/a/{{v}}/b", ".."),
        ("/a/{{v}}", "."),
        ("/a/.{{v}}", "."),
        ("/{{+v}}", "a/../b"),
        ("/{{+v}}", ".."),
        ("/x{{+v}}", "/./y"),
    ],
)
def test_a_variable_climbs_nowhere(path: str, value: str) -> None:
    with pytest.raises(ValueNotAllowedHere, match="change the path"):
        fill({"v": value}, url=f"https://api.example.com{path}")


@pytest.mark.parametrize(
    ("path", "value"), [("/a/{{v}}/b", "..."), ("/a/{{v}}", "../x"), ("/{{+v}}", "a/b..c/d"), ("/a/../{{+v}}", "b")]
)
def test_a_variable_may_hold_dots(path: str, value: str) -> None:
    if path.startswith("/a/.."):  # the author's own
        with pytest.raises(ValueNotAllowedHere):
            fill({"v": value}, url=f"https://api.example.com{path}")
    else:
        assert fill({"v": value}, url=f"https://api.example.com{path}").path.pieces


@pytest.mark.parametrize("value", [5, 1.5, True, None, ["a", 1], {"k": {"l": []}}])
def test_a_variable_alone_in_json_keeps_its_type(value: object) -> None:
    body = fill({"v": value}, body_type="json", content={"n": "{{v}}", "l": ["{{v}}"]}).body
    assert body == JsonBody({"n": value, "l": [value]})


def test_a_variable_within_a_text_is_text() -> None:
    body = fill({"n": 5, "t": True}, body_type="json", content=["n={{n}}", "{{t}}!"]).body
    assert isinstance(body, JsonBody)
    assert isinstance(body.content, list)
    assert [each.pieces for each in body.content] == [(Text("n="), Filled("5")), (Filled("true"), Text("!"))]


@pytest.mark.parametrize(("value", "kind"), [(None, "null"), ([], "a list"), ({}, "an object")])
def test_what_is_no_text_stands_in_json_alone(value: object, kind: str) -> None:
    with pytest.raises(ValueNotAllowedHere, match=f"The variable v is {kind}, "):
        fill({"v": value}, headers=(Pair("X-A", "{{v}}"),))


def test_each_kind_of_body_is_itself() -> None:
    parts = (WrittenPart("f", "{{v}}", "n.bin", "image/png", "base64"), WrittenPart("g", "x"))
    bodies = [
        fill({"v": "1"}, body_type=body_type, content=content).body
        for body_type, content in [
            ("none", None),
            ("text", "{{v}}"),
            ("xml", "{{v}}"),
            ("form", (Pair("a", "{{v}}"), Pair("a", "2"))),
            ("multipart", parts),
        ]
    ]
    assert isinstance(bodies[0], NoBody)
    assert isinstance(bodies[1], TextBody)
    assert isinstance(bodies[2], XmlBody)
    assert isinstance(bodies[3], FormBody)
    assert [(name, value.pieces) for name, value in bodies[3].items] == [("a", (Filled("1"),)), ("a", (Text("2"),))]
    assert isinstance(bodies[4], MultipartBody)
    first, second = bodies[4].parts
    assert (first.name, first.filename, first.content_type, first.encoded) == ("f", "n.bin", "image/png", True)
    assert (second.filename, second.content_type, second.encoded) == (None, None, False)


@pytest.mark.parametrize(
    "url", ["ftp://api.example.com/", "api.example.com", "https://u@api.example.com/", "https:///x"]
)
def test_a_url_that_is_none_is_refused_where_it_stands(url: str) -> None:
    with pytest.raises((CallerError, DestinationNotAllowed)):
        parse(url=url)


def test_a_url_without_a_path_calls_the_root() -> None:
    assert parse(url="https://api.example.com").path.source == "/"
    assert parse(url="https://api.example.com?a=1").path.source == "/"


def refusal_of(call: WrittenCall) -> tuple[str, str, str, list[str]]:
    """Return what is told of a call: the sentence, the place's pointer and label, and what stands there."""
    with pytest.raises(ValidationFailed) as refused:
        parse_call(call)
    ((place, sentences),) = (refused.value.errors or {}).items()
    return refused.value.detail, str(place), place.label, list(sentences)


def deep(levels: int) -> object:
    content: object = "x"
    for _ in range(levels):
        content = [content]
    return content


def test_the_head_of_a_part_holds_no_template_and_no_line() -> None:
    for member in ("name", "filename", "content_type"):
        head: dict[str, Any] = {"name": "file", "value": "x"}
        part = WrittenPart(**(head | {member: "a\r\nb"}))
        detail, place, label, sentences = refusal_of(written(body_type="multipart", content=(part,), method="POST"))
        assert (detail, sentences) == ("A part's head holds no line break.", ["Remove the line break."])
        assert place == f"/call/body/content/0/{member}"
        assert label == f"body {part.name[:64]}"
        part = WrittenPart(**(head | {member: "{{a}}"}))
        with pytest.raises(TemplateNotAllowed) as refused:
            parse_call(written(body_type="multipart", content=(part,), method="POST"))
        assert refused.value.detail.startswith("The head of a multipart part")
        assert [str(each) for each in refused.value.errors or {}] == [place]


def test_a_body_of_json_has_an_end_to_its_depth_and_to_its_numbers() -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_call(written(body_type="json", content=deep(10_000), method="POST"))
    assert refused.value.detail == "The JSON body is nested too deep."
    ((most,),) = (refused.value.errors or {}).values()
    levels = int(most.removeprefix("At most ").removesuffix(" levels."))
    parse_call(written(body_type="json", content=deep(levels), method="POST"))
    with pytest.raises(ValidationFailed):
        parse_call(written(body_type="json", content=deep(levels + 1), method="POST"))
    for number in (float("inf"), float("-inf"), float("nan")):
        detail, place, label, sentences = refusal_of(
            written(body_type="json", content={"a": [1, {"b": number}]}, method="POST")
        )
        assert (detail, sentences) == ("The JSON body has a number that is too large.", ["Too large."])
        assert place == "/call/body/content/a/1/b"
        assert label.startswith("body ")
        assert label.endswith(".a[1].b")


def test_a_name_in_json_or_in_a_form_or_query_holds_no_template() -> None:
    for call, what, place in (
        (
            written(body_type="json", content={"x": {"{{a}}": 1}}, method="POST"),
            "A name in a JSON body",
            "/call/body/content/x",
        ),
        (written(query=(Pair("{{a}}", "b"),)), "The name of a query parameter", "/call/query/0/name"),
        (
            written(body_type="form", content=(Pair("{{a}}", "b"),), method="POST"),
            "The name of a body parameter",
            "/call/body/content/0/name",
        ),
    ):
        with pytest.raises(TemplateNotAllowed) as refused:
            parse_call(call)
        assert refused.value.detail.startswith(what)
        assert [str(each) for each in refused.value.errors or {}] == [place]


@pytest.mark.parametrize(
    ("more", "label"),
    [
        ({"body_type": "text", "content": "{{"}, "body"),
        ({"headers": (Pair("X-A", "{{"),)}, "header X-A"),
        ({"headers": (Pair("X-A", "a"), Pair("X-B", "{{"))}, "header X-B"),
        ({"query": (Pair("page", "{{"),)}, "query page"),
        ({"body_type": "form", "content": (Pair("a", "{{"),)}, "body a"),
        ({"body_type": "multipart", "content": (WrittenPart("a", "{{"),)}, "body a"),
    ],
)
def test_a_malformed_template_names_its_field_for_people(more: dict[str, Any], label: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse(**more)
    assert caught.value.detail.startswith(f"The field {label} holds a malformed template. ")


def test_a_signature_names_a_secret_and_stands_where_it_goes_out() -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse(aws4="not a name")
    assert caught.value.detail == "Name a secret of the type aws4."
    (field,) = (each for each in parse(aws4="SIGNS").fields if each.secret)
    assert (field.secret, field.place, field.pieces) == (
        "SIGNS",
        "header:Authorization",
        (Text("AWS4-HMAC-SHA256 "), Slot("SIGNS")),
    )


def test_a_signature_goes_out_with_the_call() -> None:
    signed = fill({}, aws4="SIGNS").signature
    assert signed is not None
    assert signed.secret == "SIGNS"
    assert fill({}).signature is None
