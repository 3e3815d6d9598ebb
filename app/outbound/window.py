"""What the forms of a value look through: a piece of a body, and how far a form has come in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from app.outbound.escapes import ALNUM_LEADS, ESCAPED_ALNUM, STARTS

Span = tuple[int, int]


@dataclass
class Window:
    """A piece of a body; what several forms ask about it is found out once. ``final``: nothing comes after it."""

    data: bytes
    final: bool

    @cached_property
    def has_nul(self) -> bool:
        """Tell whether UTF-16 or UTF-32 of a Western text can be in here."""
        return b"\0" in self.data

    @cached_property
    def lowered(self) -> bytes:
        """The same in lower case."""
        return self.data.lower()

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Which of the bytes that an escape starts with are in here."""
        return tuple(start for start in STARTS if start in self.data)

    @cached_property
    def escapes_alnum(self) -> bool:
        """Tell whether an ASCII letter or digit is escaped in here."""
        return any(
            any(lead in self.data for lead in leads) and ESCAPED_ALNUM[start].search(self.data)
            for start, leads in ALNUM_LEADS.items()
            if start in self.starts
        )


@dataclass(slots=True)
class Place:
    """How far one form has come: what stands before ``resume`` was looked at, and no match starts before ``free``."""

    resume: int = 0
    free: int = 0

    def shift(self, dropped: int) -> None:
        """Follow the window, whose first bytes were dropped."""
        self.resume = max(0, self.resume - dropped)
        self.free = max(0, self.free - dropped)


class Form(Protocol):
    """One form of a value.

    ``hold`` is how many bytes before a window's end a match may start and not be settled yet; ``encoding`` is what a
    marker in its place has to be encoded with.
    """

    hold: int
    encoding: str

    def search(self, window: Window, place: Place) -> list[Span]:
        """Give the matches that are settled, from left to right, none overlapping another; move ``place`` on."""
