"""From the third guess within an hour on, a person's calls with a secret are refused for ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.variables.secrets.guesses import Guess, seconds_to_wait

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def guesses(*minutes_ago: int, person: str = "ed", secret: str = "s1") -> list[Guess]:
    return [Guess(secret, person, NOW - timedelta(minutes=ago)) for ago in minutes_ago]


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ([], 0),
        (guesses(1), 0),
        (guesses(2, 1), 0),
        (guesses(3, 2, 1), 540),
        (guesses(59, 30, 0), 600),
        (guesses(61, 30, 1), 540),  # the third was sent within an hour of the first
        (guesses(62, 30, 1), 0),
        (guesses(30, 20, 10), 0),
        (guesses(30, 20, 9), 60),
        (guesses(3, 2, 1, person="eva"), 0),
        (guesses(3, 2, 1, secret="s2"), 0),
        (guesses(3, 2) + guesses(1, person="eva"), 0),
    ],
)
def test_the_third_guess_within_an_hour_has_its_author_wait(found: list[Guess], seconds: int) -> None:
    assert seconds_to_wait(found, secret_id="s1", person="ed", now=NOW) == seconds
