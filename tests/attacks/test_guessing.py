"""Somebody sends guesses to an echo and watches what gets redacted."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import pytest
import requests

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


def test_a_whole_value_is_redacted(stage: Stage) -> None:
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


def test_whoever_sends_the_value_themselves_is_recorded_and_slowed_down(stage: Stage) -> None:
    value = secrets.token_urlsafe(24)
    stage.add("SENT", value, visibility="restricted")

    def call(text: str, *, as_user: str = "ed") -> requests.Response:
        headers = [{"name": "Authorization", "value": "Bearer {{secrets.SENT}}"}]
        return stage.call(headers=headers, body={"type": "text", "content": text}, as_user=as_user)

    assert call("nothing").status_code == 200
    for guess in (value, base64.b64encode(f"<{value}>".encode()).decode()):
        assert call(guess).status_code == 200
    reached = len(stage.upstream.seen)
    third = call(json.dumps({"guess": value}))
    assert problem(third) == (429, "rate_limited")
    assert 500 < int(third.headers["Retry-After"]) <= 600
    assert problem(call("nothing")) == (429, "rate_limited")
    assert len(stage.upstream.seen) == reached
    assert call("nothing", as_user="ada").status_code == 200
    assert stage.call(as_user="ed").status_code == 200
    found = stage.service.ask("GET", f"/workspaces/{stage.workspace}/audit?secret=SENT&action=call.run").json()["items"]
    assert [event["detail"].get("guessed") for event in found if event["outcome"] != "intended"].count(["SENT"]) == 3
    assert value not in json.dumps(found)


def test_a_guess_counts_in_every_part_of_a_call_and_in_streams(stage: Stage) -> None:
    places: list[dict[str, Any]] = [
        {"query": [{"name": "q", "value": "GUESS"}]},
        {"headers_more": [{"name": "X-Guess", "value": "GUESS"}]},
        {"body": {"type": "json", "content": {"a": ["GUESS"]}}},
        {"body": {"type": "text", "content": "GUESS"}, "answer": "stream"},
    ]
    for number, place in enumerate(places):
        name, value = f"PLACE_{number}", secrets.token_urlsafe(24)
        stage.add(name, value, visibility="restricted")
        more = json.loads(json.dumps(place).replace("GUESS", value))
        headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}, *more.pop("headers_more", [])]
        codes = [stage.call(headers=headers, **more).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
