"""Redacting an answer while it is on its way: by whole frames, or by a window of a fixed size. Pure.

What is held back depends on how many bytes came and where frames end, never on what is in them; nothing is let go by a
timer. A value that is written longer than the window, or spread over several frames, is out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from app.redaction.canonical import Match
from app.redaction.markers import marker_of

Places = Callable[[bytes], list[Match]]

_STEP: Final = 16 * 1024
_TIMES: Final = 16
_EVENT_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_LINE_END: Final = re.compile(rb"\n")
_FRAMED: Final = {
    "text/event-stream": _EVENT_END,
    "application/x-ndjson": _LINE_END,
    "application/ndjson": _LINE_END,
    "application/jsonl": _LINE_END,
    "application/jsonlines": _LINE_END,
    "application/x-jsonlines": _LINE_END,
    "application/json-seq": _LINE_END,
    "application/stream+json": _LINE_END,
}


def window_of(longest: int) -> int:
    """Return how many bytes a window has: 16 times the longest text that is looked for, in steps of 16 KiB."""
    return max(_STEP, -(-_TIMES * longest // _STEP) * _STEP)


class RedactionStream:
    """One answer on its way.

    Args:
        places: Finds the places of some bytes that hold a value: in order, none overlapping another.
        longest: The bytes of the longest text that is looked for.
        media_type: Decides whether the answer comes in frames: server-sent events, or a JSON document a line.

    ``count`` is the number of markers so far; ``held`` is how many bytes wait.
    """

    def __init__(self, places: Places, longest: int, media_type: str | None = None) -> None:
        self._places = places
        self._window = window_of(longest)
        self._ends = _FRAMED.get(media_type or "")
        self._held = bytearray()
        self._covered = 0  # bytes at the start of what is held that a marker stands for already
        self.count = 0

    @property
    def held(self) -> int:
        """How many bytes wait for more to come."""
        return len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; give redacted ones that may go on, perhaps none yet.

        Raises:
            OutOfBudgetError: Looking through them would take longer than it may.
        """
        self._held += chunk
        if self._ends is None:
            return self._by_window()
        ends = [match.end() for match in self._ends.finditer(self._held)]
        return self._let_go(ends[-1], whole=True) if ends else b""

    def finish(self) -> bytes:
        """Give the redacted rest."""
        return self._let_go(len(self._held), whole=True)

    def _by_window(self) -> bytes:
        # Twice the window is looked through, and its first half goes on.
        windows = len(self._held) // self._window - 1
        return self._let_go(windows * self._window, whole=False) if windows > 0 else b""

    def _let_go(self, size: int, *, whole: bool) -> bytes:
        """Redact and give what begins within the first ``size`` bytes; where ``whole``, nothing reaches beyond."""
        body = bytes(self._held[:size] if whole else self._held)
        out: list[bytes] = []
        done = self._covered
        for place in self._places(body):
            if place.start >= size:
                break
            if place.start >= done:
                out += (body[done : place.start], marker_of(place))
                self.count += 1
            done = max(done, place.end)
        if done < size:
            out.append(body[done:size])
        del self._held[:size]
        self._covered = max(0, done - size)
        return b"".join(out)

    def __repr__(self) -> str:
        return f"RedactionStream(********, count={self.count})"
