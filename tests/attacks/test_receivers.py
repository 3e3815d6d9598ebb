"""A receiver makes something of a value before it gives it back: it trims, takes quotes or a scheme's word off."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from tests.attacks.conftest import Stage

TOKEN = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
LINES = [base64.b64encode(bytes((n * 37 + m * 11) % 256 for m in range(48))).decode() for n in range(1, 5)]
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""))
PAIR = base64.b64encode(b"me@example.com/token:8fK2-pQ9z_Wv71LmXc").decode()

MADE: dict[str, tuple[str, Callable[[str], str]]] = {
    "trimmed": (PEM, str.strip),
    "blanks at the ends trimmed": (f"  {TOKEN}\t", str.strip),
    "a line break at the end trimmed": (f"{TOKEN}\n", str.strip),
    "quotes taken off": (f'"{TOKEN}"', lambda v: v.strip('"')),
    "Bearer taken off": (f"Bearer {TOKEN}", lambda v: v.removeprefix("Bearer ")),
    "ApiKey taken off": (f"ApiKey {TOKEN}", lambda v: v.partition(" ")[2]),
    "Basic read": (f"Basic {PAIR}", lambda v: base64.b64decode(v[6:]).decode()),
    "Basic's password": (f"Basic {PAIR}", lambda v: base64.b64decode(v[6:]).decode().partition(":")[2]),
    "lines joined": (PEM, lambda v: v.replace("\n", "")),
    "lines with other ends": (PEM, lambda v: v.replace("\n", "\r\n")),
    "lines indented": (PEM, lambda v: v.replace("\n", "\n    ")),
    "one line of a PEM": (PEM, lambda v: v.splitlines()[2]),
    "a string of a JSON document": (json.dumps({"type": "x", "private": TOKEN}), lambda v: json.loads(v)["private"]),
}


@pytest.mark.parametrize("how", MADE)
def test_what_a_receiver_made_of_a_value_is_taken_out(stage: Stage, how: str) -> None:
    value, make = MADE[how]
    name = f"MADE_{list(MADE).index(how)}"
    stage.add(name, value, visibility="restricted", allowed_places=["body"])
    stage.upstream.scripts["/"] = lambda h: h.answer(json.dumps({"echo": make(value)}).encode())
    answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
    assert answer.status_code == 200
    assert answer.json()["redactions"] >= 1
    assert make(value).splitlines()[0][:24] not in answer.text


def test_a_piece_that_could_be_guessed_is_not_looked_for(stage: Stage) -> None:
    value = "Basic " + base64.b64encode(b"averylongandunguessablename8f3k2:password1").decode()
    stage.add("PAIR", value, visibility="restricted", allowed_places=["body"])
    stage.upstream.scripts["/"] = lambda h: h.answer(b"password1")
    answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets.PAIR}}"})
    assert answer.json()["redactions"] == 0  # else whoever controls the echo finds the password by sending guesses
