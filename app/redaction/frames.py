"""Redacting an answer while it is on its way: by whole frames, or by a window of a fixed size. Pure.

What is held back depends on how many bytes came and where frames end, never on what is in them; nothing is let go by a
timer. Frames go on as soon as they are complete. What went before them is looked through with them once more, so that
a value which began there isn't completed by them. A value that is written longer than the window is out of reach.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from app.redaction.canonical import Match
from app.redaction.markers import marker_of

Places = Callable[[bytes], list[Match]]

_STEP: Final = 16 * 1024
_TIMES: Final = 16
_MOST_CONTEXT: Final = 64 * 1024
_END_BYTES: Final = 4  # of the longest end of a frame
LARGEST_FRAME: Final = 1024 * 1024
# An event ends with an empty line, a line with CR, LF or both. Of a CR that came last nobody knows whether it is half
# of an end, but where the line before ended with a CR alone. Source: WHATWG HTML, section 9.2.5.
_EVENT_END: Final = re.compile(rb"(?:\r\n|\n)(?:\r\n|\n|\r(?!\n|\Z))|\r(?!\n)(?:\r\n|\n|\r)")
_LINE_END: Final = re.compile(rb"\n")
EVENTS: Final = "text/event-stream"
SEQUENCES: Final = frozenset({"application/json-seq", "application/x-json-seq", "application/geo+json-seq"})
LINES: Final = SEQUENCES | frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/x-jsonl",
        "application/json-lines",
        "application/x-json-lines",
        "application/x-json-stream",
        "application/stream+json",
        "text/x-ndjson",
        "text/ndjson",
        "text/jsonl",
    }
)


def window_of(longest: int) -> int:
    """Return how many bytes a window has: 16 times the longest text that is looked for, in steps of 16 KiB."""
    return max(_STEP, -(-_TIMES * longest // _STEP) * _STEP)


def context_of(longest: int) -> int:
    """Return how many bytes before a frame are looked through with it."""
    return min(_TIMES * longest, max(_MOST_CONTEXT, 2 * longest))


def _end_of_frames(media_type: str | None) -> re.Pattern[bytes] | None:
    if media_type == EVENTS:
        return _EVENT_END
    return _LINE_END if media_type in LINES else None


class FrameTooLargeError(Exception):
    """A frame has more bytes than one may have."""


class RedactionStream:
    """One answer on its way.

    Args:
        places: Finds the places of some bytes that hold a value: in order, none overlapping another; None where there
            is no value, and so nothing to wait for.
        longest: The bytes of the longest text that is looked for.
        media_type: Decides whether the answer comes in frames: server-sent events, or a JSON document a line.

    ``count`` is the number of markers so far; ``held`` is how many bytes wait.
    """

    def __init__(self, places: Places | None, longest: int, media_type: str | None = None) -> None:
        self._places = places or (lambda _body: [])
        self._window = window_of(longest) if places else 0
        self._end = _end_of_frames(media_type)
        self._most_before = context_of(longest) if self._end else 0
        self._before = 0  # bytes at the start of what is kept that went on already, and are looked through once more
        self._kept = bytearray()
        self._looked = 0  # up to where no frame ends
        self._covered = 0  # up to where a marker stands already for what is kept
        self.count = 0

    @property
    def held(self) -> int:
        """How many bytes wait for more to come."""
        return len(self._kept) - self._before

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Take the next bytes; give redacted ones that may go on: whole frames, or one piece, or none yet.

        Raises:
            OutOfBudgetError: Looking through them would take longer than it may.
            FrameTooLargeError
        """
        self._kept += chunk
        return self._by_window() if self._end is None else self._by_frames(self._end)

    def finish(self) -> Sequence[bytes]:
        """Give the redacted rest. Raises what ``feed`` does."""
        return self._let_go([len(self._kept)], whole=True) if self.held else ()

    def _by_frames(self, end: re.Pattern[bytes]) -> Sequence[bytes]:
        ends = [match.end() for match in end.finditer(self._kept, self._looked)]
        begin = self._before
        for stop in (*ends, len(self._kept)):
            if stop - begin > LARGEST_FRAME:
                raise FrameTooLargeError
            begin = stop
        if ends:
            return self._let_go(ends, whole=True)
        self._looked = max(self._before, len(self._kept) - _END_BYTES)
        return ()

    def _by_window(self) -> Sequence[bytes]:
        if not self._window:
            return self.finish()
        # Twice the window is looked through, and its first half goes on.
        windows = len(self._kept) // self._window - 1
        return self._let_go([windows * self._window], whole=False) if windows > 0 else ()

    def _let_go(self, ends: Sequence[int], *, whole: bool) -> Sequence[bytes]:
        """Redact and give what begins before the last of ``ends``, a piece up to each, but for those within a marker.

        Args:
            whole: Nothing reaches beyond the last end.
        """
        size = ends[-1]
        kept_from = size - min(size, self._most_before)
        body = bytes(self._kept[:size] if whole else self._kept)
        cut = _Cut(body, ends, before=self._before, done=max(self._before, self._covered))
        for place in self._places(body):
            if place.start >= size:
                break
            cut.cover(place)
            if place.start < kept_from < place.end:  # the end of a value is no text for others to go on with
                kept_from = min(place.end, size)
        pieces = cut.finish()
        self.count += cut.count
        self._before = self._looked = size - kept_from
        del self._kept[:kept_from]
        self._covered = max(0, cut.done - kept_from)
        return pieces

    def __repr__(self) -> str:
        return f"RedactionStream(********, count={self.count})"


class _Cut:
    """Some bytes as they go on, in pieces, with markers.

    Args:
        before: How many bytes at the beginning went on already.
        done: Up to where they did, or a marker stands for them.
    """

    def __init__(self, body: bytes, ends: Sequence[int], *, before: int, done: int) -> None:
        self._body = body
        self._ends = deque(ends)
        self._before = before
        self._pieces: list[bytes] = []
        self._piece: list[bytes] = []
        self.done = done
        self.count = 0

    def cover(self, place: Match) -> None:
        """Put a marker in a place's stead, or in the stead of what of it didn't go on already."""
        if place.end <= self.done:
            return
        if place.start >= self.done or self.done == self._before:
            self._copy(place.start)
            self._piece.append(marker_of(place))
            self.count += 1
        self.done = place.end

    def finish(self) -> Sequence[bytes]:
        """Give all up to the last end."""
        self._copy(self._ends[-1])
        self._end_piece()
        return self._pieces

    def _copy(self, stop: int) -> None:
        while self._ends and self._ends[0] <= stop:
            end = self._ends.popleft()
            if end >= self.done:  # else a marker covers it
                self._piece.append(self._body[self.done : end])
                self.done = end
                self._end_piece()
        self._piece.append(self._body[self.done : stop])
        self.done = max(self.done, stop)

    def _end_piece(self) -> None:
        if piece := b"".join(self._piece):
            self._pieces.append(piece)
        self._piece = []
