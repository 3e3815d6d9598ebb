"""The type that hides a value."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import traceback

import pytest

from app.kernel.secret import MASK, SecretValue

CANARY = "canary-5b1f0c-é𝄞"


@pytest.mark.parametrize(
    "show", [repr, str, format, lambda value: f"{value:>60}", lambda value: f"{[value]} {(value,)}"]
)
def test_however_it_is_printed_there_is_a_mask(show: object) -> None:
    assert callable(show)
    text = show(SecretValue(CANARY))
    assert MASK in text
    assert "canary" not in text


def test_a_traceback_shows_none() -> None:
    value = SecretValue(CANARY)
    with pytest.raises(TypeError) as caught:
        value + 1  # type: ignore[operator]
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_it_is_neither_pickled_nor_json_nor_hashed_nor_given_attributes() -> None:
    value = SecretValue(CANARY)
    for leak in (pickle.dumps, json.dumps, hash, vars):
        with pytest.raises(TypeError) as caught:
            leak(value)
        assert "canary" not in str(caught.value)
    with pytest.raises(AttributeError):
        value.note = "x"  # type: ignore[attr-defined]


def test_a_copy_is_the_same_object() -> None:
    value = SecretValue(CANARY)
    assert copy.copy(value) is value
    assert copy.deepcopy({"v": value})["v"] is value


def test_equal_is_what_has_the_same_text_and_nothing_else() -> None:
    assert SecretValue(CANARY) == SecretValue(CANARY)
    assert SecretValue(CANARY) != SecretValue(CANARY + " ")
    assert SecretValue(CANARY) != CANARY


def test_its_length_is_known_in_characters_and_in_bytes() -> None:
    assert SecretValue(CANARY).characters == len(CANARY) == 16
    assert SecretValue(CANARY).size == len(CANARY.encode()) == 20
    assert SecretValue(CANARY).expose() == CANARY


def test_what_is_easy_to_guess_is_known_to_be() -> None:
    assert SecretValue("password1").guesses() < 1e6 < 1e14 < SecretValue("tk-9f3b2c7781d0e4aa").guesses()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain-value", ()),
        (" blank", ("blanks_at_ends",)),
        ("blank\t", ("blanks_at_ends",)),
        ("'quoted'", ("quoted",)),
        ('"quoted"', ("quoted",)),
        ("`quoted`", ("quoted",)),
        ("''", ("quoted",)),
        ("'", ()),
        ("'half", ()),
        ("aba", ()),
        ("Bearer sk_live", ("scheme_word",)),
        ("BASIC abc", ("scheme_word",)),
        ("bearer", ()),
        ("a\nb", ("lines",)),
        ("a\rb", ("lines",)),
        ("a\n", ("blanks_at_ends",)),
        (' "Bearer a\nb" ', ("blanks_at_ends", "quoted", "lines")),
        ("", ()),
    ],
)
def test_slips_of_copying_are_named_and_nothing_of_the_value(text: str, found: tuple[str, ...]) -> None:
    assert SecretValue(text).oddities() == found


def test_equal_values_have_equal_fingerprints_under_one_key_and_no_other() -> None:
    key, other = b"k" * 16, b"o" * 16
    one = SecretValue(CANARY).fingerprint(key)
    assert one == SecretValue(CANARY).fingerprint(key)
    assert len(one) == 32
    assert len({one, SecretValue(CANARY).fingerprint(other), SecretValue("else").fingerprint(key)}) == 3
    assert one == hashlib.blake2b(CANARY.encode(), key=key, digest_size=32).digest()


def test_a_verdict_on_forms_goes_along_and_changes_no_value() -> None:
    judged = SecretValue(CANARY).with_forms("bearer")
    assert judged == SecretValue(CANARY)
    assert (judged.expose(), judged.forms) == (CANARY, "bearer")
    assert SecretValue(CANARY).forms is None


def test_several_values_and_facts_travel_as_one() -> None:
    document = SecretValue.document({"b": SecretValue("two"), "a": SecretValue("one")}, {"kind": "x"})
    assert document.expose() == '{"facts": {"kind": "x"}, "values": {"a": "one", "b": "two"}}'
    assert document.values() == {"a": SecretValue("one"), "b": SecretValue("two")}
    assert json.loads(SecretValue.document({}).expose()) == {"facts": {}, "values": {}}
    for text in ("no json", "[]", '{"values": 3}', '{"other": {"a": "b"}}'):
        assert SecretValue(text).values() == {}
    assert SecretValue('{"values": {"a": 1, "b": "x"}}').values() == {"b": SecretValue("x")}


def test_a_value_is_never_pickled_and_says_so() -> None:
    with pytest.raises(TypeError) as refused:
        pickle.dumps(SecretValue(CANARY))
    assert str(refused.value) == "a SecretValue is never pickled"
