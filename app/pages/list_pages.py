"""Which part of a list a page shows, and the way to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import request

SIZES: Final = (25, 50, 100)
_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list: its number, from 1, how many rows a page has, and how many there are altogether."""

    number: int
    size: int
    total: int = 0

    @property
    def offset(self) -> int:
        """How many rows stand before it."""
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        """The number of its last row."""
        return min(self.offset + self.size, self.total)

    @property
    def previous(self) -> int | None:
        """The number of the page before."""
        return self.number - 1 if self.number > 1 else None

    @property
    def following(self) -> int | None:
        """The number of the page after."""
        return self.number + 1 if self.last < self.total else None


def page_asked() -> ListPage:
    """Return the page of a list that the URL asks for; what can't be read asks for the first."""
    number = request.args.get("page", 1, int)
    size = request.args.get("size", SIZES[0], int)
    return ListPage(min(max(number, 1), _MOST_PAGES), size if size in SIZES else SIZES[0])
