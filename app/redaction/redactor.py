"""Taking values out of what comes back: headers, error texts, and bodies of any kind as they stream in. Pure.

Each form of a value (see ``forms``) becomes ``[redacted:NAME]``, all in one pass over the decoded body. Only a whole
value is redacted, never a part of one, and what holds none comes back byte for byte. Where matches overlap, one marker
takes the place of all their bytes; it is named by the one that starts first, and of these by the longest. Matches of
one form of one value are taken from left to right without overlap, as ``str.replace`` takes them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from app.kernel.secret import SecretValue
from app.redaction.encodings import forms_of
from app.redaction.window import Form, Place, Window

_WORTHWHILE: Final = 64 * 1024  # bytes that are gathered before they are looked through
_WIDEST_UNIT: Final = 4  # a window starts at a multiple of it, so that places in it tell alignment


class Redactor:
    """Takes the values of one call out of what that call brings back."""

    def __init__(self, values: Mapping[str, SecretValue], further: Mapping[str, SecretValue] | None = None) -> None:
        """Take the call's values, and further ones that may go by the same names."""
        named = (*values.items(), *(further or {}).items())
        forms = [(name, form) for name, value in named if value.characters for form in forms_of(value.expose())]
        self._forms = tuple([form for _, form in forms])
        self._names = tuple([name for name, _ in forms])

    def text(self, text: str) -> tuple[str, int]:
        """Redact a header's value or an error's text: what is left, and how many markers were put.

        A header comes as latin-1 whatever bytes it had, so these are looked through where the text can have been one.
        """
        try:
            raw, encoding = text.encode("latin-1"), "latin-1"
        except UnicodeEncodeError:
            raw, encoding = text.encode("utf-8", "surrogatepass"), "utf-8"
        stream = self.stream()
        redacted = stream.feed(raw) + stream.finish()
        return (redacted.decode(encoding, "replace"), stream.count) if stream.count else (text, 0)

    def finds(self, raw: bytes) -> bool:
        """Tell whether a value stands here, in any form."""
        stream = self.stream()
        stream.feed(raw)
        stream.finish()
        return stream.count > 0

    def stream(self) -> RedactionStream:
        """Begin a body."""
        return RedactionStream(self._forms, self._names)

    def __repr__(self) -> str:
        return "Redactor(********)"


class RedactionStream:
    """One body on its way: bytes are let go when no match that is still to come can begin in them.

    ``count`` is the number of markers so far.
    """

    def __init__(self, forms: tuple[Form, ...], names: tuple[str, ...]) -> None:
        self._forms = forms
        self._names = names
        self._places = [Place() for _ in forms]
        self._hold = max((form.hold for form in forms), default=0)
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._matches: list[tuple[int, int, int]] = []  # start, minus the end, which form: in the order they count in
        self._done = 0  # up to where the window was let go, or covered by a marker
        self.count = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; give redacted ones that are safe to let go, perhaps none yet."""
        if not self._forms:
            return chunk
        self._pieces.append(chunk)
        self._gathered += len(chunk)
        return self._let_go(final=False) if self._gathered >= max(_WORTHWHILE, self._hold) else b""

    def finish(self) -> bytes:
        """Give the redacted rest."""
        return self._let_go(final=True)

    def _let_go(self, *, final: bool) -> bytes:
        data = b"".join(self._pieces)
        window = Window(data, final)
        for number, (form, place) in enumerate(zip(self._forms, self._places, strict=True)):
            if found := form.search(window, place):
                self._matches += [(start, -end, number) for start, end in found]
        self._matches.sort()
        cut = len(data) if final else max(0, len(data) - self._hold) // _WIDEST_UNIT * _WIDEST_UNIT
        redacted = self._replaced(data, cut)
        if not final:
            self._keep_from(data, cut)
        return redacted

    def _replaced(self, data: bytes, cut: int) -> bytes:
        """Put markers for the matches that start before ``cut``; none that starts there is still to come."""
        settled = bisect_left(self._matches, (cut,))
        out: list[bytes] = []
        for start, minus_end, number in self._matches[:settled]:
            if start >= self._done:
                out += (data[self._done : start], self._marker(number))
                self.count += 1
            self._done = max(self._done, -minus_end)
        del self._matches[:settled]
        if self._done < cut:
            out.append(data[self._done : cut])
            self._done = cut
        return b"".join(out)

    def _marker(self, number: int) -> bytes:
        return f"[redacted:{self._names[number]}]".encode(self._forms[number].encoding)

    def _keep_from(self, data: bytes, cut: int) -> None:
        self._pieces = [data[cut:]]
        self._gathered = 0
        self._done -= cut
        self._matches = [(start - cut, minus_end + cut, number) for start, minus_end, number in self._matches]
        for place in self._places:
            place.shift(cut)

    def __repr__(self) -> str:
        return f"RedactionStream(********, count={self.count})"
