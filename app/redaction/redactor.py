"""Taking values out of what comes back: headers, error texts and bodies of any kind. Pure.

Every place of a body that holds a whole value, in whatever form (see ``canonical`` and ``receiver_forms``), becomes
``[redacted:NAME]``; never a part of one. What holds none comes back byte for byte.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from app.kernel.secret import SecretValue
from app.redaction.canonical import Budget, Match, Searches, matches
from app.redaction.frames import RedactionStream
from app.redaction.joins import squeeze
from app.redaction.letters import has_enough_letters
from app.redaction.markers import markers_for, places_of, put_markers
from app.redaction.receiver_forms import SHORTEST_JOINED, Form, approved_forms, judge, whole


class Redactor:
    """Takes the values of one call out of what that call brings back.

    Args:
        values: By the names of their secrets.
        further: More of them, by the same names or others.
        any_case: Whether letters count whatever their case, as in a host's name.
        in_time: Called now and then while a body is looked through; it raises where the call's time is over.
    """

    def __init__(
        self,
        values: Mapping[str, SecretValue],
        further: Sequence[tuple[str, SecretValue]] = (),
        *,
        any_case: bool = False,
        in_time: Callable[[], None] = lambda: None,
    ) -> None:
        self._in_time = in_time
        named = [pair for pair in (*values.items(), *further) if pair[1].characters]
        self._searches = _searches(named, any_case=any_case) if named else None

    @property
    def longest(self) -> int:
        """How many bytes the longest text has that is looked for."""
        return self._searches.longest if self._searches else 0

    @property
    def ignores_blanks(self) -> bool:
        """Whether blanks within what is looked through don't matter: all texts are looked for by their letters."""
        return self._searches is None or self._searches.letters_only

    def body(self, body: bytes) -> tuple[bytes, int]:
        """Redact a whole body: what is left, and how many places were redacted.

        Raises:
            OutOfBudgetError: Looking through it would take longer than it may.
        """
        return put_markers(body, self._matches(body))

    def markers(self, body: bytes) -> list[tuple[int, int, bytes]]:
        """Return the places of a whole body that would be redacted, each with its marker. Raises what ``body`` does."""
        return markers_for(body, self._matches(body))

    def stream(self, media_type: str | None = None) -> RedactionStream:
        """Begin an answer that goes on while it comes; see ``frames``."""
        if self._searches is None:
            return RedactionStream(None, 0, media_type)
        return RedactionStream(lambda body: list(places_of(self._matches(body))), self.longest, media_type)

    def _matches(self, body: bytes) -> Iterator[Match]:
        if self._searches is None or not body:
            return iter(())
        return matches(body, self._searches, Budget(len(body), in_time=self._in_time))

    def text(self, text: str) -> tuple[str, int]:
        """Redact a header's value or an error's text: what is left, and how many places were redacted.

        A header comes as latin-1 whatever bytes it had, so these are looked through where the text can have been one.
        """
        try:
            raw, encoding = text.encode("latin-1"), "latin-1"
        except UnicodeEncodeError:
            raw, encoding = text.encode("utf-8", "surrogatepass"), "utf-8"
        redacted, count = self.body(raw)
        return (redacted.decode(encoding, "replace"), count) if count else (text, 0)

    def names_in(self, raw: bytes) -> set[str]:
        """Return the names of the values that stand here, in any form."""
        return {match.name for match in self._matches(raw)}

    def finds(self, raw: bytes) -> bool:
        """Tell whether a value stands here, in any form."""
        return any(True for _ in self._matches(raw))

    def __repr__(self) -> str:
        return "Redactor(********)"


def judge_value(value: SecretValue, fits: Callable[[str], bool]) -> SecretValue:
    """Return a value with the verdict on which further forms of it may be looked for; see ``receiver_forms.judge``."""
    return SecretValue(value.expose(), judge(value.expose(), fits))


def _searches(values: Sequence[tuple[str, SecretValue]], *, any_case: bool) -> Searches:
    plain: list[tuple[str, bytes]] = []
    squeezed: list[tuple[str, bytes]] = []
    lettered: list[tuple[str, bytes]] = []
    for name, value in values:
        texts = [Form(text) for text in whole(value.expose())]
        for form in (*texts, *approved_forms(value.expose(), value.forms)):
            for raw, is_wide in _encodings_of(form.text):
                if not is_wide and has_enough_letters(raw):
                    lettered.append((name, raw))
                elif form.how != "plain" or _stays_whole(raw):
                    squeezed.append((name, raw))
                else:
                    plain.append((name, raw))
    return Searches(plain, squeezed, lettered, any_case=any_case)


def _stays_whole(raw: bytes) -> bool:
    """Tell whether a text is found where all that may cut it was left out; a blank may be written as ``+``."""
    return len(raw) >= SHORTEST_JOINED and b"+" not in raw and squeeze(raw) == raw


def _encodings_of(text: str) -> Iterator[tuple[bytes, bool]]:
    """Give a text's bytes in each charset whose bytes no other view reads as UTF-8, and whether it is a wide one."""
    utf8 = text.encode("utf-8", "surrogatepass")
    yield utf8, False
    if text.isascii():
        return
    for charset in ("latin-1", "cp1252"):
        try:
            yield text.encode(charset), False
        except UnicodeEncodeError:
            continue
    for same in (unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)):
        yield same.encode("utf-8", "surrogatepass"), False
    # What UTF-8 becomes where somebody takes it for a Western charset, once or twice: "Ã©" for "é".
    latin1 = utf8.decode("latin-1")
    yield latin1.encode().decode("latin-1").encode(), False
    windows = "".join(char.encode("latin-1").decode("cp1252", "ignore") or char for char in latin1)
    yield from ((misread.encode(), False) for misread in (latin1, windows))
    for unit in (16, 32):
        for order in ("le", "be"):
            yield text.encode(f"utf-{unit}-{order}", "surrogatepass"), True
