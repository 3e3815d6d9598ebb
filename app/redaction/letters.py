"""Texts that are looked for by their letters and digits, whatever else a writer put between these. Pure.

``sk_live_5`` is found in ``s|k|_|l…``, ``"sk_l" . "ive_5"`` and ``> sk_l`` over ``> ive_5`` alike. A hit counts only
where all of the text stands there in its order, its own punctuation included: a part of a text is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.redaction.search import Search
from app.redaction.views import View

SHORTEST: Final = 12
SHORTEST_MIXED: Final = 8
"""The letters and digits of the shortest text that is looked for like this: of a short one other texts hold too. A text
with both may be shorter, since no words make one up."""
_PUNCTUATION: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_DIGITS: Final = b"0123456789"
_NOT_ASCII: Final = bytes(range(0x80, 0xFF))  # but for BREAK


def letters(text: bytes) -> bytes:
    """Leave out all ASCII but letters and digits."""
    return text.translate(None, _PUNCTUATION)


def has_enough_letters(text: bytes) -> bool:
    """Tell whether a text is looked for by its letters and digits alone."""
    left = letters(text)
    digits = len(left) - len(left.translate(None, _DIGITS))
    return len(left) >= (SHORTEST_MIXED if 0 < digits < len(left) else SHORTEST)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, with its name, in three pieces: what stands before its first letter, and behind its last one."""

    name: str
    before: bytes
    within: bytes
    behind: bytes

    def span(self, raw: bytes, low: int, first: int, last: int, high: int) -> tuple[int, int] | None:
        """Return where the text stands, whose letters are found from ``first`` to ``last``; None where it doesn't.

        Args:
            low: Where the text can begin at the earliest.
            high: Where it can end at the latest.
        """
        begin, end = first - len(self.before), last + len(self.behind)
        if begin >= low and end <= high and raw[begin:end] == self.before + self.within + self.behind:
            return begin, end
        rest = iter(raw[first:last])
        if not all(char in rest for char in self.within):
            return None
        begin, end = first, last
        for char in reversed(self.before):
            begin = raw.rfind(char, low, begin)
            if begin < 0:
                return None
        for char in self.behind:
            end = raw.find(char, end, high) + 1
            if not end:
                return None
        return begin, end


class LetterSearch:
    """Finds several texts at once, each with enough letters and digits.

    Args:
        texts: Each with the name of the value that it is a form of.
        any_case: Whether ASCII letters count whatever their case.
    """

    def __init__(self, texts: Sequence[tuple[str, bytes]], *, any_case: bool = False) -> None:
        ascii_only = all(text.isascii() for _, text in texts)
        self._without = _PUNCTUATION + _NOT_ASCII if ascii_only else _PUNCTUATION
        by_letters: dict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
        for name, text in texts:
            by_letters[letters(text)].append((name, text))
        self._texts: dict[int, list[_Text]] = {}
        self._search = Search([(named, text) for text, named in by_letters.items()], any_case=any_case)

    def find(self, view: View) -> Iterator[tuple[int, int, str]]:
        """Give where texts stand in a view: the first byte, the one after the last, and the value's name."""
        hits = self._search.find(view.raw, without=self._without)
        if not hits:
            return
        gone = np.zeros(256, np.bool_)
        gone[np.frombuffer(self._without, np.uint8)] = True
        kept = np.flatnonzero(~gone[view.text])
        raw = view.raw.translate(self._search.fold)
        for first, last, named in hits:
            low = int(kept[first - 1]) + 1 if first else 0
            high = int(kept[last]) if last < len(kept) else len(raw)
            begin, end = int(kept[first]), int(kept[last - 1]) + 1
            for text in self._texts_of(named):
                if span := text.span(raw, low, begin, end, high):
                    yield (*span, text.name)
                    break

    def _texts_of(self, named: list[tuple[str, bytes]]) -> list[_Text]:
        """Return texts of the same letters, the longest first."""
        if (texts := self._texts.get(id(named))) is not None:
            return texts
        texts = []
        for name, text in sorted(named, key=lambda pair: -len(pair[1])):
            is_letter = [not _is_punctuation(code) for code in text]
            first, last = is_letter.index(True), len(text) - is_letter[::-1].index(True)
            folded = text.translate(self._search.fold)
            texts.append(_Text(name, folded[:first], folded[first:last], folded[last:]))
        self._texts[id(named)] = texts
        return texts


def _is_punctuation(code: int) -> bool:
    return code in _PUNCTUATION
