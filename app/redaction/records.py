"""Texts whose pieces stand in records: each under the same key, in the same column, behind what lines begin with. Pure.

What belongs together is put together, record by record, and what stands between left out: a log's times, the other
members of an object, the other columns of a table. How a body is put together goes by the body alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np

from app.redaction.pieces import Spans, join_spans
from app.redaction.search import Bytes
from app.redaction.views import ALNUM, Places, flag_bytes, flags_of

LARGEST: Final = 16 * 1024
"""Larger bodies are of many records all of them, and cost too much to be put together in so many ways."""
_FEWEST: Final = 2
"""Records that a body has to have."""
_IS_ALNUM: Final = flags_of(ALNUM)
_QUOTE: Final = b'"'
_NEWLINE: Final = ord("\n")
_DIGITS: Final = b"0123456789"
_ONE_DIGIT: Final = bytes.maketrans(_DIGITS, b"0" * 10)
_KEY: Final = re.compile(
    rb"(?<![A-Za-z0-9_.$@-])([A-Za-z0-9_.$@-]++)([\"'`\\ \t\])]{0,8}+[:=>|]++)"
    rb"(?:(?<=[0-9]{2}:)(?=[0-5][0-9](?:Z|[^0-9A-Za-z_]))())?+(?![\"'`\\]?[,}\])<;&\r\n\0]|\Z)"
)
"""A word, and what separates it from what is its own: not base64's padding, before what closes something. The third
group is there in a time of day, whose parts are nobody's."""
_GROUPS: Final = 3
_NAME: Final = re.compile(rb"[A-Za-z0-9_.$@-]*[ \t]*[(\[{]++\Z")
_OPENS_RECORD: Final = (b"(", b"[", b"{")
_EXPANDS: Final = 4
_BESIDE: Final = 64
_NUMBERED: Final = re.compile(rb"[0-9]\"[ \t]*:")
_SIGNS: Final = (b">", b"=", b" {")
_BETWEEN_CELLS: Final = (b",", b";", b"|", b"\t", b"<>")
_ROW: Final = b"</tr"
_MARKUP: Final = re.compile(rb"\s*<[A-Za-z!?/]")
_BETWEEN_ROWS: Final = re.compile(rb"\](?:,(?: |\n(?:  )?)?| )?\[|\)(?:,[ \n]?| )?\(|</tr>")
_DOCUMENT: Final = re.compile(rb'\s*[{\[]\s*["{}\[\]\n]')
_IN_DOCUMENT: Final = (b"\n ", b'\n"', b'\n{"', b'\n["', b"\n[{", b"\n}", b"\n]")

_LAST_WORDS: Final = 3
_WIDEST_PREFIX: Final = 80
_FARTHEST_LIKE: Final = 4
"""How many lines away one may stand that begins alike: a subtitle has four."""


def records(raw: bytes, longest: int) -> Iterator[Spans]:
    """Tell what is left of a body, in the order in which it belongs together.

    Args:
        longest: The bytes of the longest text that is looked for.
    """
    if len(raw) > LARGEST:
        return
    rows, lines = _count_rows(raw)
    parts = _split_by_keys(raw, has_rows=rows)
    if pieces := _by_keys(parts, longest):
        begins = list(accumulate((len(part or b"") for part in parts), initial=0))
        first = np.array([begins[number] for number, _ in pieces], np.intp)
        yield first, first + np.array([len(piece) for _, piece in pieces], np.intp)
    yield from _by_places(raw, has_rows=rows, has_lines=lines)


def small_records(texts: Sequence[bytes], longest: int) -> Iterator[bytes]:
    """Give the same of several small texts, without where it stands."""
    for raw in texts:
        rows, lines = _count_rows(raw)
        yield b"".join([piece for _, piece in _by_keys(_split_by_keys(raw, has_rows=rows), longest)])
        yield from (join_spans(raw, spans) for spans in _by_places(raw, has_rows=rows, has_lines=lines))


def _by_places(raw: bytes, *, has_rows: bool, has_lines: bool) -> Iterator[Spans]:
    if not has_rows:
        return
    ends = _ends_of_rows(raw, b"\n" if has_lines or _ROW in raw else b"\n)]")
    quote = b'"' if raw.count(b'"') >= raw.count(b"'") else b"'"
    if raw.count(quote) >= 2 * _FEWEST and not _MARKUP.match(raw):
        yield from _by_columns(raw, quote, ends)
    commonest = max(_BETWEEN_CELLS, key=lambda signs: raw.count(signs[:1]))
    yield from _by_columns(raw, commonest + b"\r\n\"'", ends)
    if has_lines:
        yield from _by_columns(raw, b" \t\r\n", ends, most=_LAST_WORDS)
        yield from _behind_prefixes(raw)


def _count_rows(raw: bytes) -> tuple[bool, bool]:
    """Tell whether there are rows of a table, and lines of a text that is no JSON."""
    lines = raw.count(b"\n")
    if lines >= _FEWEST - 1 and _DOCUMENT.match(raw):
        lines -= sum(map(raw.count, _IN_DOCUMENT))
    has_lines = lines >= _FEWEST - 1 and not _MARKUP.match(raw)
    return lines >= _FEWEST - 1 or _BETWEEN_ROWS.search(raw) is not None, has_lines


def _split_by_keys(raw: bytes, *, has_rows: bool) -> Sequence[bytes | None]:
    """Return a text in the parts that it has by ``_KEY``, each group one of them; in one where it can't have keys."""
    return _KEY.split(raw) if _may_have_keys(raw, has_rows=has_rows) else [raw]


def _by_keys(parts: Sequence[Any], longest: int) -> list[tuple[int, bytes]]:
    """Return the pieces that follow the same key, whatever the digits in it, and which of the parts each begins.

    Those of a key are together, in the order in which the keys come.
    """
    if len(parts) == 1:
        return []
    step = _GROUPS + 1
    keys = b"\n".join(parts[1::step]).translate(None, _DIGITS).split(b"\n")
    found: dict[bytes, list[int]] = defaultdict(list)
    for number, (key, time) in enumerate(zip(keys, parts[_GROUPS::step], strict=True), 1):
        if time is None:
            found[key].append(step * number)
    longest = _EXPANDS * longest + _BESIDE
    numbers = [number for several in found.values() if len(several) >= _FEWEST for number in several]
    return [(number, _without_name(parts[number])) for number in numbers if 0 < len(parts[number]) <= longest]


def _may_have_keys(raw: bytes, *, has_rows: bool) -> bool:
    """Tell whether there may be several records: rows, more objects than two, or keys with numbers."""
    if has_rows or (opened := raw.count(b"{")) > _FEWEST or opened != raw.count(b'{"'):
        return True
    return any(sign in raw for sign in _SIGNS) or _NUMBERED.search(raw) is not None


def _without_name(piece: bytes) -> bytes:
    """Leave out what the next record is called, and opened with, at a piece's end: ``Part(``, ``{``."""
    if piece[-1:] not in _OPENS_RECORD:
        return piece
    name = _NAME.search(piece, max(0, len(piece) - _BESIDE))
    return piece[: name.start()] if name else piece


def _ends_of_rows(raw: bytes, signs: bytes) -> Places:
    ends = np.flatnonzero(np.frombuffer(raw.translate(flag_bytes(signs)), np.bool_))
    if _ROW not in raw:
        return ends
    return np.sort(np.concatenate((ends, [match.start() for match in re.finditer(_ROW, raw)])))


def _by_columns(raw: bytes, between: bytes, row_ends: Places, most: int = 0xFFFF) -> Iterator[Spans]:
    """Put together what stands at the same place of each row, counted from its end.

    Args:
        between: What stands between two cells.
        row_ends: Where rows end.
        most: How many columns there are at most.
    """
    apart = np.frombuffer(raw.translate(flag_bytes(between)), np.bool_)
    if between[:1] != _QUOTE and _QUOTE in raw:
        quoted = np.frombuffer(raw, np.uint8) == ord(_QUOTE)
        inside = np.logical_xor.accumulate(quoted)
        goes_on = inside[-1] or inside[row_ends].any()  # so that a quote means something else here
        apart = apart if goes_on else apart & ~inside | quoted
    apart = np.concatenate(([True], apart, [True]))
    edges = np.flatnonzero(apart[1:] != apart[:-1])
    begins, ends = edges[::2], edges[1::2]
    last = np.append(np.searchsorted(begins, row_ends), len(begins)) - 1
    last = last[np.diff(last, prepend=-1) > 0]
    if len(last) < _FEWEST or len(last) == len(begins):
        return
    column = np.repeat(last, np.diff(np.concatenate(([-1], last)))) - np.arange(len(begins))
    if most < 0xFFFF:
        begins, ends, column = begins[column < most], ends[column < most], column[column < most]
    order = np.argsort(np.minimum(column, 0xFFFF).astype(np.uint16), kind="stable")
    yield begins[order], ends[order]


def _behind_prefixes(raw: bytes) -> Iterator[Spans]:
    """Leave out of each line what it begins with as one near it does, whatever the digits; of two alike, all."""
    text = np.frombuffer(raw.translate(_ONE_DIGIT), np.uint8)
    digit = text == ord("0")
    kept = np.ones(len(text), np.bool_)
    np.logical_and(digit[1:], digit[:-1], out=kept[1:])
    np.logical_not(kept[1:], out=kept[1:])
    places = np.flatnonzero(kept)
    folded = text[places]
    ends = np.append(np.flatnonzero(folded == _NEWLINE), len(folded))
    begins = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - begins
    begins, ends = begins[sizes > 0], ends[sizes > 0]
    shared, rows = _common_prefixes(folded, begins, ends - begins)
    # Only whole words are left out: of two pieces that begin alike, none loses its first letters.
    in_word = _IS_ALNUM[rows]
    closes = in_word[:, :-1] & ~in_word[:, 1:] & (np.arange(_WIDEST_PREFIX) < shared[:, None])
    cut = np.where(closes.any(axis=1), _WIDEST_PREFIX - np.argmax(closes[:, ::-1], axis=1), 0)
    cut = np.where(shared >= ends - begins, ends - begins, cut)
    if cut.any():
        bounds = np.append(places, len(text))
        yield bounds[begins + cut], bounds[ends]


def _common_prefixes(folded: Bytes, begins: Places, sizes: Places) -> tuple[Places, Bytes]:
    """Return how many bytes each line begins with as one of its neighbours does, and what each begins with."""
    padded = np.concatenate((folded, np.zeros(_WIDEST_PREFIX + 1, np.uint8)))
    columns = np.arange(_WIDEST_PREFIX + 1)
    rows = padded[begins[:, None] + columns]
    rows[columns >= sizes[:, None]] = 0
    shared = np.zeros(len(begins), np.intp)
    for apart in range(1, min(_FARTHEST_LIKE, len(begins) - 1) + 1):
        differs = rows[apart:] != rows[:-apart]
        alike = np.where(differs.any(axis=1), np.argmax(differs, axis=1), _WIDEST_PREFIX)
        np.maximum(shared[apart:], alike, out=shared[apart:])
        np.maximum(shared[:-apart], alike, out=shared[:-apart])
    return np.minimum(shared, sizes), rows
