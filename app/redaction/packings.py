"""Packings: base64 and hexadecimal digits, unpacked by one layer. Pure.

base64 and base64url (RFC 4648) at any alignment, hexadecimal digits in pairs, both with anything between them that
writers put there: blanks, line ends, quotes, commas, colons. Unpacked is what can hold a text of the least size. Where
all texts that are looked for are ASCII, that is what unpacks to ASCII, of which other bodies hold next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.redaction.blocks import translated_blocks
from app.redaction.joins import CUTS
from app.redaction.search import Bytes
from app.redaction.views import ALNUM, BREAK, Flags, Places, View, flag_bytes, flags_of
from app.redaction.words import may_hold_words, swap_words

_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE: Final = {ord("-"): 62, ord("_"): 63}
_SEXTETS: Final = {char: value for value, char in enumerate(_BASE64)} | _URL_SAFE
_DIGITS: Final = {char: int(chr(char), 16) for char in b"0123456789abcdefABCDEF"}
_PADDING: Final = {ord("="): 12}  # at a group's third place, and at its fourth
_NO_DIGIT: Final = 0x80
"""The bit of a character that is none of a packing's."""
_SHORTEST_RUN: Final = 5
_INNER_PADDING: Final = re.compile(rb"=[ \t\r\n\\\"'`,:]*[A-Za-z0-9+/_-]")
_PREFIXED: Final = re.compile(rb"0[xX]")
_NOT_HEX: Final = bytes(set(range(128)) - set(ALNUM))


@dataclass(frozen=True, slots=True)
class _Packing:
    """How some bytes are written as a group of characters.

    ``values`` has each character's number. ``roles`` has a bit for each place of a group that a character may stand at,
    ``ascii_roles`` likewise where the group's bytes are ASCII. ``between`` may stand between any two characters.
    """

    group: int
    made: int
    values: bytes
    roles: bytes
    ascii_roles: bytes
    between: bytes
    shape: bytes
    """An x for each character of the packing, a blank for all others."""
    word: str
    """The type of a number that holds a group's characters."""
    wanted: np.unsignedinteger
    """That number where each character has the bit of its place."""

    def groups_in(self, least: int) -> int:
        """Return how many groups, at least, hold nothing but bytes of a text of ``least`` bytes."""
        return max(1, (least - self.made + 1) // self.made)

    def roles_for(self, run: int) -> bytes:
        """Return where a character may stand, for texts with a run of ASCII of this many bytes.

        A run that is shorter than two groups but one byte shares every group with its neighbours at some alignment.
        """
        return self.ascii_roles if run >= 2 * self.made - 1 else self.roles


def _table(values: Mapping[int, int], otherwise: int = 0) -> bytes:
    return bytes(values.get(code, otherwise) for code in range(256))


def _shape(characters: Mapping[int, object]) -> bytes:
    return bytes(ord("x") if code in characters else ord(" ") for code in range(256))


def _sextet_roles(value: int) -> int:
    """Tell where in a group of ASCII a sextet may stand: each byte's first bit is none."""
    return (value < 32) | (value & 8 == 0) << 1 | (value & 2 == 0) << 2 | 8


BASE64: Final = _Packing(
    group=4,
    made=3,
    values=_table(_SEXTETS, _NO_DIGIT),
    roles=_table(dict.fromkeys(_SEXTETS, 15)),
    ascii_roles=_table({char: _sextet_roles(value) for char, value in _SEXTETS.items()}),
    between=CUTS + b":",
    shape=_shape(_SEXTETS),
    word="<u4",
    wanted=np.uint32(0x08040201),
)
HEXADECIMAL: Final = _Packing(
    group=2,
    made=1,
    values=_table(_DIGITS, _NO_DIGIT),
    roles=_table(dict.fromkeys(_DIGITS, 3)),
    ascii_roles=_table({char: (value < 8) | 2 for char, value in _DIGITS.items()}),
    between=_NOT_HEX,
    shape=_shape(dict.fromkeys((*_DIGITS, *b"xX"))),
    word="<u2",
    wanted=np.uint16(0x0201),
)
PADDED: Final = replace(
    BASE64,
    values=_table(_SEXTETS | dict.fromkeys(_PADDING, 0), _NO_DIGIT),
    roles=_table(dict.fromkeys(_SEXTETS, 15) | _PADDING),
    ascii_roles=_table({char: _sextet_roles(value) for char, value in _SEXTETS.items()} | _PADDING),
    shape=_shape(_SEXTETS | _PADDING),
)
"""base64 of several pieces, each with its own padding."""
BINARY: Final = _Packing(
    group=8,
    made=1,
    values=_table({ord("0"): 0, ord("1"): 1}, _NO_DIGIT),
    roles=_table({ord("0"): 255, ord("1"): 255}),
    ascii_roles=_table({ord("0"): 255, ord("1"): 254}),
    between=_NOT_HEX,
    shape=_shape({ord("0"): 0, ord("1"): 1}),
    word="<u8",
    wanted=np.uint64(0x8040201008040201),
)
NOT_PACKED: Final = bytes(code for code in range(128) if code not in (*_SEXTETS, *b"= \t\r\n"))
"""What may stand between pieces of a packing that are put together."""
_IS_PACKED: Final = ~flags_of(NOT_PACKED)
_NOTHING: Final = (np.array([BREAK], np.uint8), np.zeros(1, np.intp), np.zeros(1, np.intp))
_DIGITS_ONLY: Final = (HEXADECIMAL, BINARY)
_EIGHT: Final = 8
_EIGHTS: Final = {
    size: np.array([[1 << (place - phase) % size for place in range(_EIGHT)] for phase in range(size)], np.uint8).view(
        np.uint64
    )
    for size in (2, 4, 8)
}
"""By a group's size, and where the first one begins, the bits of the places of eight characters, in one number."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of the texts that are looked for: of the shortest, its bytes; of the longest, its bytes.

    ``ascii_run`` is how many bytes of ASCII follow one another in each of them.
    """

    least: int
    longest: int
    ascii_run: int

    @property
    def few_ascii(self) -> bool:
        """Whether too little ASCII is in them to tell a packing of them by it."""
        return self.ascii_run < min(self.least, _SHORTEST_RUN)


def places_in_packing(text: Bytes) -> Places:
    """Return the places of all but what may stand between pieces of a packing."""
    return np.flatnonzero(_IS_PACKED[text])


def may_hold_packings(raw: bytes, sought: Sought) -> bool:
    """Tell whether something may be packed that is as long as what is looked for."""
    # What is base64 is base64 with padding inside, too; and binary digits are hexadecimal ones, only more of them.
    base64 = PADDED if _INNER_PADDING.search(raw) else BASE64
    return _may_hold(raw, base64, sought.ascii_run) or (
        _holds_run(raw, HEXADECIMAL, sought.ascii_run)
        and (_PREFIXED.search(raw) is not None or any(_may_hold(raw, each, sought.ascii_run) for each in _DIGITS_ONLY))
    )


def _holds_run(raw: bytes, packing: _Packing, least: int) -> bool:
    run = b"x" * (packing.group * packing.groups_in(least))
    return run in raw.translate(packing.shape, packing.between)


def _may_hold(raw: bytes, packing: _Packing, least: int) -> bool:
    return (
        _holds_run(raw, packing, least)
        and len(_find_groups(raw, packing, packing.groups_in(least), packing.roles_for(least))) > 0
    )


def unpack(view: View, sought: Sought, *, reach: int) -> Iterator[View]:
    """Give what a view unpacks to.

    Args:
        sought: What is known of the texts that are looked for.
        reach: How many bytes around what is new a text may cover, which may be packed and escaped further inside.
    """
    yield from _unpack(view, BASE64, sought, reach)
    if _INNER_PADDING.search(view.raw):
        for padded in _unpack(view, PADDED, sought, reach):
            yield padded.pick(np.flatnonzero(padded.text), packed=True, padded=True)
    digits = list(_unpack(view, HEXADECIMAL, sought, reach))
    yield from digits
    has_prefixes = view.holds(b"0x") or view.holds(b"0X")
    if has_prefixes:
        yield from _unpack(_without_prefixes(view), HEXADECIMAL, sought, reach)
    if digits:  # binary digits are hexadecimal ones, too
        yield from _unpack(view, BINARY, sought, reach)
    if (digits or has_prefixes) and not view.settled and may_hold_words(view.raw):
        words = swap_words(view, sought.least)
        if words is not None:
            yield from _unpack(words, HEXADECIMAL, sought, reach)


def _without_prefixes(view: View) -> View:
    """Leave out ``0x`` before hexadecimal digits."""
    prefix = (view.text[:-1] == ord("0")) & (view.text[1:] | 0x20 == ord("x"))
    kept = np.ones(len(view.text), np.bool_)
    kept[:-1] &= ~prefix
    kept[1:] &= ~prefix
    return view.pick(np.flatnonzero(kept))


def _unpack(view: View, packing: _Packing, sought: Sought, reach: int) -> Iterator[View]:
    roles = packing.roles if sought.few_ascii else packing.roles_for(sought.ascii_run)
    count = packing.groups_in(sought.least if sought.few_ascii else sought.ascii_run)
    found = _find_groups(view.raw, packing, count, roles)
    if not len(found):
        return
    kept = _places_kept(view, packing.between)
    # What isn't ASCII in a text, in UTF-16 at most, stands on either side.
    margin = 1 + -(-2 * (sought.longest - sought.ascii_run) // packing.made)
    found = _fresh(view, kept, found, before=reach, after=count * packing.group + reach)
    if len(found):
        values = np.frombuffer(view.raw.translate(packing.values, packing.between), np.uint8)
        beyond = packing.group * (margin + 1)  # groups reach so far beyond either end, where no digits are
        values, kept = np.pad(values, beyond, constant_values=_NO_DIGIT), np.pad(kept, beyond, mode="edge")
        phases = _by_phase(found + beyond, packing, count, margin)
        parts = [part for places in phases for part in (_unpack_at(kept, values, places, packing), _NOTHING)]
        text, first, last = (np.concatenate(column) for column in zip(*parts, strict=True))
        origin = lambda asked: (first[asked], last[asked])  # noqa: E731
        yield View(text, view, origin, packed=True, padded=packing in (BASE64, PADDED))


def _find_groups(raw: bytes, packing: _Packing, count: int, roles: bytes) -> Places:
    """Return where so many groups in a row begin, in what is left without what may stand between."""
    found: list[Places] = []
    size = packing.group * count
    if packing in _DIGITS_ONLY and b"x" * size not in raw.translate(packing.shape, packing.between):
        return np.zeros(0, np.intp)
    for first, _, block in translated_blocks(raw, roles, packing.between, overlap=size - 1):
        if len(block) >= size and _may_hold_groups(block, packing, count):
            # All characters of a group in one number, and each group's from one more byte on.
            groups = np.ndarray((len(block) - packing.group + 1,), packing.word, block, strides=(1,))
            fits = in_a_row(groups & packing.wanted == packing.wanted, count, apart=packing.group)
            if np.count_nonzero(fits):
                found.append(first + np.flatnonzero(fits))
    return np.concatenate(found) if found else np.zeros(0, np.intp)


def _may_hold_groups(block: bytes, packing: _Packing, count: int) -> bool:
    """Tell whether so many groups may follow one another, by eight characters at a time: few blocks have as many."""
    eights = (packing.group * count - _EIGHT + 1) // _EIGHT  # whole ones, wherever the first group begins
    if eights < 1:
        return True
    row, wanted = np.frombuffer(block, "<u8", len(block) // _EIGHT), _EIGHTS[packing.group]
    return bool(np.count_nonzero(in_a_row(row & wanted == wanted, eights, apart=1)))


def in_a_row(flags: Flags, count: int, *, apart: int) -> Flags:
    """Tell from where on ``count`` flags are set, one every ``apart`` places."""
    span = 1
    while span < count:
        step = min(span, count - span)
        flags = flags[..., : -step * apart] & flags[..., step * apart :]
        span += step
    return flags


def _fresh(view: View, kept: Places, found: Places, *, before: int, after: int) -> Places:
    """Leave out what was there before the last step, so many places before and after each included."""
    if view.fresh is None:
        return found
    first, last = np.maximum(found - before, 0), np.minimum(found + after, len(kept)) - 1
    new: Places = found[view.made[kept[last] + 1] > view.made[kept[first]]]
    return new


def _by_phase(found: Places, packing: _Packing, count: int, margin: int) -> Iterator[Places]:
    """Give the groups of each phase that belong to what was found, and some more at either end."""
    size = packing.group
    places_in_group = found & (size - 1)  # it is a power of two
    for phase in range(size):
        first = found[places_in_group == phase]
        if len(first):
            begins = np.flatnonzero(np.concatenate(([True], np.diff(first) > size * (count + 2 * margin))))
            ends = np.append(begins[1:], len(first)) - 1
            low, high = first[begins] - size * margin, first[ends] + size * (count + margin)
            taken = (high - low) // size
            if len(low) == 1:
                yield np.arange(low[0], high[0], size)
                continue
            closes = np.cumsum(taken)
            within = np.arange(int(closes[-1])) - np.repeat(closes - taken, taken)
            yield np.repeat(low, taken) + size * within


def _places_kept(view: View, between: bytes) -> Places:
    """Return the places of all but what may stand between."""
    gone = np.frombuffer(view.raw.translate(flag_bytes(between)), np.bool_)
    return np.flatnonzero(~gone).astype(np.int32)


def _unpack_at(kept: Places, values: Bytes, groups: Places, packing: _Packing) -> tuple[Bytes, Places, Places]:
    """Read the groups that begin at these places; what is made of another character is a break.

    Returns:
        The bytes, with a break where one run of groups ends and another begins, and for each the place of the first
        and of the last byte that it was made of.
    """
    size, first, count = packing.group, int(groups[0]), len(groups)
    cuts = groups[:0]
    if int(groups[-1]) - first == size * (count - 1):  # they follow one another
        row = slice(first, first + size * count)
        digits, places = values[row].reshape(count, size), kept[row].reshape(count, size)
    else:
        at = groups[:, None] + np.arange(size)
        digits, places = values[at], kept[at]
        cuts = (np.flatnonzero(np.diff(groups) != size) + 1) * packing.made
    strange = digits >= _NO_DIGIT
    if packing is BINARY:
        out = np.packbits(digits & 1, axis=1).ravel()
        out[strange.any(axis=1)] = BREAK
        return _break(out, places[:, 0], places[:, -1], cuts)
    columns = digits.T
    out = columns[0] << 4 | columns[1] if packing is HEXADECIMAL else _three_bytes(columns).ravel()
    out[(strange[:, :-1] | strange[:, 1:]).ravel()] = BREAK
    # Each byte is made of two neighbouring characters.
    return _break(out, places[:, :-1].ravel(), places[:, 1:].ravel(), cuts)


def _three_bytes(sextets: Bytes) -> Bytes:
    a, b, c, d = sextets
    return np.stack((a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d), axis=1)


def _break(text: Bytes, first: Places, last: Places, cuts: Places) -> tuple[Bytes, Places, Places]:
    """Put a break before each of these places."""
    if not len(cuts):
        return text, first, last
    return np.insert(text, cuts, BREAK), np.insert(first, cuts, 0), np.insert(last, cuts, 0)
