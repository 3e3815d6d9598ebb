"""What an ``hmac`` secret signs: a text with places for parts of the call. Pure.

``{{$timestamp}}``, ``{{$timestamp_ms}}``, ``{{$uuid}}``, ``{{$body}}``, ``{{$method}}``, ``{{$path}}`` and
``{{$query}}`` are filled in; ``{{"{{"}}`` writes two literal braces. Variables and secrets aren't: who writes blocks
doesn't choose what is signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.kernel.errors import ValidationFailed, in_body

LONGEST_MESSAGE: Final = 4096
OF_THE_REQUEST: Final = ("$body", "$method", "$path", "$query")
OF_THE_CALL: Final = ("$timestamp", "$timestamp_ms", "$uuid")
_REFERENCE: Final = re.compile(r'\{\{ *(?:(?P<literal>"\{\{")|(?P<name>\$[a-z_]+)) *\}\}', re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """A message: texts, and names of what is filled in between; both in ``pieces``, a name as a tuple of one."""

    pieces: tuple[str | tuple[str], ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of what is filled in."""
        return frozenset(piece[0] for piece in self.pieces if isinstance(piece, tuple))

    def fill(self, parts: Mapping[str, bytes]) -> bytes:
        """Return the bytes that are signed."""
        return b"".join(parts[piece[0]] if isinstance(piece, tuple) else piece.encode() for piece in self.pieces)


@lru_cache(maxsize=256)
def parse_message(source: str) -> Message:
    """Part a message into its pieces.

    Raises:
        ValidationFailed: It is empty or too long, names what there is not, or fills nothing in.
    """
    if not source:
        raise _wrong("A message has at least one character.")
    if len(source.encode()) > LONGEST_MESSAGE:
        raise _wrong(f"A message has at most {LONGEST_MESSAGE} bytes.")
    pieces: list[str | tuple[str]] = []
    text, end = "", 0
    while (start := source.find("{{", end)) >= 0:
        found = _REFERENCE.match(source, start)
        name = found and found["name"]
        if found is None or (name and name not in (*OF_THE_CALL, *OF_THE_REQUEST)):
            raise _wrong(
                "In a message {{ begins one of "
                + ", ".join(f"{{{{{each}}}}}" for each in (*OF_THE_CALL, *OF_THE_REQUEST))
                + '; two literal braces are written {{"{{"}}.'
            )
        text += source[end:start]
        if name:
            pieces += [text] if text else []
            pieces.append((name,))
            text = ""
        else:
            text += "{{"
        end = found.end()
    text += source[end:]
    return Message((*pieces, text) if text else tuple(pieces))


def _wrong(sentence: str) -> ValidationFailed:
    return ValidationFailed(sentence, errors={in_body("message"): [sentence]})
