"""Looking through a body: the body itself, and all that it reads as once its escapes and packings are undone. Pure.

Each view is made of another by one step, and no step begins with a value: what is undone, and what that costs, goes by
the body alone. A view that was there before isn't looked through again, so it ends where nothing changes any more.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from typing import Final

from app.redaction.dumps import without_columns
from app.redaction.joins import CUTS, rejoin, squeezed_places
from app.redaction.layers import LAST, TOGETHER, undo_apart, undo_together
from app.redaction.letters import LetterSearch
from app.redaction.lists import may_hold_codes, unpack_lists
from app.redaction.look_alikes import look_alikes, may_hold_look_alikes
from app.redaction.marked import unpack_marked
from app.redaction.packings import NOT_PACKED, Sought, may_hold_packings, places_in_packing, unpack
from app.redaction.pieces import join_spans, may_hold_tagged_items, pieces, small_pieces, without_tags
from app.redaction.records import LARGEST as SMALL_ENOUGH
from app.redaction.records import records, small_records
from app.redaction.search import Search
from app.redaction.shortcut import APART, readings
from app.redaction.triples import may_hold_triples, unpack_triples
from app.redaction.views import BREAK, View, blank_out, readable, rewrite, span_places
from app.redaction.wide import wide

_EXPANDS: Final = 24
"""How many bytes a byte of a value is written with where it is escaped several times."""
_EACH: Final = 1024
"""What a view costs beside its bytes."""
_FREE: Final = 7 << 20
_MOST_PER_BYTE: Final = 32
"""JSON with links and HTML has four kinds of escapes (backslashes, ``%20``, ``&amp;``, and ``=30`` in a query): 16
views, each made and looked through."""
_FREE_TOGETHER: Final = 2 << 20
_MOST_PER_BYTE_TOGETHER: Final = 10
"""Where kinds are undone together, JSON with these four reads in three ways, and source code of its kind in five."""
_SIGNS: Final = b"\\%&="
_EACH_SIGN: Final = 6
"""What reading an escape costs, in a body that isn't small: most have few, and some are nothing else."""
_BREAK: Final = bytes((BREAK,))
_NOTHING: Final[Search[str]] = Search(())
_FOLLOWS: Final = bytes(range(0x80, 0xC0))
_ONE_DIGIT: Final = bytes(range(10))
"""Characters whose number has one digit: a list's numbers are told by having more."""
_ASCII: Final = re.compile(rb"[\x00-\x7f]+")
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


class Searches:
    """What is looked for: in views as they are, without what may cut a text (see ``joins``), and by letters alone.

    Args:
        plain: Texts that hold something of what may cut a text, or are too short to be looked for without it.
        squeezed: Other texts without anything that may cut them, which have too few letters.
        lettered: Texts with enough letters and digits to be looked for by these (see ``letters``).
    """

    def __init__(
        self,
        plain: Sequence[tuple[str, bytes]],
        squeezed: Sequence[tuple[str, bytes]],
        lettered: Sequence[tuple[str, bytes]],
        *,
        any_case: bool = False,
    ) -> None:
        texts = [text for _, text in (*plain, *squeezed, *lettered) if text]
        self.plain = Search(plain, any_case=any_case) if plain else _NOTHING
        self.squeezed = Search(squeezed, any_case=any_case) if squeezed else _NOTHING
        self.lettered = LetterSearch(lettered, any_case=any_case)
        self.letters_only = not plain and not squeezed
        self.least = min(map(len, texts), default=0)
        self.longest = max(map(len, texts), default=0)
        self.ascii_only = all(map(bytes.isascii, texts))
        self.sought = Sought(self.least, self.longest, min(map(_ascii_run, texts), default=0))
        self.fewest = max(2, min(map(_characters, texts), default=0))

    def readings(self, view: View) -> list[bytes] | None:
        """Return all that a small view reads as; None where only the long way tells. See ``shortcut``."""
        return readings(view.raw, self.sought, fewest=self.fewest, ascii_only=self.ascii_only, settled=view.settled)


def _ascii_run(text: bytes) -> int:
    return len(text) if text.isascii() else max(map(len, _ASCII.findall(text)), default=0)


def _characters(text: bytes) -> int:
    return len(text.translate(None, _FOLLOWS + _ONE_DIGIT))


class Budget:
    """What may be looked through for a body, in bytes of its views; the same for each body of that length.

    ``together`` tells whether it is so long that kinds of escapes are undone together in it (see ``layers``).
    """

    def __init__(self, size: int, *, in_time: Callable[[], None] = lambda: None) -> None:
        self.together = size > TOGETHER
        free, per_byte = (_FREE_TOGETHER, _MOST_PER_BYTE_TOGETHER) if self.together else (_FREE, _MOST_PER_BYTE)
        self._left = free + per_byte * size
        self._in_time = in_time

    def spend(self, raw: bytes) -> None:
        """Take one view's share. Raises ``OutOfBudgetError``, and what ``in_time`` raises."""
        self._left -= len(raw) + _EACH
        if self.together:
            self._left -= _EACH_SIGN * (len(raw) - len(raw.translate(None, _SIGNS)))
        if self._left < 0:
            raise OutOfBudgetError
        self._in_time()


def matches(body: bytes, searches: Searches, budget: Budget) -> Iterator[Match]:
    """Give every place of a body that holds one of the texts, however it is written there.

    Raises:
        OutOfBudgetError: The body is written so that looking through it would cost too much.
    """
    small: list[View] = []
    whole: list[Match] = []
    for match in _matches_in([View.of(body)], body, searches, budget, small):
        whole.append(match)
        yield match
    # What belongs to a whole text is no piece of another: else a part of one, sent as a guess, would be told.
    for view in small:
        found, packed = _in_records(_without(view, whole, len(body)), searches)
        yield from found
        yield from _matches_in(packed, body, searches, budget, [])


def _matches_in(
    views: Sequence[View], body: bytes, searches: Searches, budget: Budget, small: list[View]
) -> Iterator[Match]:
    """Give the places of what stands whole in these views of a body, and in all that they read as.

    Args:
        small: What may be put together record by record is added here.
    """
    waiting, seen = deque(views), set[bytes]()
    while waiting:
        view = waiting.popleft()
        texts = searches.readings(view)
        if texts is None:
            budget.spend(view.raw)
        elif not _any_in(texts, searches, budget, settled=view.settled):
            continue
        for match in chain(_in_view(view, searches), _in_pieces(view, searches)):
            yield replace(match, end=_past_padding(body, match.end)) if view.padded else match
        if len(view.raw) <= SMALL_ENOUGH and not (view.settled or view.aside):
            small.append(view)
        if texts is not None and len(texts) == 1:
            continue  # it reads in no other way
        for further in _views_of(view, searches, together=budget.together):
            budget.spend(further.raw)
            if (known := _digest(further)) not in seen:
                seen.add(known)
                waiting.append(further)


def _without(view: View, found: Sequence[Match], size: int) -> View:
    """Give a view with breaks where something was found."""
    if not found:
        return view
    return replace(view, text=blank_out(view, [(match.start, match.end) for match in found], size))


def _digest(view: View) -> bytes:
    """Tell a view from others: by its bytes and, since two lists may hold the same, by what it was made of."""
    digest = blake2b(view.raw, digest_size=16)
    if view.fresh is None:
        digest.update(view.whereabouts)
    return digest.digest()


def _any_in(texts: Sequence[bytes], searches: Searches, budget: Budget, *, settled: bool) -> bool:
    """Tell whether a small text holds anything in any of the ways that it reads."""
    arranged = small_pieces(texts, APART)
    if not settled:
        arranged = chain(arranged, small_records(texts, searches.longest))
    in_pieces = View.of(_BREAK.join(arranged))
    unpacked = () if settled else (each.raw for each in _unpack_pieces(in_pieces, searches))
    row = _BREAK.join((*texts, in_pieces.raw, *unpacked))
    budget.spend(row)
    return any(True for _ in _in_view(View.of(row), searches))


def _in_view(view: View, searches: Searches) -> Iterator[Match]:
    for first, last, name in searches.lettered.find(view):
        yield Match(*view.span(first, last), name, view.encoding, view.bare)
    for first, last, name in searches.plain.find(view.raw):
        yield Match(*view.span(first, last), name, view.encoding, view.bare)
    if found := searches.squeezed.find(view.raw, without=CUTS):
        places = squeezed_places(view)
        for first, last, name in found:
            span = view.span(int(places[first]), int(places[last - 1]) + 1)
            yield Match(*span, name, view.encoding, view.bare)


def _in_pieces(view: View, searches: Searches) -> Iterator[Match]:
    for kept in () if view.aside else pieces(view.raw):
        left = View.of(join_spans(view.raw, kept))
        if any(True for _ in _in_view(left, searches)):
            yield from _in_view(view.pick(span_places(*kept)), searches)


def _in_records(view: View, searches: Searches) -> tuple[list[Match], list[View]]:
    """Return what a small view holds record by record, and what its pieces unpack to."""
    found: list[Match] = []
    packed: list[View] = []
    for kept in chain(pieces(view.raw), records(view.raw, searches.longest)):
        left = View.of(join_spans(view.raw, kept))
        is_found = any(True for _ in _in_view(left, searches))
        if is_found or _may_unpack(left, searches) or may_hold_codes(left.raw, searches.fewest):
            picked = view.pick(span_places(*kept))
            found += _in_view(picked, searches)
            packed += (replace(each, settled=True) for each in _unpack_pieces(picked, searches))
    return found, packed


def _may_unpack(left: View, searches: Searches) -> bool:
    if len(left.raw) < searches.least or searches.sought.few_ascii:  # where that is little, noise would unpack
        return False
    return may_hold_packings(left.raw.translate(None, NOT_PACKED), searches.sought)


def _unpack_pieces(view: View, searches: Searches) -> Iterator[View]:
    if may_hold_codes(view.raw, searches.fewest):
        yield from unpack_lists(view, fewest=searches.fewest, ascii_only=searches.ascii_only)
    if not _may_unpack(view, searches):
        return
    bare = view.pick(places_in_packing(view.text))
    yield from unpack(bare, searches.sought, reach=_EXPANDS * searches.longest)


def _past_padding(body: bytes, end: int) -> int:
    padding = _PADDING.match(body, end)
    return padding.end() if padding else end


def _views_of(view: View, searches: Searches, *, together: bool) -> Iterator[View]:
    reach = _EXPANDS * searches.longest + 256
    if b"\0" in view.raw:
        yield from wide(view, reach, ascii_only=searches.ascii_only)
    # What is read as UTF-16 may be noise, full of characters that look like others.
    if not view.settled and view.encoding == "utf-8" and may_hold_look_alikes(view.raw):
        further = rewrite(view, look_alikes(view.text), order=LAST, reach=reach)
        if further is not None:
            yield further
    text = readable(view, searches.least, ascii_only=searches.ascii_only)
    if text is not None:
        yield from _views_of_text(text, searches, reach, together=together)


def _views_of_text(view: View, searches: Searches, reach: int, *, together: bool) -> Iterator[View]:
    layers = list((undo_together if together else undo_apart)(view, reach))
    yield from layers
    # Where kinds are undone together, it ends with one view in which no escapes are left: what was cut is joined there.
    if not (view.settled or view.aside or (together and layers and not layers[0].aside)):
        yield from rejoin(view, order=LAST, reach=reach, both=not together)
        if view.order <= LAST:  # what is left of a list of numbers would lose one after the other
            yield from without_columns(view, order=LAST + 1)
    for unpacked in chain(
        unpack(view, searches.sought, reach=reach),
        unpack_lists(view, fewest=searches.fewest, ascii_only=searches.ascii_only),
        () if view.settled else _views_of_rare_lists(view, searches),
    ):
        yield replace(unpacked, settled=True)


def _views_of_rare_lists(view: View, searches: Searches) -> Iterator[View]:
    if may_hold_tagged_items(view.raw, searches.fewest):
        yield from unpack_lists(without_tags(view), fewest=searches.fewest, ascii_only=searches.ascii_only)
    yield from unpack_marked(view, fewest=searches.fewest, ascii_only=searches.ascii_only)
    if may_hold_triples(view.raw, searches.least):
        yield from unpack_triples(view, searches.least, ascii_only=searches.ascii_only)
