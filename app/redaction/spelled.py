"""Finding a text whose characters may each stand plain or escaped, whichever way was chosen for each. Pure.

A short stretch of the text, the anchor, is chosen so that hardly any body holds it by chance and hardly anybody escapes
its characters. However the whole is spelled, either the anchor is there in plain, or one of its characters is escaped;
C code looks for both, and where it finds neither there is nothing to find. Where it does, a walk in both directions
tells whether the whole text is there. Texts and bodies that repeat themselves could make these walks as long as both
together, again and again; after a number of steps that is bounded by the body's size, one pass that follows every
reading at once takes over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import zip_longest
from typing import Final

from app.redaction import escapes
from app.redaction.walk import OutOfStepsError, Pattern, Walk
from app.redaction.window import Place, Span, Window

_STEPS: Final = 1000
_STEPS_PER_BYTE: Final = 8

Candidate = tuple[int, tuple[int, ...]]  # a place in the body, and the places in the text that it may be


@dataclass(frozen=True, slots=True, repr=False)
class Anchor:
    """The stretch of a text, from its byte ``first`` on, that is looked for.

    ``plain`` holds its spellings without escapes, all of one size; ``escaped`` the characters that are looked for
    escaped, ``after`` the one after each of them, as far as known; ``alnum`` tells that they are ASCII letters or
    digits.
    """

    first: int
    plain: tuple[bytes, ...]
    escaped: str = ""
    after: str = ""
    alnum: bool = False

    @property
    def last(self) -> int:
        """Where the anchor ends in the text."""
        return self.first + len(self.plain[0])


class Spelled:
    """A text of ``size`` bytes, plain or escaped; up to ``padding`` times ``=`` after it belong to a match.

    ``pattern`` gives the text; it is asked only where a body seems to hold it.
    """

    def __init__(
        self, size: int, anchor: Anchor, encoding: str, pattern: Callable[[], Pattern], *, padding: int = 0
    ) -> None:
        self.encoding = encoding
        self._anchor = anchor
        self._make_pattern = pattern
        self._padding = padding
        self._room = escapes.ROOM * (size + padding)
        self._room_after = self._room - escapes.ROOM * anchor.first
        self.hold = self._room + escapes.ROOM * (anchor.last - anchor.first)

    def search(self, window: Window, place: Place) -> list[Span]:
        """See ``Form``."""
        size = len(window.data)
        settled = size if window.final else size - self._room_after
        found: list[Span] = []
        if candidates := self._candidates(window, place.resume, settled):
            walk = Walk(self._pattern, window.data, _STEPS + _STEPS_PER_BYTE * size)
            try:
                self._walk_around(candidates, walk, window.data, place, found)
            except OutOfStepsError:
                settled = size if window.final else size - self._room
                self._pass_over(window.data, settled, place, found)
        place.resume = max(place.resume, settled)
        return found

    def _candidates(self, window: Window, start: int, stop: int) -> Iterator[Candidate] | None:
        anchor, data = self._anchor, window.data
        there = [plain for plain in anchor.plain if data.find(plain, start) >= 0]
        leads = window.starts if anchor.escaped and (window.escapes_alnum or not anchor.alnum) else ()
        if not there and not leads:
            return None
        plains = (self._in_plain(data, plain, start, stop) for plain in there)
        return merge(*plains, *(self._in_escapes(data, lead, start, stop) for lead in leads))

    def _in_plain(self, data: bytes, plain: bytes, start: int, stop: int) -> Iterator[Candidate]:
        at = data.find(plain, start)
        while 0 <= at < stop:
            yield at, (self._anchor.first,)
            at = data.find(plain, at + 1)

    def _in_escapes(self, data: bytes, lead: int, start: int, stop: int) -> Iterator[Candidate]:
        if lead not in self._escapes:
            return
        places = range(self._anchor.first, self._anchor.last)
        for match in self._escapes[lead].finditer(data, start):
            at = match.start()
            if at >= stop:
                return
            stands_for = {raw for _, raw in escapes.readings(data, at, self.encoding)}
            yield at, tuple(i for i in places if any(self._pattern.fits(raw, i) for raw in stands_for))

    @cached_property
    def _escapes(self) -> dict[int, re.Pattern[bytes]]:
        """For each byte that escapes start with: the anchor's characters escaped, each with what comes after it."""
        branches: dict[int, list[bytes]] = {}
        for char, following in zip_longest(
            self._anchor.escaped, self._anchor.after[: len(self._anchor.escaped)], fillvalue=""
        ):
            after = _any_spelling(following, self.encoding) if following else b""
            for lead, rest in escapes.spellings(char, self.encoding).items():
                branches.setdefault(lead, []).append(rest + after)
        return {lead: re.compile(rb"\x%02x(?=%b)" % (lead, b"|".join(rests))) for lead, rests in branches.items()}

    @cached_property
    def _pattern(self) -> Pattern:
        return self._make_pattern()

    def _walk_around(
        self, candidates: Iterator[Candidate], walk: Walk, data: bytes, place: Place, found: list[Span]
    ) -> None:
        for at, positions in candidates:
            if at < place.free:
                continue
            spans: list[Span] = []
            for position in positions:
                start = walk.backward(at, position, place.free)
                end = None if start is None else walk.forward(at, position)
                if start is not None and end is not None:
                    spans.append((start, end))
            if spans:
                start, end = min(spans, key=lambda span: (span[0], -span[1]))
                place.free = self._past_padding(data, end)
                found.append((start, place.free))

    def _pass_over(self, data: bytes, settled: int, place: Place, found: list[Span]) -> None:
        walk = Walk(self._pattern, data, len(self._pattern.text) * len(data))
        for start, end in walk.every_reading(place.free, settled):
            place.free = self._past_padding(data, end)
            found.append((start, place.free))

    def _past_padding(self, data: bytes, end: int) -> int:
        for _ in range(self._padding):
            if end < len(data):
                read = [(end + 1, data[end : end + 1]), *escapes.readings(data, end, self.encoding)]
                end = max((stop for stop, raw in read if raw == b"="), default=end)
        return end


def _any_spelling(char: str, encoding: str) -> bytes:
    ways = [re.escape(escapes.encoded(char, encoding))]
    ways += [rb"\x%02x%b" % (lead, rest) for lead, rest in escapes.spellings(char, encoding).items()]
    return b"(?:" + b"|".join(ways) + b")"
