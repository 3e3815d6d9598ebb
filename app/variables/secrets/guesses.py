"""Guesses: calls whose own text held the value of a restricted secret. They are kept by person and secret for as long
as they count; from the third within an hour on, that person's calls with that secret are refused for ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import Sessions
from app.db.cache import CHANGES
from app.kernel.clock import Clock
from app.kernel.errors import RateLimited
from app.variables.models import GuessRow
from app.variables.secrets.references import UsableSecret

TOO_MANY: Final = 3
_WITHIN: Final = timedelta(hours=1)
_REFUSED_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Guess:
    """When somebody sent a secret's value themselves."""

    secret_id: str
    person: str
    at: datetime


def select_restricted(secrets: Mapping[str, UsableSecret]) -> Mapping[str, UsableSecret]:
    """Return the restricted ones of some secrets: a masked one's value may be known to whoever sends it."""
    return {name: secret for name, secret in secrets.items() if secret.address.visibility == "restricted"}


def guesses_of(secrets: Mapping[str, UsableSecret], session: Session) -> tuple[Guess, ...]:
    """Look up everybody's guesses of some secrets, as far as they are kept."""
    wanted = sorted(secret.id for secret in select_restricted(secrets).values())
    if not wanted:
        return ()
    rows = session.scalars(select(GuessRow).where(GuessRow.secret_id.in_(wanted)).order_by(GuessRow.at))
    return tuple(Guess(row.secret_id, row.person, row.at) for row in rows)


def note_guesses(guessed: Mapping[str, UsableSecret], person: str, *, sessions: Sessions, clock: Clock) -> None:
    """Keep that somebody guessed, and forget what counts no longer.

    Raises:
        RateLimited: It was the third time within an hour.
    """
    now = clock()
    with sessions.begin() as session:
        session.execute(delete(GuessRow).where(GuessRow.at < now - _WITHIN - _REFUSED_FOR))
        session.add_all(GuessRow(secret_id=secret.id, person=person, at=now) for secret in guessed.values())
        session.flush()
        session.execute(update(CHANGES).values(number=CHANGES.c.number + 1))  # every process looks them up anew
        guesses = guesses_of(guessed, session)
    require_few_guesses(guesses, guessed, person, now)


def require_few_guesses(
    guesses: Iterable[Guess], secrets: Mapping[str, UsableSecret], person: str, now: datetime
) -> None:
    """Do nothing where a person hasn't guessed too often. Raises ``RateLimited``."""
    for name, secret in secrets.items():
        wait = seconds_to_wait(guesses, secret_id=secret.id, person=person, now=now)
        if wait:
            sentence = f"You have sent the value of {name} yourself too often; try again in {wait} s."
            raise RateLimited(sentence, retry_after=wait)


def seconds_to_wait(guesses: Iterable[Guess], *, secret_id: str, person: str, now: datetime) -> int:
    """Return for how many seconds a person's calls with a secret are still refused; 0 where they aren't."""
    times = [each.at for each in guesses if each.secret_id == secret_id and each.person == person]
    if not times:
        return 0
    last = max(times)
    if sum(at >= last - _WITHIN for at in times) < TOO_MANY:
        return 0
    return max(0, int((last + _REFUSED_FOR - now).total_seconds()))
