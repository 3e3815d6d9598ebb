"""Packings: a text that is written as something else than its characters, unpacked by one layer. Pure.

base64 and base64url at any alignment (RFC 4648; in lines, groups or not), hexadecimal, lists of numbers, lists and
objects of single characters, UTF-16 and UTF-32. What is unpacked is what could hold a text of the least size; whether
it makes any sense is nobody's question, since looking through it costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.redaction.encodings import utf8
from app.redaction.search import Bytes
from app.redaction.views import BREAK, Flags, Places, View

_NONE: Final = 0xFF
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SEXTETS: Final = np.full(256, _NONE, np.uint8)
for _value, _char in enumerate(_BASE64):
    _SEXTETS[_char] = _value
_SEXTETS[ord("-")], _SEXTETS[ord("_")] = 62, 63
_HEX: Final = np.full(256, _NONE, np.uint8)
for _char in b"0123456789abcdefABCDEF":
    _HEX[_char] = int(chr(_char), 16)
_QUOTES: Final = np.array([code in b"\"'`" for code in range(256)])
_SPACES: Final = np.array([code in b" \t\r\n" for code in range(256)])
_OPENS: Final = np.array([code in b" \t\r\n,;|[{(:>=" for code in range(256)])
_CLOSES: Final = np.array([code in b" \t\r\n,;|]})" for code in range(256)])
_GAP: Final = 8  # bytes between two groups of one text
_LIST_GAP: Final = 40  # bytes between two items of one list, a key in it included


def unpack(view: View, *, shortest: int, fewest: int) -> Iterator[View]:
    """Give what a view unpacks to, as far as something new is in it.

    Args:
        shortest: The bytes of the shortest text that is looked for.
        fewest: The least characters of one.
    """
    yield from base64s(view, shortest)
    yield from hexadecimals(view, shortest)
    yield from numbers(view, fewest)
    yield from characters(view, fewest)


# --- base64 and hexadecimal -------------------------------------------------------------------------------------------


def base64s(view: View, least: int) -> Iterator[View]:
    """Unpack base64, once for each of the four places where its first group can begin."""
    text = view.text
    mask = _alnum(text) | (text == ord("+")) | (text == ord("/")) | (text == ord("-")) | (text == ord("_"))
    places = _find_groups(view, mask, -(-8 * least // 6), smallest=2, group=4)
    if len(places):
        yield _concatenate(_at_phases(view, places, _SEXTETS, 4, _three_bytes), padded=True)


def hexadecimals(view: View, least: int) -> Iterator[View]:
    """Unpack pairs of hexadecimal digits, together or apart, with ``0x`` before them or not."""
    text = view.text
    digits = (text - ord("0") < 10) | ((text | 0x20) - ord("a") < 6)
    prefixed = (text[1:] | 0x20 == ord("x")) & (text[:-1] == ord("0"))
    alnum = _alnum(text)
    # A pair that stands alone; what comes before it is no letter or digit, or the x of its prefix.
    stands = np.ones(len(text), np.bool_)
    stands[1:] = ~alnum[:-1]
    stands[2:] |= prefixed[:-1]
    digits[:-1] &= ~prefixed
    ends = np.ones(len(text), np.bool_)
    ends[:-1] = ~alnum[1:]
    alone = _runs_within(digits, stands, ends)
    places = _find_groups(view, digits, 2 * least, smallest=2, group=2, alone=alone)
    if len(places):
        yield _concatenate(_at_phases(view, places, _HEX, 2, _one_byte))


def _alnum(text: Bytes) -> Flags:
    return (text - ord("0") < 10) | ((text | 0x20) - ord("a") < 26)


def _runs_within(digits: Flags, stands: Flags, ends: Flags) -> Flags:
    """Tell of each run of digits, at its first place, whether it is a word of its own."""
    first = digits.copy()
    first[1:] &= ~digits[:-1]
    last = digits.copy()
    last[:-1] &= ~digits[1:]
    begins, closes = np.flatnonzero(first), np.flatnonzero(last)
    words: Flags = stands[begins] & ends[closes]
    return words


def readable(view: View, least: int) -> View | None:
    """Return what of an unpacked view could be text: what else comes of undoing a packing that was none is noise.

    Args:
        least: The bytes of the shortest piece that is kept.
    """
    text = np.concatenate((view.text, np.zeros(1, np.uint8)))
    follows = text >> 6 == 2
    leads = text >= 0xC2
    fine = (text < 0x80) & (text > 0)
    fine[:-1] |= leads[:-1] & follows[1:]
    fine[1:] |= follows[1:] & (leads | follows)[:-1]
    fine[-1] = False
    first, last = fine.copy(), fine.copy()
    first[1:] &= ~fine[:-1]
    last[:-1] &= ~fine[1:]
    begins, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    kept = ends - begins >= least
    if not kept.any():
        return None
    begins, sizes = begins[kept], (ends - begins)[kept] + 1
    if 4 * int(sizes.sum()) > 3 * len(view.text):
        return view
    stops = np.cumsum(sizes)
    places = np.arange(int(stops[-1])) + np.repeat(begins - (stops - sizes), sizes)
    cut = view.pick(np.minimum(places, len(view.text) - 1), padded=view.padded)
    cut.text[stops - 1] = BREAK
    return cut


def _find_groups(
    view: View, mask: Flags, least: int, *, smallest: int, group: int, alone: Flags | None = None
) -> Places:
    """Return the places of what belongs together, with -1 for what a last group of characters lacks.

    A run that is long enough stands for itself. Shorter ones go together where they are of one length, as the lines and
    groups of one text are, or where a line ends between them.
    """
    first = mask.copy()
    first[1:] &= ~mask[:-1]
    last = mask.copy()
    last[:-1] &= ~mask[1:]
    begins, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    if not len(begins):
        return begins
    sizes = ends - begins
    kept = sizes >= smallest
    if alone is not None:
        kept = (alone & kept & (sizes % 2 == 0)) | (sizes >= least)
    begins, ends, sizes = begins[kept], ends[kept], sizes[kept]
    if not len(begins):
        return begins
    number = _groups(view.text, begins, ends, sizes, pairs=alone is not None)
    starts = np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1])))
    closes = np.concatenate((starts[1:], [len(number)]))
    enough = np.add.reduceat(sizes, starts) >= least
    if view.fresh is not None:
        made = np.concatenate(([0], np.cumsum(view.fresh, dtype=np.int32)))
        # An escape beside the text counts too: it may be the end of a line.
        enough &= made[np.minimum(ends[closes - 1] + 1, len(view.text))] > made[np.maximum(begins[starts] - 1, 0)]
    taken = np.repeat(enough, closes - starts)
    return _places(begins[taken], sizes[taken], number[taken], group - 1)


def _groups(text: Bytes, begins: Places, ends: Places, sizes: Places, *, pairs: bool) -> NDArray[np.intp]:
    """Number the groups that neighbouring runs belong to."""
    gap = begins[1:] - ends[:-1]
    nuls = np.concatenate(([0], np.cumsum(text == 0, dtype=np.int32)))
    # A NUL separates what doesn't belong together; wide characters are another packing.
    near = (gap <= _GAP) & (nuls[begins[1:]] == nuls[ends[:-1]])
    alike = sizes[1:] == sizes[:-1]
    # The last group of a text is shorter than those before it.
    alike[1:] |= alike[:-1] & (sizes[2:] < sizes[1:-1])
    lines = np.zeros(len(gap), np.bool_)
    for ahead in range(3):  # a line ends soon after its last character
        after = np.minimum(ends[:-1] + ahead, len(text) - 1)
        lines |= (ahead < gap) & ((text[after] == 10) | (text[after] == 13))
    together = near & (alike | lines | (pairs & (sizes[1:] % 2 == 0) & (sizes[1:] <= 8) & (sizes[:-1] <= 8)))
    # A long line may be indented by more than a gap.
    together |= lines & alike & (gap <= 8 * _GAP)
    return np.concatenate(([0], np.cumsum(~together)))


def _places(begins: Places, sizes: Places, group: Places, lacking: int) -> Places:
    """Lay runs out place by place, each group followed by so many times -1."""
    if not len(begins):
        return begins
    ending = np.concatenate((group[1:] != group[:-1], [True]))
    taken = sizes + lacking * ending
    ends = np.cumsum(taken)
    within = np.arange(int(ends[-1])) - np.repeat(ends - taken, taken)
    return np.where(within < np.repeat(sizes, taken), within + np.repeat(begins, taken), -1)


Pack = Callable[[Bytes], Bytes]


def _at_phases(view: View, places: Places, values: Bytes, group: int, pack: Pack) -> Iterator[View]:
    """Read groups of characters as bytes, beginning at each place that a group may begin at."""
    there = np.maximum(places, 0)
    digits = np.where(places < 0, 0, values[view.text[there]]).astype(np.uint8)
    start, end = view.spread(there, there)
    for phase in range(group):
        size = (len(places) - phase) // group * group
        if size > 0:
            here = slice(phase, phase + size)
            out = pack(digits[here].reshape(-1, group).T)
            if out.shape[1] == 1:
                yield View(out.ravel(), start[here][::group], end[here][group - 1 :: group])
            else:  # a byte is made of two of the group's characters
                first, last = (each[here].reshape(-1, group) for each in (start, end))
                yield View(out.ravel(), first[:, : group - 1].ravel(), last[:, 1:].ravel())


def _three_bytes(sextets: Bytes) -> Bytes:
    a, b, c, d = sextets
    return np.stack((a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d), axis=1)


def _one_byte(digits: Bytes) -> Bytes:
    out: Bytes = (digits[0] << 4 | digits[1])[:, None]
    return out


def _concatenate(views: Iterator[View], *, padded: bool = False) -> View:
    """Put views one after the other, a break between them."""
    several = list(views)
    gap, nowhere = np.array([BREAK], np.uint8), np.zeros(1, np.int32)
    text = np.concatenate([piece for view in several for piece in (view.text, gap)])
    start = np.concatenate([piece for view in several for piece in (view.start, nowhere)])
    end = np.concatenate([piece for view in several for piece in (view.end, nowhere)])
    return View(text, start, end, packed=True, padded=padded)


# --- lists ------------------------------------------------------------------------------------------------------------


def numbers(view: View, least: int) -> Iterator[View]:
    """Unpack lists of decimal numbers, once as bytes and once as characters; keys (``"0": 115``) are left out."""
    text = view.text
    digits = (text >= ord("0")) & (text <= ord("9"))
    first = digits.copy()
    first[1:] &= ~digits[:-1]
    last = digits.copy()
    last[:-1] &= ~digits[1:]
    begins, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    before = text[np.maximum(begins - 1, 0)]
    before[begins == 0] = ord(" ")
    padded = np.concatenate((text, np.full(2, ord(" "), np.uint8)))
    after, second = padded[ends], padded[ends + 1]
    key = (_QUOTES[after] & (second == ord(":"))) | ((after == ord(":")) & _SPACES[second])
    word = _alnum(before) | _alnum(after) | (before == ord(".")) | ((after == ord(".")) & _alnum(second))
    kept = (ends - begins <= 7) & ~word & ~key
    begins, ends, before = begins[kept], ends[kept], before[kept]
    chain = _find_lists(view, begins, ends, least)
    begins, ends, before = begins[chain >= 0], ends[chain >= 0], before[chain >= 0]
    if not len(begins):
        return
    value, size = np.zeros(len(begins), np.int64), ends - begins
    for ahead in range(int(size.max())):
        more = size > ahead
        value[more] = value[more] * 10 + text[begins[more] + ahead] - ord("0")
    value = np.where((before == ord("-")) & (value > 0) & (value <= 128), 256 - value, value)
    chain = chain[chain >= 0]
    if (value < 256).any():
        yield _lay_out(view, begins, ends, np.where(value < 256, value, BREAK)[:, None], chain, bare=True)
    if (value > 127).any():
        out, count = utf8(np.where(value <= 0x10FFFF, value, 0xFFFD))
        yield _lay_out(view, begins, ends, out, chain, count, bare=True)


def characters(view: View, least: int) -> Iterator[View]:
    """Unpack single characters in quotes or apart from one another; keys (``"0": "s"``) are left out."""
    count = len(view.text)
    text = np.concatenate((view.text, np.full(8, ord(" "), np.uint8)))
    quote = (text == ord('"')) | (text == ord("'")) | (text == ord("`"))
    found = [_find_quoted(text, quote, size) for size in ((1, 2, 3, 4) if view.raw.isascii() is False else (1,))]
    apart = (text == ord(" ")) | (text == ord(",")) | (text == ord("\n"))
    alone = np.flatnonzero(apart[:-2] & ~apart[1:-1] & apart[2:]) + 1
    found.append((alone[~(_OPENS | _CLOSES | _QUOTES)[text[alone]]], 1))
    begins = np.concatenate([at for at, _ in found])
    sizes = np.concatenate([np.full(len(at), size) for at, size in found])
    order = np.argsort(begins, kind="stable")
    begins, sizes = begins[order], sizes[order]
    fits = begins + sizes <= count
    begins, sizes = begins[fits], sizes[fits]
    chain = _find_lists(view, begins, begins + sizes, least)
    begins, sizes, chain = begins[chain >= 0], sizes[chain >= 0], chain[chain >= 0]
    if len(begins):
        out = np.stack([text[begins + ahead] for ahead in range(4)], axis=1)
        yield _lay_out(view, begins, begins + sizes, out, chain, sizes)


def _find_quoted(text: Bytes, quote: Flags, size: int) -> tuple[Places, int]:
    """Find characters of so many bytes that stand in quotes, in a list or as a key's value."""
    at = np.flatnonzero(quote[: -size - 1] & quote[size + 1 :])
    lead = text[at + 1]
    is_lead = (lead < 0x80) if size == 1 else (lead >> (7 - size) == (1 << (size + 1)) - 2)
    opens = _OPENS[text[at - 1]] | (at == 0)
    closes = _CLOSES[text[np.minimum(at + size + 2, len(text) - 1)]]
    return at[is_lead & opens & closes & (text[at] == text[at + size + 1])] + 1, size


def _find_lists(view: View, begins: Places, ends: Places, least: int) -> NDArray[np.intp]:
    """Number the lists that items belong to; -1 for what is in no list that is long enough, or in nothing new."""
    if not len(begins):
        return begins
    breaks = np.concatenate(([True], begins[1:] - ends[:-1] > _LIST_GAP))
    group = np.cumsum(breaks) - 1
    starts = np.flatnonzero(breaks)
    sizes = np.diff(np.concatenate((starts, [len(begins)])))
    enough = sizes >= max(least, 2)
    if view.fresh is not None:
        made = np.concatenate(([0], np.cumsum(view.fresh, dtype=np.int32)))
        closes = starts + sizes - 1
        enough &= made[np.minimum(ends[closes] + 1, len(view.text))] > made[np.maximum(begins[starts] - 1, 0)]
    return np.where(enough[group], group, -1)


def _lay_out(
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
    start, end = view.spread(begins, ends - 1)
    return View(text, np.repeat(start, sizes), np.repeat(end, sizes), encoding=view.encoding, bare=bare)


# --- wide characters --------------------------------------------------------------------------------------------------


def wide(view: View, reach: int) -> Iterator[View]:
    """Unpack UTF-16, where three Western characters follow one another; of UTF-32 it makes UTF-16."""
    nul = view.text == 0
    if len(nul) < 6 or not nul.any():
        return
    thrice = np.flatnonzero(nul[:-4] & ~nul[1:-3] & nul[2:-2] & ~nul[3:-1] & nul[4:])
    fourfold = np.flatnonzero(nul[:-4] & nul[1:-3] & nul[2:-2] & ~nul[3:-1] & nul[4:])
    thrice = np.sort(np.concatenate((thrice, fourfold)))
    if not len(thrice):
        return
    kept = np.zeros(len(nul) + 1, np.int32)
    np.add.at(kept, np.maximum(thrice - reach, 0) // 4 * 4, 1)
    np.add.at(kept, np.minimum((thrice + reach) // 4 * 4, len(nul)), -1)
    inside = np.cumsum(kept[:-1]) > 0
    for aligned in (0, 1):
        for order, high in (("le", 1), ("be", 0)):
            at = np.arange(aligned, len(nul) - 1, 2)
            at = at[inside[at]]
            units = view.text[at + high].astype(np.int64) << 8 | view.text[at + 1 - high]
            out, count = utf8(units)
            apart = np.concatenate((at[1:] - at[:-1] > 2, [True]))
            read = _lay_out(view, at, at + 2, out, np.cumsum(apart) - apart, count)
            name = "utf-16-" + order if view.encoding == "utf-8" else "utf-32-" + order
            yield View(read.text, read.start, read.end, encoding=name)
