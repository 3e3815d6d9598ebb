"""The type that carries a secret's value and never shows it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final, NoReturn

MASK: Final = "SecretValue(********)"
_JUDGED_CHARACTERS: Final = 32
SCHEME_WORDS: Final = ("bearer ", "basic ", "token ", "apikey ", "digest ")


class SecretValue:
    """A secret's value in memory: Unicode text that no log, repr, format, pickle or comparison gives away.

    ``expose`` is the one way to the text; a test names the four places that may call it.
    """

    __slots__ = ("_text", "forms")

    def __init__(self, text: str, forms: str | None = None) -> None:
        self._text = text
        self.forms: Final = forms
        """Which further forms of it may be looked for in an answer (``receiver_forms.judge``); None: nobody judged."""

    def expose(self) -> str:
        """Return the value itself."""
        return self._text

    @property
    def characters(self) -> int:
        """How many Unicode characters the value has (for the least lengths; never shown)."""
        return len(self._text)

    @property
    def size(self) -> int:
        """How many bytes the value has in UTF-8."""
        return len(self._text.encode())

    def oddities(self) -> tuple[str, ...]:
        """Name what about the value often comes from a slip of copying.

        Returns:
            Of ``blanks_at_ends``, ``quoted``, ``scheme_word`` and ``lines`` those that apply, and nothing of the value.
        """
        bare = self._text.strip()
        found = {
            "blanks_at_ends": bare != self._text,
            "quoted": len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`",
            "scheme_word": bare.lower().startswith(SCHEME_WORDS),
            "lines": "\n" in bare or "\r" in bare,
        }
        return tuple(code for code, applies in found.items() if applies)

    def guesses(self) -> float:
        """Estimate how many guesses find the value, by zxcvbn, from its first and its last characters.

        The whole is as hard to guess as either piece at least. A longer piece of characters that all look alike would
        cost zxcvbn seconds.

        Source: Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", USENIX Security 2016.
        """
        from zxcvbn import zxcvbn  # its dictionaries take a fifth of a second, and no call needs them

        pieces = {self._text[:_JUDGED_CHARACTERS], self._text[-_JUDGED_CHARACTERS:]}
        return max(float(zxcvbn(piece)["guesses"]) for piece in pieces)

    def with_forms(self, forms: str | None) -> SecretValue:
        """Return the same value with the verdict on its further forms."""
        return SecretValue(self._text, forms)

    def fingerprint(self, key: bytes) -> bytes:
        """Return a keyed digest of the value (BLAKE2b), by which equal ones are told in a process's memory.

        Args:
            key: 16 to 64 random bytes that leave the process never.
        """
        return hashlib.blake2b(self._text.encode(), key=key, digest_size=32).digest()

    @classmethod
    def document(cls, values: Mapping[str, SecretValue], facts: Mapping[str, object] | None = None) -> SecretValue:
        """Return one value that holds several, and plain facts about them, as JSON."""
        texts = {name: value._text for name, value in values.items()}
        return cls(json.dumps({"values": texts, "facts": dict(facts or {})}, sort_keys=True))

    def values(self) -> Mapping[str, SecretValue]:
        """Return the values in a ``document``, each in its hiding type; none where this is no document."""
        return {name: SecretValue(text) for name, text in self._member("values").items() if isinstance(text, str)}

    def facts(self) -> Mapping[str, object]:
        """Return the plain facts in a ``document``; none where this is no document."""
        return self._member("facts")

    def _member(self, name: str) -> Mapping[str, object]:
        try:
            document = json.loads(self._text)
        except ValueError:
            return {}
        member = document.get(name) if isinstance(document, dict) else None
        return member if isinstance(member, dict) else {}

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash in a dict's dump would be one more trace of the value

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretValue is never pickled")

    def __copy__(self) -> SecretValue:
        return self

    def __deepcopy__(self, memo: object) -> SecretValue:
        return self
