"""Lengths before the pieces of a text: ``8:sk_live_,3:51H``, ``{8}`` and a line's end, ``00000008sk_live_``. Pure.

A length counts where it leads to the next one. It may be part of what it counts, as in Git's packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from app.redaction.escapes import replace_spans
from app.redaction.search import Bytes
from app.redaction.views import Edits, flag_bytes, flags_of

_Spans = list[tuple[int, int, None]]
_DIGITS: Final = b"0123456789"
_MOST_DIGITS: Final = 8
_IS_DIGIT: Final = flags_of(_DIGITS)
_SEPARATORS: Final = b":H|;"
_LENGTH: Final = re.compile(rb"([0-9]{1,8})[:H|;]")
_LENGTH_SHAPE: Final = bytes(
    ord("0") if code in _DIGITS else ord(":") if code in b":|;" else ord("x") for code in range(256)
)
_FIRST_OF_HOLLERITH: Final = re.compile(rb"(?<![A-Za-z0-9])[0-9]{1,4}H[^0-9]")
_BETWEEN: Final = re.compile(rb"[, |;\r\n]{0,2}+(?:0[xX](?=[0-9A-Fa-f]))?")
_FRAMED: Final = re.compile(rb"~?[\[({<]([0-9]{1,8})\+?[\])}>](?:\r?\n)?")
_SHORTEST: Final = 8
"""The bytes of all pieces behind lengths in brackets: ``[1] [2]`` are a text's notes."""
FRAMES: Final = tuple(bytes((sign, digit)) for sign in b"[({<" for digit in _DIGITS)
"""What a length in brackets begins with."""
# The first of them, with a nought before it: in what is no number of a date, and where something follows it at once.
_FIXED: Final = re.compile(rb"0(?<![0-9A-WYZa-wyz.:+/-]0)([0-9A-Fa-f]{1,9}+)(?![\s\"'\\,.:;/<>&)}\]=+-])", re.DOTALL)
_MOST_FIXED: Final = 32
"""So many places are tried: at each, a length may have any width and base."""
_LARGEST: Final = 16 * 1024
"""In larger texts, numbers of so few digits lead to one another by chance."""
SIGNS: Final = (
    *(bytes((digit, sign)) for digit in _DIGITS for sign in _SEPARATORS),
    *FRAMES,
    *(bytes((ord("0"), digit)) for digit in b"0123456789abcdefABCDEF"),
)
"""What a text with lengths has one of."""


def lengths(text: Bytes) -> Edits:
    """Leave out the length before each piece, where one such piece ends and the next begins."""
    return replace_spans(list(_spans(text.tobytes(), framed=True)))


def may_hold_lengths(raw: bytes, *, framed: bool) -> bool:
    """Tell whether a length leads to another one.

    Args:
        raw: The text.
        framed: Whether it has one of ``FRAMES``.
    """
    return next(_spans(raw, framed=framed), None) is not None


def _spans(raw: bytes, *, framed: bool) -> Iterator[tuple[int, int, None]]:
    spans: set[tuple[int, int, None]] = set()
    if _may_hold_lengths(raw):
        spans.update(_chains(raw, _likely_lengths(np.frombuffer(raw, np.uint8), raw), _LENGTH))
    if framed:
        spans.update(_chains(raw, _framed_lengths(raw), _FRAMED, least=_SHORTEST))
    if len(raw) <= _LARGEST:
        spans.update(_chains_of_one_width(raw))
    end = 0
    for span in sorted(spans):
        if span[0] >= end:
            end = span[1]
            yield span


def _may_hold_lengths(raw: bytes) -> bool:
    """Tell whether a separator stands behind a number that is no time's, or an H behind one that is no word's."""
    if b":" in raw or b"|" in raw or b";" in raw:
        shape = raw.translate(_LENGTH_SHAPE)
        if b"0:x" in shape or b"0::" in shape:
            return True
    return b"H" in raw and _FIRST_OF_HOLLERITH.search(raw) is not None


def _likely_lengths(text: Bytes, raw: bytes) -> Iterator[int]:
    """Give where numbers begin that may be a piece's length, with another number behind the piece."""
    at = np.flatnonzero(_IS_SEPARATOR[text])
    digit = np.concatenate((_IS_DIGIT[text], np.zeros(1, np.bool_)))
    at = at[digit[at - 1] & (at > 0)]
    value = text[at - 1].astype(np.int64) - ord("0")
    tens = (at > 1) & digit[at - 2]
    value[tens] += 10 * (text[at[tens] - 2].astype(np.int64) - ord("0"))
    ends = np.minimum(at + 1 + value, len(text) - 1)
    likely = digit[ends] | digit[np.minimum(ends + 1, len(text) - 1)] | ((at > 2) & digit[at - 3])
    return (_begin_of_number(raw, place) for place in at[likely].tolist())


def _framed_lengths(raw: bytes) -> Sequence[int]:
    """Return where numbers in brackets begin behind whose piece another bracket opens, the bracket included."""
    beyond = bytes(_MOST_DIGITS + 2)
    opens = np.frombuffer(raw.translate(_OPENS) + beyond, np.bool_)
    digit = np.frombuffer(raw.translate(_DIGIT) + beyond, np.bool_)
    at = np.flatnonzero(opens[:-1] & digit[1:])
    text = np.frombuffer(raw + beyond, np.uint8)
    ends, value = at + 1, np.zeros(len(at), np.int64)
    for _ in range(_MOST_DIGITS):
        more = digit[ends]
        value = np.where(more, 10 * value + text[ends] - ord("0"), value)
        ends = ends + more
    closed = _CLOSES[text[ends + (text[ends] == ord("+"))]]
    at, following = at[closed], ends[closed] + 1 + value[closed]
    leads = np.zeros(len(at), np.bool_)
    for ahead in range(_MOST_BETWEEN + 1):
        leads |= opens[np.minimum(following + ahead, len(opens) - 1)]
    at = at[leads]
    begins: list[int] = (at - ((at > 0) & (text[at - 1] == ord("~")))).tolist()
    return begins


_IS_SEPARATOR: Final = flags_of(_SEPARATORS)
_OPENS: Final = flag_bytes(b"[({<")
_DIGIT: Final = flag_bytes(_DIGITS)
_MOST_BETWEEN: Final = 6
"""What may stand there besides: a plus sign, a line's end before the piece, a comma and a blank behind it, a tilde."""
_CLOSES: Final = flags_of(b"])}>")


def _begin_of_number(raw: bytes, end: int) -> int:
    begin = end
    while begin > 0 and end - begin < _MOST_DIGITS and raw[begin - 1] in _DIGITS:
        begin -= 1
    return begin


def _chains(raw: bytes, begins: Iterable[int], item: re.Pattern[bytes], *, least: int = 0) -> _Spans:
    """Return the lengths of pieces that follow one another, at least two, with little between them or nothing."""
    found: _Spans = []
    seen = -1
    for begin in begins:
        chain: _Spans = []
        at, told = begin, 0
        while at >= seen and (match := item.match(raw, at)):
            chain.append((at, match.end(), None))
            told += int(match[1])
            at = _next(raw, match.end() + int(match[1]))
        if len(chain) > 1:
            seen = at  # whatever begins within it leads to the same end
            found += chain if told >= least else ()
    return found


def _next(raw: bytes, at: int) -> int:
    between = _BETWEEN.match(raw, at)
    return between.end() if between else at


def _chains_of_one_width(raw: bytes) -> _Spans:
    """Return the lengths that all have as many digits, with nothing between them and their pieces."""
    found: _Spans = []
    seen = -1
    for match in islice(_FIXED.finditer(raw), _MOST_FIXED):
        if match.start() < seen:
            continue
        widths = range(2, len(match[0]) + 1)
        chains = (_chain_of_width(raw, match.start(), width, *how) for width in widths for how in _HOW)
        if len(chain := max(chains, key=lambda chain: len(chain) > 1 and chain[-1][1])) > 1:
            found += chain
            seen = chain[-1][1]
    return found


_HOW: Final = tuple(
    (base, re.compile(b"[%b]+" % digits), itself)
    for base, digits in ((10, b"0-9"), (16, b"0-9A-Fa-f"), (8, b"0-7"), (2, b"01"))
    for itself in (0, 1)
)
"""A length's base, and whether it counts itself."""


def _chain_of_width(raw: bytes, at: int, width: int, base: int, number: re.Pattern[bytes], itself: int) -> _Spans:
    chain: _Spans = []
    while len(digits := raw[at : at + width]) == width and number.fullmatch(digits):
        size = int(digits, base) - width * itself
        if size < 1 or at + width + size > len(raw):
            break
        chain.append((at, at + width, None))
        at = _next(raw, at + width + size)
    return chain
