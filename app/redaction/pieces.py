"""Texts in pieces between which other text stands: keys, tags, the numbers of lines. Pure.

What stands between is left out, so that the pieces follow one another. Most bodies are of that kind and few hold a text
like this; so what is left is searched as bytes, and only where something was found its places are computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np

from app.redaction.search import Bytes
from app.redaction.views import Places, View, span_places

Spans = tuple[Places, Places]
"""Where pieces begin and end: in rising order, none overlapping another."""


def _classes(*kinds: bytes) -> bytes:
    """Return a table that gives each kind of bytes its number, from 1 on, and all others 0."""
    table = bytearray(256)
    for number, kind in enumerate(kinds, 1):
        for code in kind:
            table[code] = number
    return bytes(table)


_QUOTES: Final = _classes(b"\"'`")
_ONE_QUOTE: Final = bytes.maketrans(b"'`", b'""')
_KEYS: Final = _classes(b"\n;&", b":=\t)|")
_TAGS: Final = _classes(b"<", b">")
_TAGGED_ITEM: Final = re.compile(rb">[ \t\r\n]*(?:[0-9]{1,7}|[^<> \t\r\n\x80-\xff]|[\x80-\xff]{2,4})[ \t\r\n]*<")
_BEFORE: Final = b" \t\r\n,;|[{(:>="  # a string's first quote
_MARK: Final = b"bBuUrRfFL@"  # what a language may write before it
_BEHIND: Final = b" \t\r\n,;|]})/>"  # its last quote
_OPENS, _MARKS, _CLOSES, _SPACES, _SEPARATES = (1 << bit for bit in range(5))
_BITS: Final = bytes(
    sum(
        bit
        for bit, kind in (
            (_OPENS, _BEFORE),
            (_MARKS, _MARK),
            (_CLOSES, _BEHIND),
            (_SPACES, b" \t"),
            (_SEPARATES, b":="),
        )
        if code in kind
    )
    for code in range(256)
)
_BITS_BEHIND: Final = bytes((_CLOSES, 0))
"""Of what stands behind a text."""
# The same of a small text, character by character; at either end of a text there is none.
_SMALL_OPENS: Final = frozenset(bytes((code,)) for code in _BEFORE)
_SMALL_MARKS: Final = frozenset(bytes((code,)) for code in _MARK)
_SMALL_CLOSES: Final = frozenset(bytes((code,)) for code in _BEHIND)
_SMALL_KEY_ENDS: Final = frozenset({b" :", b" =", b"\t:", b"\t="})
_BLOCK: Final = 4096
"""How many pieces are put together, or asked for, at once."""


def pieces(raw: bytes) -> Iterator[Spans]:
    """Tell what is left of a text without keys, and without tags, where it has any."""
    if raw.count(b'"') + raw.count(b"'") > 3:
        yield _strings(raw)
    yield from _bare(raw)


def small_pieces(texts: Sequence[bytes], apart: bytes) -> Iterator[bytes]:
    """Give the same of several small texts, without where it stands.

    Args:
        apart: Ends a line and a tag; no text holds all of it.
    """
    yield from (_small_strings(text) for text in texts)
    together = apart.join(texts)
    for kept in _bare(together):
        yield join_spans(together, kept)


def join_spans(raw: bytes, spans: Spans) -> bytes:
    """Return some pieces of a text in a row; a block of them at a time, so that it stays in the processor's cache."""
    text, (first, end) = np.frombuffer(raw, np.uint8), spans
    blocks = (slice(at, at + _BLOCK) for at in range(0, len(first), _BLOCK))
    return b"".join(text.take(span_places(first[block], end[block])).tobytes() for block in blocks)


def _small_strings(raw: bytes) -> bytes:
    """Return what stands in quotes and is no key: what ``_strings`` leaves."""
    if b"'" in raw or b"`" in raw:
        raw = raw.translate(_ONE_QUOTE)
    while b'""' in raw:
        raw = raw.replace(b'""', b'"')
    parts = raw.split(b'"')
    if len(parts[0]) < 2:  # of a text, nothing or a mark stands before the first quote
        parts[0] = b" "
    parts[-1] = parts[-1] or b" "
    strings = [
        text
        for before, text, behind in zip(parts, parts[1:], parts[2:], strict=False)
        if (behind[:1] in _SMALL_CLOSES and behind[:2] not in _SMALL_KEY_ENDS)
        and (before[-1:] in _SMALL_OPENS or (before[-1:] in _SMALL_MARKS and before[-2:-1] in _SMALL_OPENS))
    ]
    return b"".join(strings)


def _bare(raw: bytes) -> Iterator[Spans]:
    if b";" in raw or b"&" in raw or b"\n" in raw.rstrip():
        yield _between(_keys(raw), len(raw))
    if b"<" in raw and b">" in raw:
        yield _between(_tags(raw), len(raw))


def _between(spans: Spans, size: int) -> Spans:
    """Return what stands between these, and at either end."""
    first, end = spans
    return np.concatenate(([0], end)), np.append(first, size)


def may_hold_tagged_items(raw: bytes, fewest: int) -> bool:
    """Tell whether as many numbers or single characters stand between tags as a text has characters."""
    if b"</" not in raw:
        return False
    return next(islice(_TAGGED_ITEM.finditer(raw), fewest - 1, None), None) is not None


def without_tags(view: View) -> View:
    """Give a view with a blank for each tag."""
    first, end = _tags(view.raw)
    last = np.append(first[1:], len(view.raw))[: len(first)] != end  # of several in a row
    kept = _between((first, end - last), len(view.raw))
    bare = view.pick(span_places(*kept))
    bare.text[bare.text == ord(">")] = ord(" ")
    return bare


def _strings(raw: bytes) -> Spans:
    """Tell what stands in quotes and is no key; quotes that are written several times in a row count as one."""
    if b"'" in raw or b"`" in raw:
        at = np.flatnonzero(np.frombuffer(raw.translate(_QUOTES), np.bool_))
    else:
        at = np.flatnonzero(np.frombuffer(raw, np.uint8) == ord('"'))
    apart = at[1:] - at[:-1] > 1
    first = last = at
    if not apart.all():
        first, last = at[np.concatenate(([True], apart))], at[np.concatenate((apart, [True]))]
    blocks = (slice(at, at + _BLOCK + 1) for at in range(0, max(1, len(first) - 1), _BLOCK))
    row = np.frombuffer(b"".join((b"\0", raw.translate(_BITS), _BITS_BEHIND)), np.uint8)
    found = [_values(row, first[block], last[block]) for block in blocks]
    return np.concatenate([first for first, _ in found]), np.concatenate([end for _, end in found])


def _values(row: Bytes, first: Places, last: Places) -> Spans:
    """Tell what stands between quotes and is no key.

    Args:
        row: The bits of each character, those of nothing before the first.
        first: Where quotes begin that stand in a row.
        last: Where they end.
    """
    before, after = row.take(first[:-1]), row.take(last[1:] + 2)
    opens = before & _OPENS != 0
    if (marked := before & _MARKS != 0).any():
        opens |= marked & (row[first[:-1] - 1] & _OPENS != 0)
    closes = after & _CLOSES != 0
    if (spaced := after & _SPACES != 0).any():
        closes &= ~(spaced & (row.take(last[1:] + 3) & _SEPARATES != 0))
    opens[:2] |= first[: len(opens)][:2] < 2
    value = opens & closes
    return last[:-1][value] + 1, first[1:][value]


def _keys(raw: bytes) -> Spans:
    """Tell what stands between the beginning of a line, or of a pair, and the first that separates a key from it."""
    classes = np.frombuffer(raw.translate(_KEYS), np.uint8)
    marks = np.flatnonzero(classes != 0)
    first = classes[marks] == 2
    first[1:] &= ~first[:-1]
    begins = np.empty_like(marks)
    begins[:1], begins[1:] = 0, marks[:-1] + 1
    return begins[first], marks[first] + 1


def _tags(raw: bytes) -> Spans:
    """Tell what stands in angle brackets."""
    classes = np.frombuffer(raw.translate(_TAGS), np.uint8)
    marks = np.flatnonzero(classes != 0)
    opens = classes[marks] == 1
    tag = opens[:-1] & ~opens[1:]
    return marks[:-1][tag], marks[1:][tag] + 1
