"""Every form of a value is taken out; what holds none comes back byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor
from tests.support.echoes import ECHOES, Echo

VALUE = 'sk-9f/3b+"ü<&>=q'


def redacted(body: bytes, **values: str) -> tuple[bytes, int]:
    return Redactor({name: SecretValue(value) for name, value in values.items()}).body(body)


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
def test_every_form_is_taken_out(echo: Echo) -> None:
    form = echo(VALUE)
    out, count = redacted(b"{    } " + form + b" {  }", TOKEN=VALUE)
    assert count == 1
    assert form not in out
    assert out.startswith(b"{    } ")
    assert out.endswith(b" {  }")
    assert b"redacted:TOKEN" in out.replace(b"\x00", b"")


@pytest.mark.parametrize("body", [b"", b"sk-9f/3b", b"nothing", bytes(range(256)) * 40, b"%41%42&amp;\\u0041" * 99])
def test_what_holds_no_value_comes_back_byte_for_byte(body: bytes) -> None:
    assert redacted(body, TOKEN=VALUE) == (body, 0)


@pytest.mark.parametrize("value", ["-----BEGIN-----\nabc/+d\n", "-----BEGIN-----\r\nabc/+d\r\n", "a\nbcd\r\nef"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_value_of_several_lines_is_found_with_other_line_ends(value: str, ends: str) -> None:
    echoed = value.replace("\r\n", "\n").replace("\n", ends)
    for echo in ECHOES.values():
        out, count = redacted(b"<   " + echo(echoed) + b"   >", KEY=value)
        assert (count, echo(echoed) in out) == (1, False)


def test_the_longer_of_two_values_is_named() -> None:
    out, count = redacted(b"a canary-12345-more b canary-12345 c", SHORT="canary-12345", LONG="canary-12345-more")
    assert (out, count) == (b"a [redacted:LONG] b [redacted:SHORT] c", 2)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=8, max_size=60)


@settings(max_examples=60, deadline=None)
@given(value=TEXTS, name=st.sampled_from(sorted(ECHOES)), before=st.binary(max_size=40))
def test_no_form_of_any_value_gets_through(value: str, name: str, before: bytes) -> None:
    form = ECHOES[name](value)
    aligned = before + b" " * (-len(before) % 4)
    out, count = redacted(aligned + b"    " + form, V=value)
    assert count >= 1
    assert form not in out


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=400))
def test_any_other_body_is_left_alone(body: bytes) -> None:
    assert redacted(body, V="a-value-that-no-random-body-holds") == (body, 0)


def test_two_lists_that_read_the_same_are_both_redacted() -> None:
    token = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
    decimals = ", ".join(str(code) for code in token.encode())
    triples = "".join(f"{code:03d}" for code in token.encode())
    out, count = Redactor({"TOKEN": SecretValue(token)}).body(f'{{"a": [{decimals}], "b": "{triples}"}}'.encode())
    assert count == 2
    assert triples.encode() not in out
    assert decimals.encode() not in out
