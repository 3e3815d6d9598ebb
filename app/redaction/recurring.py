"""Texts in pieces around which the same words stand again and again: what recurs is left out. Pure.

``'sk_l'::text || 'ive_5'::text``, ``part 1 is sk_l, part 2 is ive_5``: what a writer puts around each piece is there as
often as there are pieces, and a piece once. Words count as the same whatever digits they have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from app.redaction.pieces import Spans

_IN_WORD: Final = bytes(code for code in range(255) if code > 127 or chr(code).isalnum())
_WORDS: Final = re.compile(b"([" + _IN_WORD + b"]+)")
_FOLDED: Final = bytes((48 if code in b"0123456789" else code) if code in _IN_WORD else 32 for code in range(256))
_EXPANDS: Final = 16
_BESIDE: Final = 256


def without_recurring(raw: bytes, least: int, longest: int) -> Iterator[Spans]:
    """Tell what is left of a small body without the words that recur in it.

    Args:
        raw: The body. Larger ones are of records, and cost too much to be read once more.
        least: The letters and digits of the text that has the fewest of these.
        longest: The bytes of the longest text.
    """
    if gone := _recurring(words := _words(raw, least, longest), least):
        spans = [match.span() for match, word in zip(_WORDS.finditer(raw), words, strict=True) if word in gone]
        first, end = np.array(spans, np.intp).T
        yield np.concatenate(([0], end)), np.append(first, len(raw))


def small_without_recurring(texts: Sequence[bytes], least: int, longest: int) -> Iterator[bytes]:
    """Give the same of several small texts, without where it stands."""
    for raw in texts:
        if gone := _recurring(words := _words(raw, least, longest), least):
            parts = _WORDS.split(raw)
            parts[1::2] = [b"" if same in gone else word for word, same in zip(parts[1::2], words, strict=True)]
            yield b"".join(parts)


def _words(raw: bytes, least: int, longest: int) -> list[bytes]:
    """Return the words of a body that is neither too large nor too small, with the same digit in place of each."""
    return raw.translate(_FOLDED).split() if least + 2 < len(raw) <= _EXPANDS * longest + _BESIDE else []


def _recurring(words: Sequence[bytes], least: int) -> set[bytes]:
    """Return the words that recur, a quarter as often as the commonest that isn't a number at the least.

    None are where too little would be left.
    """
    if len(set(words)) == len(words):
        return set()
    counts = Counter(words)
    rarest = max((count for word, count in counts.items() if word.strip(b"0")), default=0) / 4
    gone = {word for word, count in counts.items() if count > 1 and count >= rarest}
    left = sum([len(word) * count for word, count in counts.items() if word not in gone])
    return gone if left >= least else set()
