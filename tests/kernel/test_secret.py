"""The type that hides a value."""

from __future__ import annotations

import copy
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
