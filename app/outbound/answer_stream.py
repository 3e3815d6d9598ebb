"""An upstream's answer that goes on as it comes: decoded and redacted piece by piece, never let go by a timer.

Server-sent events and lines of JSON are looked through frame by frame, each of them whole; everything else by a window
whose size depends on how long the values are, and never on what stands in them. Otherwise whoever controls an echo
would find a value by its delay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from app.kernel.errors import ResponseTooLarge
from app.outbound.decode import decoder
from app.outbound.model import Origin
from app.outbound.transport import Answer
from app.redaction.redactor import Redactor

LARGEST_FRAME: Final = 1024 * 1024
_AT_ONCE: Final = 256 * 1024  # bytes that are looked through before what is left of them goes on
_EVENTS: Final = "text/event-stream"
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"})
_END_OF_EVENT: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?![\n]|$))")
_END_OF_LINE: Final = re.compile(rb"\n")
_OUR_EVENT: Final = re.compile(rb"(?:^|[\r\n]|\xef\xbb\xbf)event: ?strongroom-error *(?:[\r\n]|$)")
_OUR_LINE: Final = re.compile(rb'^[\s\x1e]*\{\s*"strongroom_error"')
_PASSED: Final = frozenset(
    {"content-type", "content-disposition", "content-language", "last-modified", "etag", "retry-after"}
)
# What a browser or a proxy before us would obey, and what is ours to say.
_NEVER_PASSED: Final = (
    "x-accel-",
    "x-content-",
    "x-dns-prefetch-",
    "x-download-",
    "x-frame-",
    "x-forwarded-",
    "x-litespeed-",
    "x-lighttpd-",
    "x-permitted-",
    "x-real-ip",
    "x-request-id",
    "x-robots-",
    "x-sendfile",
    "x-strongroom",
    "x-ua-",
    "x-webkit-",
    "x-xss-",
    "x-http-method-override",
    "x-checksum",
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-goog-hash",
    "x-goog-stored-content-length",
    "x-pingback",
    "x-redirect-by",
    "x-firefox-",
    "x-requested-with",
    "x-csrf",
    "x-xsrf",
)


def passed_headers(headers: Sequence[tuple[str, str]], *, keep_tag: bool) -> tuple[tuple[str, str], ...]:
    """Return those of an answer's headers that go on with its stream, redacted before."""
    return tuple((name, value) for name, value in headers if _passes(name.lower(), keep_tag))


def _passes(name: str, keep_tag: bool) -> bool:
    if name == "etag":
        return keep_tag
    return name in _PASSED or (name.startswith("x-") and not name.startswith(_NEVER_PASSED))


class AnswerStream:
    """Implements ``app.outbound.model.ResponseStream``; for one thread at a time."""

    def __init__(
        self,
        answer: Answer,
        redactor: Redactor,
        *,
        headers: tuple[tuple[str, str], ...],
        media_type: str | None,
        redactions: int,
        sent_bytes: int,
        redirects: tuple[Origin, ...],
        largest: int,
        idle_seconds: float,
    ) -> None:
        self.status = answer.status
        self.headers = headers
        self.media_type = media_type
        self.idle_seconds = idle_seconds
        self.redactions = redactions
        self.sent_bytes = sent_bytes
        self.received_bytes = 0
        self.redirects = redirects
        self.over = False
        self.more = False
        self._answer = answer
        self._decode = decoder(answer.header("Content-Encoding"))
        self._unfolding: Iterator[bytes] = iter(())
        self._ended = False
        self._unfolded = 0
        self._largest = largest
        self._sieve = _sieve(media_type, redactor)
        self._counted = 0

    def take(self) -> bytes:
        """See ``ResponseStream.take``."""
        out: list[bytes] = []
        looked = 0
        while looked < _AT_ONCE:
            piece = next(self._unfolding, None)
            if piece is not None:
                looked += len(piece)
                self._unfolded += len(piece)
                if self._unfolded > self._largest:
                    raise ResponseTooLarge(f"The upstream's answer has more than {self._largest} bytes.")
                out += self._sieve.feed(piece)
            elif self._ended:
                out += self._sieve.finish()
                self.over = True
                break
            elif not self._read():
                break
        self.more = looked >= _AT_ONCE
        self.redactions += self._sieve.count - self._counted
        self._counted = self._sieve.count
        return b"".join(out)

    def _read(self) -> bool:
        """Begin to unfold what has come; tell whether anything has, or the end was reached."""
        chunk = self._answer.read_now()
        if chunk is None:
            return False
        self.received_bytes += len(chunk)
        self._ended = not chunk
        self._unfolding = self._decode.feed(chunk) if chunk else self._decode.finish()
        return True

    def fileno(self) -> int:
        """See ``ResponseStream.fileno``."""
        return self._answer.fileno()

    def farewell(self, problem: bytes) -> bytes:
        """See ``ResponseStream.farewell``."""
        if self.media_type == _EVENTS:
            return b"\n\nevent: strongroom-error\ndata: " + problem + b"\n\n"
        return b'\n{"strongroom_error": ' + problem + b"}\n" if self.media_type in _LINES else b""

    def close(self) -> None:
        """See ``ResponseStream.close``."""
        self._answer.close()

    def __repr__(self) -> str:
        return f"AnswerStream({self.status})"


class _Window:
    """Any bytes: what a value could still begin in is held back, always the same amount."""

    def __init__(self, redactor: Redactor) -> None:
        self._stream = redactor.stream()

    @property
    def count(self) -> int:
        return self._stream.count

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield self._stream.feed(piece)

    def finish(self) -> Iterator[bytes]:
        yield self._stream.finish()


class _Frames:
    """Frames: each is looked through whole, and let go when it is complete."""

    def __init__(self, redactor: Redactor, end: re.Pattern[bytes], ours: re.Pattern[bytes]) -> None:
        self._redactor = redactor
        self._end = end
        self._ours = ours
        self._open = bytearray()
        self._looked = 0
        self.count = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self._open += piece
        while (found := self._end.search(self._open, max(0, self._looked - 4))) is not None:
            frame = bytes(self._open[: found.end()])
            del self._open[: found.end()]
            self._looked = 0
            yield self._redact(frame)
        self._looked = len(self._open)
        if self._looked > LARGEST_FRAME:
            raise _frame_too_large()

    def finish(self) -> Iterator[bytes]:
        yield self._redact(bytes(self._open))
        self._open.clear()

    def _redact(self, frame: bytes) -> bytes:
        if len(frame) > LARGEST_FRAME:
            raise _frame_too_large()
        if self._ours.search(frame):
            return b""
        stream = self._redactor.stream()
        shown = stream.feed(frame) + stream.finish()
        self.count += stream.count
        return shown


def _sieve(media_type: str | None, redactor: Redactor) -> _Window | _Frames:
    if media_type == _EVENTS:
        return _Frames(redactor, _END_OF_EVENT, _OUR_EVENT)
    return _Frames(redactor, _END_OF_LINE, _OUR_LINE) if media_type in _LINES else _Window(redactor)


def _frame_too_large() -> ResponseTooLarge:
    return ResponseTooLarge(f"One piece of the upstream's stream has more than {LARGEST_FRAME} bytes.")
