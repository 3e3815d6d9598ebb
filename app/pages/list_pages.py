"""Which part of a list a page shows, and the way to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import request

SIZES: Final = (25, 50, 100)
_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list: its number, from 1, how many rows a page has, and how many there are altogether.

    ``usual`` is how many a page has that nobody asked for another size of; with ``uncounted`` there are more than
    ``total``.
    """

    number: int
    size: int
    total: int = 0
    usual: int = SIZES[0]
    uncounted: bool = False

    @property
    def offset(self) -> int:
        """How many rows stand before it."""
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        """The number of its last row."""
        end = self.offset + self.size
        return end if self.uncounted else min(end, self.total)

    @property
    def previous(self) -> int | None:
        """The number of the page before."""
        return self.number - 1 if self.number > 1 else None

    @property
    def following(self) -> int | None:
        """The number of the page after."""
        return self.number + 1 if self.uncounted or self.last < self.total else None


def requested_page(usual: int = SIZES[0]) -> ListPage:
    """Return the page of a list that the URL asks for; what can't be read asks for the first."""
    number = request.args.get("page", 1, int)
    size = request.args.get("size", usual, int)
    return ListPage(min(max(number, 1), _MOST_PAGES), size if size in SIZES else usual, usual=usual)
