"""Which of a call's values the call's own text holds.

Most calls of a block have the same text as the one before, so a text that held none of these values isn't looked
through again. What is remembered are keyed digests of the text and of the values, under a key that is new at each
start.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from app.kernel.secret import SecretValue
from app.outbound.inject import write_with_marks
from app.outbound.model import Call
from app.redaction.canonical import OutOfBudgetError
from app.redaction.redactor import Redactor

_MOST: Final = 4096


class Guesses:
    """Finds values in calls' own text; safe to share among threads."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._without: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def find(self, call: Call, values: Mapping[str, SecretValue]) -> Sequence[str]:
        """Return the names of the values that the call's own text holds, in any form."""
        own = _own_text(call)
        key = self._digest(own, values)
        with self._lock:
            if key in self._without:
                return ()
        try:
            names = sorted(Redactor(values).names_in(own))
        except OutOfBudgetError:  # an echo of it can't be read either
            return ()
        if not names:
            with self._lock:
                while len(self._without) >= _MOST:
                    del self._without[next(iter(self._without))]
                self._without[key] = None
        return names

    def _digest(self, own: bytes, values: Mapping[str, SecretValue]) -> bytes:
        digest = blake2b(own, key=self._key, digest_size=32)
        for name, value in sorted(values.items()):
            digest.update(b"\0%b\0%b\0" % (name.encode(), (value.forms or "").encode()))
            digest.update(value.fingerprint(self._key))
        return digest.digest()


def _own_text(call: Call) -> bytes:
    written = write_with_marks(call)
    head = "\n".join((written.url, *(f"{name}:{value}" for name, value in written.headers)))
    return b"\n\n".join((head.encode("latin-1", "replace"), written.body or b""))
