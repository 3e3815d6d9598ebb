"""A field's text: parsed once, filled with data that is never parsed again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.field_template import (
    Template,
    TemplateVariable,
    fill,
    is_name,
    parse_template,
    refuse_template,
    require_variables,
)
from app.kernel.errors import MissingVariable, OneSecretPerField, TemplateNotAllowed, ValidationFailed, in_body
from app.outbound.model import Filled, Slot, Text

HERE = in_body("call", "headers", 0, "value", label="header X-Token")


def parse(source: str) -> Template:
    return parse_template(source, location=HERE, place="header:X-Token")


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("", ()),
        ("plain } }} text", (Text("plain } }} text"),)),
        ("{{a}}", (TemplateVariable("a"),)),
        ("{{ a }}", (TemplateVariable("a"),)),
        ("{{secrets.KEY}}", (Slot("KEY"),)),
        ("Bearer {{secrets.KEY}}!", (Text("Bearer "), Slot("KEY"), Text("!"))),
        ("{{a}}{{b}}", (TemplateVariable("a"), TemplateVariable("b"))),
        ('x{{"{{"}}y', (Text("x{{y"),)),
        ('{{"{{"}}a}}', (Text("{{a}}"),)),
        ("{{secrets}}", (TemplateVariable("secrets"),)),
    ],
)
def test_a_text_is_parted_into_pieces(source: str, pieces: tuple[object, ...]) -> None:
    template = parse(source)
    assert template.pieces == pieces
    assert template.source == source


@pytest.mark.parametrize(
    "source",
    [
        *("{{", "{{a", "{{a}", "{{}}", "{{ }}", "{{1a}}", "{{a-b}}", "{{a b}}", "{{secrets.}}", "{{secrets.A.B}}"),
        *("{{other.A}}", "{{secrets. A}}", "{{{a}}", "{{ä}}", "{{a\n}}", "{{" + "a" * 65 + "}}", "ok {{a}} {{"),
    ],
)
def test_what_begins_with_braces_and_is_nothing_known_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(ValidationFailed, match="header X-Token") as caught:
        parse(source)
    assert list(caught.value.errors or {}) == [HERE]


@pytest.mark.parametrize("source", ["{{secrets.A}}{{secrets.B}}", "{{secrets.A}} {{secrets.A}}"])
def test_a_field_holds_one_secret(source: str) -> None:
    with pytest.raises(OneSecretPerField, match="header X-Token"):
        parse(source)


def test_a_template_knows_what_it_refers_to() -> None:
    template = parse("{{a}} {{secrets.KEY}} {{b}} {{a}}")
    assert template.secret == "KEY"
    assert template.variables == {"a", "b"}
    assert parse("nothing").secret is None


@given(st.text())
def test_a_variable_is_data_and_never_parsed_again(value: str) -> None:
    field = fill(parse("<{{a}}>"), {"a": value + "{{secrets.KEY}}", "b": "unused"})
    assert field.pieces == (Text("<"), Filled(value + "{{secrets.KEY}}"), Text(">"))


@given(st.text(alphabet=st.sampled_from(list('{}"abs.secrt A1_ \n')), max_size=30))
def test_every_text_is_parsed_or_refused(source: str) -> None:
    try:
        template = parse(source)
    except (ValidationFailed, OneSecretPerField):
        assert "{{" in source
        return
    assert "{{" in source or template.pieces == ((Text(source),) if source else ())


def test_where_no_template_belongs_none_may_begin() -> None:
    refuse_template("https://example.com/}}", "A host", location=HERE)
    with pytest.raises(TemplateNotAllowed, match="A host"):
        refuse_template("https://{{a}}/", "A host", location=HERE)


def test_all_missing_variables_are_named_in_order() -> None:
    require_variables({"a"}, {"a": "", "b": "1"})
    with pytest.raises(MissingVariable, match=r"No value for b, c\.") as caught:
        require_variables({"c", "a", "b"}, {"a": "1"})
    assert caught.value.extra == {"variables": ["b", "c"]}
    assert caught.value.errors == {in_body("variables", name): ["This variable has no value."] for name in ("b", "c")}


@pytest.mark.parametrize("text", ["a", "_A9", "A" * 64])
def test_a_name_is_ascii_and_short(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["A" * 65, "9a", "", "a b", "é", "a\n", "a-b"])
def test_anything_else_is_no_name(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize("text", ["{{", "{{ }}", "{{a b}}", "{{secrets.}}", "{{9a}}", "{{$later}}"])
def test_what_is_no_template_is_told_with_all_that_are(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse(text)
    sentence = (
        'What begins with "{{" must be {{variable}}, {{secrets.NAME}}, {{$timestamp}}, {{$timestamp_ms}} or {{$uuid}}; '
        'a name is a letter or _ and then letters, digits and _, 64 at most. Two literal braces are written {{"{{"}}.'
    )
    assert refused.value.detail == f"The field header X-Token holds a malformed template. {sentence}"
    assert refused.value.errors == {HERE: [sentence]}
