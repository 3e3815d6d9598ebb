"""What a receiver makes of a value: each form in an order that never changes, and looked for by verdict alone."""

from __future__ import annotations

import base64

import pytest

from app.redaction.receiver_forms import Form, approved_forms, canonical, judge, whole

VALUE = ' "Bearer sk_live_51HxQ-U8JZpDE0" '


def texts(value: str, verdict: str | None = None) -> list[str]:
    return [form.text for form in approved_forms(value, judge(value, lambda _: True) if verdict is None else verdict)]


def test_a_value_of_several_lines_is_looked_for_with_every_line_end() -> None:
    assert whole("7-1 2") == ["7-1 2"]
    assert set(whole("1\r\n2")) == {"1\r\n2", "1\n2", "1\r2"}
    assert whole("1\n2")[0] == "1\n2"


def test_a_value_is_looked_for_with_capitals_and_small_letters_exchanged() -> None:
    assert whole("3f9ac1") == ["3f9ac1", "3F9AC1"]
    assert whole("aBc-é") == ["aBc-é", "AbC-É"]
    assert whole("straße") == ["straße"]  # two capitals for a letter: nothing tells where they came from


def test_blanks_quotes_and_a_schemes_word_are_taken_off() -> None:
    assert {VALUE.strip(), VALUE.strip().strip('"'), "sk_live_51HxQ-U8JZpDE0"} <= set(texts(VALUE))


def test_credentials_are_taken_apart() -> None:
    encoded = base64.b64encode(b"name:pass-7f3a9c21").decode()
    assert {"name:pass-7f3a9c21", "pass-7f3a9c21"} <= set(texts(f"Basic {encoded}"))
    assert not {"name"} & set(texts("Basic !!!!"))


def test_a_keys_lines_and_the_strings_of_a_document_are_forms() -> None:
    pem = "-----BEGIN X-----\nMIIBVgIBADAN\nBgkqhkiG9w0B\n-----END X-----\n"
    assert {"MIIBVgIBADANBgkqhkiG9w0B", "MIIBVgIBADAN", "BgkqhkiG9w0B"} <= set(texts(pem))
    document = '{"key": "k3-canary-7f3a", "list": ["other-9c21d5", 5]}'
    assert {"k3-canary-7f3a", "other-9c21d5"} <= set(texts(document))
    assert "deep-canary-7f" in texts('{"a": "{\\"b\\": \\"deep-canary-7f\\"}"}')


def test_a_form_is_looked_for_only_where_it_was_found_fit() -> None:
    verdict = judge(VALUE, lambda text: text == "sk_live_51HxQ-U8JZpDE0")
    assert texts(VALUE, verdict) == ["sk_live_51HxQ-U8JZpDE0"] * texts(VALUE, verdict).count("sk_live_51HxQ-U8JZpDE0")
    assert texts(VALUE, verdict)
    assert texts(VALUE, judge(VALUE, lambda _: False)) == []


@pytest.mark.parametrize("verdict", [None, "", "0:ff", "2:1"])
def test_without_a_verdict_of_this_kind_there_are_no_forms(verdict: str | None) -> None:
    assert approved_forms(VALUE, verdict) == []


def test_the_order_of_forms_never_changes() -> None:
    # A verdict that was stored yesterday names its forms by their places.
    assert judge(VALUE, lambda text: text == VALUE.strip()) == "1:1"
    first = [form.text for form in approved_forms(VALUE, "1:7")]
    assert first == [VALUE.strip(), VALUE.strip()[1:-1], "sk_live_51HxQ-U8JZpDE0"]


def test_a_short_form_is_never_looked_for() -> None:
    assert "abc" not in texts(' "abc" ')


@pytest.mark.parametrize(
    ("raw", "left"), [(b"%2541", b"A"), (rb"\\u0041", b"A"), (b"&amp;lt;", b"<"), (b"plain", b"plain"), (b"", b"")]
)
def test_escapes_are_undone_until_nothing_changes(raw: bytes, left: bytes) -> None:
    assert canonical(raw) == left


@pytest.mark.parametrize("length", range(8, 16))
def test_credentials_are_taken_apart_whatever_their_length_and_without_padding(length: int) -> None:
    password = "7f3a9c21-b5d2e4"[:length]
    encoded = base64.b64encode(f"me:{password}".encode()).decode().rstrip("=")
    assert {f"me:{password}", password} <= set(texts(f"Basic {encoded}"))


def test_credentials_that_are_no_utf_8_are_read_as_latin_1() -> None:
    encoded = base64.b64encode("me:gr\xfc\xdfe-7f3a".encode("latin-1")).decode()
    assert {"me:gr\xfc\xdfe-7f3a", "gr\xfc\xdfe-7f3a"} <= set(texts(f"Basic {encoded}"))


def test_what_is_the_value_once_more_is_no_further_form() -> None:
    assert judge("sk_live_51HxQ-U8JZpDE0", lambda text: text == "sk_live_51HxQ-U8JZpDE0") == "1:0"


def test_a_document_may_begin_with_blanks() -> None:
    value = ' \n{"key": "canary-7f3a9c21-tail"}'
    forms = approved_forms(value, judge(value, lambda text: len(text) > 15))
    assert Form("canary-7f3a9c21-tail") in forms
