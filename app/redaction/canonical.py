"""Looking through a body: the body itself, and all that it reads as once its escapes and packings are undone. Pure.

Each view is made of another by one step, and no step begins with a value: what is undone, and what that costs, goes by
the body alone. A view that was there before isn't looked through again, so it ends where nothing changes any more.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import numpy as np

from app.redaction.encodings import ESCAPES
from app.redaction.joins import join, joined_view, unprefixed_view
from app.redaction.packings import readable, unpack, wide
from app.redaction.search import Search
from app.redaction.views import View, rewrite

_EXPANDS: Final = 24
"""How many bytes a byte of a value is written with where it is escaped several times."""
_EACH: Final = 64
"""What a view costs beside its bytes."""
_FREE: Final = 6 << 20
_MOST_PER_BYTE: Final = 16
_PADDING: Final = re.compile(rb"(?:=|%3[dD]|\\u003[dD]){0,2}")


class OutOfBudgetError(Exception):
    """The body would take longer to look through than it may."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where the body holds a value: its name, and what the place is written in."""

    start: int
    end: int
    name: str
    encoding: str = "utf-8"
    bare: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Searches:
    """What is looked for: in views as they are, in views that were joined, and in ones without prefixes besides."""

    plain: Search
    joined: Search
    unprefixed: Search


class Budget:
    """How many bytes of views may be looked through for a body; the same for each body of that length."""

    def __init__(self, size: int, *, in_time: Callable[[], None] = lambda: None) -> None:
        self._left = _FREE + _MOST_PER_BYTE * size
        self._in_time = in_time

    def spend(self, size: int) -> None:
        """Take one view's share. Raises ``OutOfBudgetError``, and what ``in_time`` raises."""
        self._left -= size + _EACH
        if self._left < 0:
            raise OutOfBudgetError
        self._in_time()


def matches(body: bytes, searches: Searches, budget: Budget) -> Iterator[Match]:
    """Give every place of a body that holds one of the texts, however it is written there.

    Raises:
        OutOfBudgetError: The body is written so that looking through it would cost too much.
    """
    waiting, seen = deque([View(np.frombuffer(body, np.uint8))]), set[bytes]()
    while waiting:
        view = waiting.popleft()
        budget.spend(len(view.text))
        for match in _in_view(view, searches):
            yield replace(match, end=_past_padding(body, match.end)) if view.padded else match
        for further in _views_of(view, searches.plain):
            budget.spend(len(further.text))
            known = blake2b(further.raw, digest_size=16).digest()
            if known not in seen:
                seen.add(known)
                waiting.append(further)


def _in_view(view: View, searches: Searches) -> Iterator[Match]:
    yield from _search_view(view, searches.plain)
    together = join(view.raw)
    if searches.joined.find(np.frombuffer(together, np.uint8)):
        yield from _search_view(joined_view(view), searches.joined)
    if b"\n" in view.raw:
        without = unprefixed_view(view)
        if without is not None:
            yield from _search_view(without, searches.unprefixed)


def _search_view(view: View, search: Search) -> Iterator[Match]:
    for first, last, name in search.find(view.text):
        start, end = view.span(first, last)
        yield Match(start, end, name, view.encoding, view.bare)


def _past_padding(body: bytes, end: int) -> int:
    padding = _PADDING.match(body, end)
    return padding.end() if padding else end


def _views_of(view: View, search: Search) -> Iterator[View]:
    reach = _EXPANDS * search.longest + 256
    yield from wide(view, reach)
    text = readable(view, search.shortest) if view.packed else view
    if text is not None:
        yield from _views_of_text(text, search, reach)


def _views_of_text(view: View, search: Search, reach: int) -> Iterator[View]:
    for order, (begins, undo) in enumerate(ESCAPES):
        if begins in view.raw:
            further = rewrite(view, undo(view.text), order=order, reach=reach)
            if further is not None:
                yield further
    yield from unpack(view, shortest=search.shortest, fewest=search.fewest)
