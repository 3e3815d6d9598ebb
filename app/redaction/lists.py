"""Lists: a text that is written as its bytes' or characters' numbers, or character by character, put together. Pure.

``[115, 107, 95]``, also with keys (``{"0": 115}``), negative as Java writes bytes, as code points; ``{"0": "s"}`` and
characters apart from one another. A list of characters without keys needs no unpacking: see ``joins``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.blocks import translated_blocks
from app.redaction.escapes import utf8
from app.redaction.packings import in_a_row
from app.redaction.search import Bytes
from app.redaction.views import ALNUM, BREAK, Flags, Places, View, flags_of

_DIGITS: Final = b"0123456789"
_FOLLOWS: Final = bytes(range(0x80, 0xC0))
_GAP: Final = 48
"""Bytes between two items of one list, a key in it included."""
_USUAL_GAP: Final = 32
"""Bytes from one number of a list to the next, on the average."""
_LONGEST_NUMBER: Final = 7
_LONGEST_BYTE: Final = 4  # with a minus, or a zero before it


def _classes(classes: dict[bytes, bytes], otherwise: bytes) -> bytes:
    table = bytearray(otherwise * 256)
    for codes, name in classes.items():
        for code in codes:
            table[code] = name[0]
    return bytes(table)


_QUOTES: Final = flags_of(b"\"'`")
_SPACES: Final = flags_of(b" \t\r\n")
_OPENS: Final = flags_of(b" \t\r\n,;|[{(:>=")
_CLOSES: Final = flags_of(b" \t\r\n,;|]})")
_ENDS_KEY: Final = flags_of(b":=")
_IN_WORD: Final = flags_of(ALNUM + b"%" + bytes(range(0x80, 0x100)))
_NUMBERS: Final = _classes({_DIGITS: b"\0", ALNUM.translate(None, _DIGITS) + b"%": b"\4"}, b"\1")
_ITEMS: Final = _classes({b"\"'`": b'"', b" \t\r\n,": b" ", b":{}[]": b"-"}, b"a")
_SINGLES: Final = _ITEMS.replace(b'"', b" ")
_BLANK: Final = b"\1"
_BEGIN: Final = 1  # from a blank to a digit behind it: no other two classes are as far apart
_SHORT_NUMBERS: Final = tuple(_BLANK + b"\0" * size + _BLANK for size in range(2, _LONGEST_BYTE + 1))
_ONE_DIGIT: Final = np.uint64(1)  # a blank right behind a number's first digit
_OTHER: Final = ord("a")


def may_hold_lists(raw: bytes, fewest: int, *, ascii_only: bool) -> bool:
    """Tell whether there may be as many items near together as a text has characters.

    Args:
        fewest: The least characters of a text that is looked for, but for those whose number has one digit.
        ascii_only: Whether all of these are ASCII.
    """
    if _may_hold_single(raw, fewest) and _may_hold_characters(raw, fewest):
        return True
    return _may_hold_numbers(raw, fewest, ascii_only=ascii_only)


def may_hold_codes(raw: bytes, fewest: int) -> bool:
    """Tell whether as many numbers of ASCII's characters follow one another as a text has characters."""
    classes = _BLANK + raw.translate(_IS_NO_DIGIT)
    if classes.count(_TWO_DIGITS) - classes.count(_FOUR_DIGITS) < fewest:
        return False
    edges = np.flatnonzero(np.diff(np.frombuffer(classes + _BLANK, np.int8)))
    begins, ends = edges[::2], edges[1::2]
    text = np.frombuffer(raw, np.uint8).astype(np.int16) - ord("0")
    size = ends - begins
    value = text[ends - 1] + 10 * text[np.maximum(ends - 2, 0)] + 100 * (size == 3) * text[np.maximum(ends - 3, 0)]
    fits = ((size == 2) | (size == 3)) & (value >= ord(" ")) & (value <= ord("~"))
    near = np.append(begins[1:] - ends[:-1] <= _CODES_GAP, True)
    return bool((in_a_row(fits, fewest, apart=1) & in_a_row(near, fewest - 1, apart=1)[: len(fits) - fewest + 1]).any())


_IS_NO_DIGIT: Final = bytes(code not in b"0123456789" for code in range(256))
_TWO_DIGITS: Final = _BLANK + b"\0" * 2
"""Where a number of two digits or more begins."""
_FOUR_DIGITS: Final = _BLANK + b"\0" * 4
_CODES_GAP: Final = 24


def _may_hold_numbers(raw: bytes, fewest: int, *, ascii_only: bool) -> bool:
    classes = b"".join((_BLANK, raw.translate(_NUMBERS), _BLANK))
    if ascii_only:
        if classes.count(_TWO_DIGITS) < fewest:  # wherever they end
            return False
        apart = classes.replace(_BLANK, 2 * _BLANK)  # so that two neighbours share none
        count = sum(map(apart.count, _SHORT_NUMBERS))
    else:
        count = classes.count(_BLANK + b"\0")
    return count >= fewest and len(_find_numbers(raw, fewest, ascii_only=ascii_only)) > 0


def _may_hold_single(raw: bytes, fewest: int) -> bool:
    # Two neighbours share a quote or a blank, and count as one then.
    return 2 * raw.translate(_SINGLES, _FOLLOWS).count(b" a ") + 2 >= fewest // 2


def unpack_lists(view: View, *, fewest: int, ascii_only: bool) -> Iterator[View]:
    """Give what a view's lists read as. See ``may_hold_lists`` for what is asked."""
    begins = _find_numbers(view.raw, fewest, ascii_only=ascii_only)
    if len(begins):
        yield from numbers(view, begins, fewest, highest=0x7F if ascii_only else 0x10FFFF)
    if _may_hold_characters(view.raw, fewest):
        yield from characters(view, fewest)


def _find_numbers(raw: bytes, fewest: int, *, ascii_only: bool) -> Places:
    """Return where numbers begin, where as many of several digits stand near together as a text has characters.

    A number of one digit is no character but a tab, and what is rarer.
    """
    found: list[Places] = []
    large: list[Places] = []
    longest, last_found = _LONGEST_BYTE if ascii_only else _LONGEST_NUMBER, -1
    ends = np.uint64(0x01010101010101 >> 8 * (_LONGEST_NUMBER - longest))
    for first, carried, block in translated_blocks(raw, _NUMBERS, b"", overlap=longest + 1):
        classes = b"".join((b"" if carried else _BLANK, block, _BLANK * 8))
        row = np.frombuffer(classes, np.uint8, len(classes) - 7)
        begins = np.flatnonzero(row[:-1] - row[1:] == _BEGIN)
        # Digits are zeros: of what follows a number's first digit, the lowest bit tells what it ends with.
        behind = np.ndarray((len(classes) - 8,), "<u8", classes, offset=1, strides=(1,))[begins] >> np.uint64(8)
        ends_with = behind & (~behind + np.uint64(1)) & ends
        is_number = ends_with != 0
        places, several = begins[is_number], ends_with[is_number] > _ONE_DIGIT
        if carried:
            places += first + 1
            new = places > last_found
            places, several = places[new], several[new]
        found.append(places)
        large.append(places[several])
        last_found = int(places[-1]) if len(places) else last_found
    places, several_digits = np.concatenate(found), np.concatenate(large)
    # Between two characters' numbers a zero may stand, in UTF-16.
    fits = _near_together(several_digits, fewest, times=2) and _near_together(places, fewest, times=1)
    return places if fits else places[:0]


def _near_together(places: Places, fewest: int, *, times: int) -> bool:
    """Tell whether as many numbers stand near together, so many times as far as usual, as a text has characters."""
    near = places[fewest - 1 :] - places[: max(0, len(places) - fewest + 1)] <= times * _USUAL_GAP * (fewest - 1)
    if not np.count_nonzero(near):
        return False
    apart = np.flatnonzero(places[1:] - places[:-1] > times * (_GAP + _LONGEST_NUMBER))
    return bool(np.diff(np.concatenate(([-1], apart, [len(places) - 1]))).max() >= fewest)


def _may_hold_characters(raw: bytes, fewest: int) -> bool:
    """Tell whether as many single characters stand in quotes, or apart, near together as a text has."""
    least = max(1, fewest // 2)  # blanks, commas and quotes among them aren't counted
    found: list[Places] = []
    for first, _, block in translated_blocks(raw, _ITEMS, b"" if raw.isascii() else _FOLLOWS, overlap=2):
        items = np.frombuffer(block, np.uint8)
        single = (items[:-2] == items[2:]) & (items[:-2] < _OTHER) & (items[1:-1] == _OTHER)
        if np.count_nonzero(single):
            found.append(first + np.flatnonzero(single))
    if not found:
        return False
    places = np.concatenate(found)
    near = places[least - 1 :] - places[: max(0, len(places) - least + 1)] <= 2 * _GAP * least
    return bool(near.any())


def numbers(view: View, begins: Places, fewest: int, *, highest: int = 0x10FFFF) -> Iterator[View]:
    """Unpack lists of decimal numbers, once as bytes and once as characters; keys (``"0": 115``) are left out.

    Args:
        begins: Where numbers begin.
        highest: What no number of a list is beyond.
    """
    text = np.concatenate((view.text, np.full(_LONGEST_NUMBER + 3, ord(" "), np.uint8)))
    digits = text - ord("0") < 10
    value, size = np.zeros(len(begins), np.int64), np.zeros(len(begins), np.intp)
    for ahead in range(_LONGEST_NUMBER):
        more = digits[begins + ahead] & (size == ahead)
        if not more.any():
            break
        value[more] = value[more] * 10 + text[begins[more] + ahead] - ord("0")
        size[more] += 1
    ends = begins + size
    after, second = text[ends], text[ends + 1]
    negative = (text[begins - 1] == ord("-")) & (begins > 0) & ~digits[begins - 2] & (value > 0) & (value <= 128)
    value = np.where(negative, 256 - value, value)
    colon = np.where(_QUOTES[second], text[ends + 2], second) == ord(":")  # CSV writes each quote twice
    key = (_QUOTES[after] & colon) | ((after == ord(":")) & _SPACES[second])
    kept = ~_IN_WORD[after] & ~key
    begins, ends, value = begins[kept], ends[kept], value[kept]
    yield from read_numbers(view, begins, ends, value, fewest, highest)
    if (octal := _octal(value, fewest)) is not None:
        yield from read_numbers(view, begins, ends, octal, fewest, highest)
    counts = _counts_up(value, fewest)
    if counts.any():
        yield from read_numbers(view, begins[~counts], ends[~counts], value[~counts], fewest, highest)


def _octal(value: NDArray[np.int64], fewest: int) -> NDArray[np.int64] | None:
    """Return what numbers are whose digits are octal ones; None where too few of these follow one another."""
    ones, eights, others = value % 10, value // 10 % 10, value // 100
    fits = (ones < 8) & (eights < 8) & (others < 4)
    if not np.count_nonzero(in_a_row(fits, fewest, apart=1)):
        return None
    return np.where(fits, ones + 8 * eights + 64 * others, 1)  # the last is what no text holds


def _counts_up(value: NDArray[np.int64], fewest: int) -> Flags:
    """Tell which numbers count up by one at every second place, as what numbers the items of a list does."""
    counts = np.zeros(len(value), np.bool_)
    begins = np.flatnonzero(in_a_row(value[2:] == value[:-2] + 1, max(1, fewest - 1), apart=2))
    for place in range(fewest if len(begins) else 0):
        counts[begins + 2 * place] = True
    return counts


def read_numbers(
    view: View, begins: Places, ends: Places, value: NDArray[np.int64], fewest: int, highest: int
) -> Iterator[View]:
    """Read numbers as bytes and as characters, list by list: what each is, and where it begins and ends."""
    # What no text holds ends a list; zeros (of UTF-16, of numbers with a point) are left out.
    small = value <= highest
    begins, ends, value = begins[small], ends[small], value[small]
    strange = (value < ord(" ")) & ~_SPACES[np.minimum(value, 255)] & (value > 0)
    before = np.cumsum(strange, dtype=np.intp)
    kept = ~strange & (value > 0)
    if highest > 0x7F:  # half of a character of UTF-16 may be any number
        before, kept = np.zeros(len(value), np.intp), np.ones(len(value), np.bool_)
    begins, ends, value, before = begins[kept], ends[kept], value[kept], before[kept]
    chain = _find_lists(view, begins, ends, fewest, before)
    inside = chain >= 0
    begins, ends, value, chain = begins[inside], ends[inside], value[inside], chain[inside]
    if (value < 256).any():
        yield lay_out(view, begins, ends, np.where(value < 256, value, BREAK)[:, None], chain, bare=True)
    if highest > 0x7F and (value > 127).any():
        out, count = utf8(np.where(value <= 0x10FFFF, value, 0xFFFD))
        yield lay_out(view, begins, ends, out, chain, count, bare=True)


def characters(view: View, fewest: int) -> Iterator[View]:
    """Unpack single characters in quotes or apart from one another; keys (``"0": "s"``) are left out."""
    count = len(view.text)
    text = np.concatenate((view.text, np.full(8, ord(" "), np.uint8)))
    quote = _QUOTES[text]
    found = [_find_quoted(text, quote, size, _CLOSES) for size in ((1,) if view.raw.isascii() else (1, 2, 3, 4))]
    apart = (text == ord(" ")) | (text == ord(",")) | (text == ord("\n"))
    alone = np.flatnonzero(apart[:-2] & ~apart[1:-1] & apart[2:]) + 1
    marks = (_OPENS | _CLOSES | _QUOTES)[text[alone]]  # of a list of characters, or what stands between these
    yield from _read_characters(view, text, found, count, fewest)
    keys, _ = _find_quoted(text, quote, 1, _ENDS_KEY)
    if len(keys) >= fewest:
        yield from _lay_out_characters(view, text, keys, np.ones(len(keys), np.intp), fewest)
    if not marks.all():
        yield from _read_characters(view, text, [*found, (alone[~marks], 1)], count, fewest)
    if marks.any() and 2 * np.count_nonzero(~marks) >= fewest:
        yield from _read_characters(view, text, [*found, (alone, 1)], count, fewest)


def _read_characters(
    view: View, text: Bytes, found: list[tuple[Places, int]], count: int, fewest: int
) -> Iterator[View]:
    begins = np.concatenate([at for at, _ in found])
    sizes = np.concatenate([np.full(len(at), size) for at, size in found])
    order = np.argsort(begins, kind="stable")
    begins, sizes = begins[order], sizes[order]
    fits = begins + sizes <= count
    begins, sizes = begins[fits], sizes[fits]
    yield from _lay_out_characters(view, text, begins, sizes, fewest)
    counts = _counts_up(text[begins].astype(np.int64), min(fewest, 9))  # from 0 to 9; what is beyond is no character
    if counts.any():
        yield from _lay_out_characters(view, text, begins[~counts], sizes[~counts], fewest)


def _lay_out_characters(view: View, text: Bytes, begins: Places, sizes: Places, fewest: int) -> Iterator[View]:
    chain = _find_lists(view, begins, begins + sizes, fewest)
    begins, sizes, chain = begins[chain >= 0], sizes[chain >= 0], chain[chain >= 0]
    if len(begins):
        out = np.stack([text[begins + ahead] for ahead in range(4)], axis=1)
        yield lay_out(view, begins, begins + sizes, out, chain, sizes)


def _find_quoted(text: Bytes, quote: Flags, size: int, behind: Flags) -> tuple[Places, int]:
    """Find characters of so many bytes that stand in quotes, before one of these: in a list, as a key or its value."""
    at = np.flatnonzero(quote[: -size - 1] & quote[size + 1 :])
    lead = text[at + 1]
    is_lead = (lead < 0x80) if size == 1 else (lead >> (7 - size) == (1 << (size + 1)) - 2)
    # CSV and SQL write each quote twice.
    twice = (quote[at - 1] & (at > 0)).astype(np.intp)
    opens = _OPENS[text[at - 1 - twice]] | (at == twice)
    closes = behind[text[np.minimum(at + size + 2 + twice, len(text) - 1)]]
    return at[is_lead & opens & closes & (text[at] == text[at + size + 1])] + 1, size


def _find_lists(
    view: View, begins: Places, ends: Places, fewest: int, before: Places | None = None
) -> NDArray[np.intp]:
    """Number the lists that items belong to; -1 for what is in no list that is long enough, or in nothing new.

    Args:
        before: How often a list ended before each item, where that isn't told by the space between items alone.
    """
    if not len(begins):
        return begins
    breaks = np.concatenate(([True], begins[1:] - ends[:-1] > _GAP))
    if before is not None:
        breaks[1:] |= before[1:] != before[:-1]
    group = np.cumsum(breaks) - 1
    starts = np.flatnonzero(breaks)
    sizes = np.diff(np.concatenate((starts, [len(begins)])))
    enough = sizes >= max(fewest, 2)
    if view.fresh is not None:
        closes = starts + sizes - 1
        first, last = np.maximum(begins[starts] - 1, 0), np.minimum(ends[closes] + 1, len(view.text))
        enough &= view.made[last] > view.made[first]
    return np.where(enough[group], group, -1)


def lay_out(
    view: View,
    begins: Places,
    ends: Places,
    out: NDArray[np.integer],
    chain: Places,
    count: Places | None = None,
    *,
    bare: bool = False,
) -> View:
    """Put items together, with a break after each list."""
    ending = np.concatenate((chain[1:] != chain[:-1], [True]))
    sizes = (np.ones(len(begins), np.intp) if count is None else count) + ending
    rows = np.concatenate((out.astype(np.uint8), np.full((len(out), 1), BREAK, np.uint8)), axis=1)
    rows[np.flatnonzero(ending), sizes[ending] - 1] = BREAK
    text = rows[np.arange(rows.shape[1]) < sizes[:, None]]

    def origin(asked: Places) -> tuple[Places, Places]:
        item = np.searchsorted(np.cumsum(sizes), asked, "right")
        return begins[item], ends[item] - 1

    return View(text, view, origin, encoding=view.encoding, bare=bare)
