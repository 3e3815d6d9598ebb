"""What the forms of a value look through: a piece of a body, and how far a form has come in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.redaction.escapes import ALNUM_LEADS, ESCAPED_ALNUM, STARTS

Span = tuple[int, int]


class Window:
    """A piece of a body; what several forms ask about it is found out once. ``final``: nothing comes after it."""

    __slots__ = ("_escapes_alnum", "_has_nul", "_lowered", "_starts", "data", "final")

    def __init__(self, data: bytes, final: bool) -> None:
        self.data = data
        self.final = final
        # Plain attributes: a cached property takes longer than most of these searches.
        self._has_nul: bool | None = None
        self._lowered: bytes | None = None
        self._starts: tuple[int, ...] | None = None
        self._escapes_alnum: bool | None = None

    @property
    def has_nul(self) -> bool:
        """Tell whether UTF-16 or UTF-32 of a Western text can be in here."""
        if self._has_nul is None:
            self._has_nul = b"\0" in self.data
        return self._has_nul

    @property
    def lowered(self) -> bytes:
        """The same in lower case."""
        if self._lowered is None:
            self._lowered = self.data.lower()
        return self._lowered

    @property
    def starts(self) -> tuple[int, ...]:
        """Which of the bytes that an escape starts with are in here."""
        if self._starts is None:
            self._starts = tuple([start for start in STARTS if start in self.data])
        return self._starts

    @property
    def escapes_alnum(self) -> bool:
        """Tell whether an ASCII letter or digit is escaped in here."""
        if self._escapes_alnum is None:
            self._escapes_alnum = any(_escapes_alnum(self.data, start) for start in self.starts)
        return self._escapes_alnum


def _escapes_alnum(data: bytes, start: int) -> bool:
    for lead in ALNUM_LEADS.get(start, ()):
        if lead in data:
            return ESCAPED_ALNUM[start].search(data) is not None
    return False


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
