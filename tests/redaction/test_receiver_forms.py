"""What a receiver makes of a value is looked for where it is as hard to guess as the value."""

from __future__ import annotations

import base64
import json

import pytest

from app.redaction.receiver_forms import Form, approved_forms, canonical, judge, whole

SECRET = "8fK2-pQ9z_Wv71LmXc"


def texts(value: str) -> set[str]:
    return {form.text for form in approved_forms(value, judge(value, lambda _: True))}


@pytest.mark.parametrize(
    "value",
    [f"  {SECRET}\t", f'"{SECRET}"', f"Bearer {SECRET}", f"apikey: {SECRET}", json.dumps({"a": [{"b": SECRET}]})],
)
def test_what_stands_around_a_value_is_taken_off(value: str) -> None:
    assert SECRET in texts(value)


def test_a_pair_is_read() -> None:
    value = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert {f"me:{SECRET}", SECRET} <= texts(value)


def test_a_keys_lines_are_looked_for() -> None:
    pem = "-----BEGIN X-----\nQUJDREVGR0g\nSUpLTE1OT1A\n-----END X-----\n"
    assert {"QUJDREVGR0g", "SUpLTE1OT1A", "QUJDREVGR0gSUpLTE1OT1A", pem.strip()} <= texts(pem)


def test_only_what_fits_is_approved() -> None:
    value = f"Bearer {SECRET}"
    assert approved_forms(value, judge(value, lambda text: text == SECRET)) == [Form(SECRET), Form(SECRET, "joined")]
    assert approved_forms(value, judge(value, lambda _: False)) == []


@pytest.mark.parametrize("verdict", [None, "", "0:ff", "2:ff"])
def test_without_a_verdict_of_this_kind_there_are_no_forms(verdict: str | None) -> None:
    assert approved_forms(f"Bearer {SECRET}", verdict) == []


def test_a_value_has_other_systems_line_ends() -> None:
    assert whole("a\r\nb") == ["a\r\nb", "a\nb", "a\rb"]
    assert whole("ab") == ["ab"]


def test_escapes_in_a_value_are_undone_to_the_end() -> None:
    assert canonical(b"%2541\\\\u0042&amp;amp;") == b"AB&"
