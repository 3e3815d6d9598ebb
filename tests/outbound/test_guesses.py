"""Which of a call's values the call's own text holds, asked once and asked again."""

from __future__ import annotations

import base64
import pickle
from typing import Final

import pytest

from app.kernel.secret import SecretValue
from app.outbound.guesses import Guesses
from app.outbound.model import Body, Call, Field, NoBody, Origin, Slot, Text, TextBody

VALUE: Final = "canary-7f3a9c21/d5e84b60"
OTHER: Final = "canary-other-0b8f5c7d9e"
VALUES: Final = {"TOKEN": SecretValue(VALUE), "OTHER": SecretValue(OTHER)}


def call(text: str = "", body: Body = NoBody()) -> Call:  # noqa: B008  # frozen
    headers = (("X-Key", Field((Slot("TOKEN"),))), ("X-Own", Field((Text(text),))))
    return Call(
        method="POST",
        origin=Origin("https", "api.example.com", 443),
        path=Field((Text("/"),)),
        headers=headers,
        body=body,
    )


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_text_without_a_value_holds_none_however_often_it_is_asked(times: int) -> None:
    guesses = Guesses()
    for _ in range(times):
        assert not guesses.find(call("hello"), VALUES)


def test_a_value_is_found_each_time_in_every_place_and_form() -> None:
    guesses = Guesses()
    for _ in range(2):
        assert guesses.find(call(f"x {VALUE}"), VALUES) == ["TOKEN"]
        assert guesses.find(call(base64.b64encode(OTHER.encode()).decode()), VALUES) == ["OTHER"]
        body = TextBody(Field((Text(f"{OTHER} and {VALUE}"),)))
        assert guesses.find(call(body=body), VALUES) == ["OTHER", "TOKEN"]


def test_what_is_remembered_of_one_text_or_value_says_nothing_of_another() -> None:
    guesses = Guesses()
    text = f"x {OTHER}"
    assert not guesses.find(call(text), {"TOKEN": SecretValue(VALUE)})
    assert guesses.find(call(text), {"TOKEN": SecretValue(OTHER)}) == ["TOKEN"]
    assert guesses.find(call(text), {"OTHER": SecretValue(OTHER)}) == ["OTHER"]
    assert not guesses.find(call("x"), {"TOKEN": SecretValue(OTHER)})
    assert guesses.find(call(text), {"TOKEN": SecretValue(OTHER)}) == ["TOKEN"]


def test_a_form_counts_from_the_moment_that_a_verdict_approves_it() -> None:
    guesses = Guesses()
    value = SecretValue(f"Bearer {VALUE}")
    assert not guesses.find(call(f"x {VALUE} y"), {"TOKEN": value})
    assert guesses.find(call(f"x {VALUE} y"), {"TOKEN": value.with_forms("1:3")}) == ["TOKEN"]


def test_nothing_of_a_text_or_value_is_remembered() -> None:
    guesses = Guesses()
    guesses.find(call("own-text-of-the-call"), VALUES)
    kept = pickle.dumps({name: value for name, value in vars(guesses).items() if name != "_lock"})
    assert len(guesses._without) == 1
    for text in (VALUE, OTHER, "own-text-of-the-call"):
        assert text.encode() not in kept
