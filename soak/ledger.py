"""What was acknowledged, and so must hold.

A write that was answered 2xx holds until the next one begins. One that got no answer, or a refusal that leaves open how
far it came, may hold or not, until the next that is acknowledged. One without any answer may moreover be carried out
late, after it was looked for and after later writes: so it stays possible until it has had its time, and a look after
that settles it. A read is right if it gives something that may have held at some moment between its beginning and end.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

ABSENT: Final = None
"""What a thing holds that isn't there."""

Held = str | None


class Register:
    """One thing with one writer: what it may hold now, and what it may have held at each moment before."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._past: list[frozenset[Held]] = [frozenset({ABSENT})]
        self._late: dict[Held, float] = {}

    @property
    def possible(self) -> frozenset[Held]:
        """What it may hold now."""
        return self._past[-1]

    @property
    def known(self) -> bool:
        """Whether there is one answer only."""
        return len(self.possible) == 1

    def begin(self, wanted: Held) -> None:
        """A write begins: from now on until it is acknowledged, both are possible."""
        self._past.append(self.possible | {wanted})

    def acknowledge(self, wanted: Held) -> None:
        """The write was acknowledged, or what it holds was seen: nothing else is possible but what may come late."""
        self._enter(frozenset({wanted}))

    def withdraw(self, before: frozenset[Held]) -> None:
        """The write was refused for good: what was possible before it is possible again."""
        self._enter(before)

    def is_there(self) -> None:
        """It was seen: whatever it holds, it is not absent; but it may become so late."""
        self._enter(self.possible - {ABSENT})

    def leave(self, wanted: Held, until: float) -> None:
        """The write got no answer: it may come about until that moment, whatever is seen or acknowledged before."""
        self._late[wanted] = until

    def settle(self, now: float) -> None:
        """Take what had its time for done or never to be done; the next look tells which."""
        self._late = {wanted: until for wanted, until in self._late.items() if until > now}

    def _enter(self, possible: frozenset[Held]) -> None:
        self._past.append(possible | self._late.keys())

    def moment(self) -> int:
        """Return a mark for ``since``."""
        return len(self._past) - 1

    def since(self, moment: int) -> frozenset[Held]:
        """Return what it may have held at any moment from that one on."""
        return frozenset[Held]().union(*self._past[moment:])


@dataclass(slots=True)
class Ledger:
    """Every count that a soak is judged by. Safe to share among threads."""

    acknowledged: int = 0
    doubtful: int = 0
    put_off: int = 0
    calls: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        """Add one to a count."""
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)


def digest(value: str) -> str:
    """Return what the upstream tells of a value that it got."""
    return hashlib.sha256(value.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Told:
    """What a call told, of each thing that went into it: a digest of the secret, the plain variable, the mark."""

    secret: str
    plain: str
    mark: str


_REFUSALS: Final[Mapping[str, str]] = {"unknown_secret": "secret", "missing_variable": "plain", "not_found": "mark"}


def complaints(told: Told | str, possible: Mapping[str, frozenset[Held]]) -> Iterator[str]:
    """Say what is wrong with what a call told (or the code that it was refused with), given what was possible."""
    if isinstance(told, str):
        thing = _REFUSALS.get(told)
        if thing is not None and ABSENT not in possible[thing]:
            yield f"lost: {told}, though the {thing} was acknowledged"
        return
    digests = frozenset(value and digest(value) for value in possible["secret"])
    for thing, got, wanted in (
        ("secret", told.secret, digests),
        ("plain", told.plain, possible["plain"]),
        ("mark", told.mark, possible["mark"]),
    ):
        if got not in wanted:
            yield f"wrong {thing}"
