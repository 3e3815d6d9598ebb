"""Somebody sends guesses to an echo and watches what gets redacted."""

from __future__ import annotations

import secrets

import pytest

from tests.attacks.conftest import Stage
from tests.support.service import problem


def echoed(stage: Stage, guess: str) -> str:
    """Have a guess echoed by a call that carries KEY; a guess that is right would come back redacted."""
    answer = stage.call(
        headers=[{"name": "Authorization", "value": "Bearer {{secrets.KEY}}"}],
        body={"type": "text", "content": guess},
    )
    return str(answer.json()["body"]["content"]["body"])


@pytest.mark.parametrize("length", [1, 4, 7, 8, 16, 23])
def test_no_part_of_a_value_is_redacted(stage: Stage, length: int) -> None:
    for part in (stage.key[:length], stage.key[-length:], stage.key[2 : 2 + length]):
        assert echoed(stage, part) == part.encode().decode("latin-1")
    assert echoed(stage, stage.key) == "[redacted:KEY]"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("7f3a9c2", "too_short"),
        ("password", "too_guessable"),
        ("12345678", "too_guessable"),
        ("aaaaaaaaaaaaaaaa", "too_guessable"),
        ("qwertyuiop", "too_guessable"),
        ("2026-11-25", "too_guessable"),
        ("letmein1!", "too_guessable"),
    ],
)
def test_a_restricted_value_that_guessing_would_find_is_not_kept(stage: Stage, value: str, code: str) -> None:
    body = {"name": "WEAK", "value": value, "visibility": "restricted", "allowed_hosts": stage.hosts}
    answer = stage.service.ask("POST", f"/workspaces/{stage.workspace}/secrets", body, keep=False)
    assert problem(answer) == (422, code)


def test_neither_the_answers_size_nor_a_measure_tells_of_a_value(stage: Stage) -> None:
    stage.add("A", secrets.token_hex(8))
    stage.add("B", secrets.token_hex(200))
    stage.upstream.scripts["/"] = lambda h: h.answer(h.seen.body, headers={"Content-Type": "text/plain"})
    shown = []
    for name in ("A", "B"):
        answer = stage.call(headers=[], body={"type": "text", "content": "{{secrets." + name + "}}"}).json()
        headers = sorted(header["name"] for header in answer["headers"])
        shown.append((len(answer["body"]["content"]), headers, answer["redactions"]))
    assert shown[0] == shown[1]
    assert "Content-Length" not in shown[0][1]
