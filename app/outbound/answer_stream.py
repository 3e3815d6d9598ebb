"""An upstream's answer that goes on as it comes: decoded and redacted piece by piece, never let go by a timer.

How much is held back, ``app.redaction.frames`` says; it never depends on what stands in a value. Otherwise whoever
controls an echo would find a value by its delay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from app.kernel.errors import ResponseNotReadable, ResponseTooLarge, StrongroomError
from app.outbound.decode import decoder
from app.outbound.model import Origin
from app.outbound.response import describes_original_body
from app.outbound.transport import UpstreamResponse
from app.redaction.canonical import OutOfBudgetError
from app.redaction.charsets import RedactedText
from app.redaction.frames import EVENTS, LARGEST_FRAME, LINES, SEQUENCES, FrameTooLargeError
from app.redaction.redactor import Redactor

_CEILING: Final = 4
"""How often the limit on what goes on the bytes may be that came."""
_AT_ONCE: Final = 256 * 1024  # bytes that are looked through before what is left of them goes on
_OUR_EVENT: Final = re.compile(rb"(?i)(?:^|[\r\n]|\xef\xbb\xbf)event:[ \t]*strongroom-error[ \t]*(?:[\r\n]|$)")
_OUR_LINE: Final = "strongroom_error"
_RECORD: Final = b"\x1e"  # what a JSON sequence begins each text with (RFC 7464)
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
    "x-pingback",
    "x-reproxy-",
    "x-sourcemap",
    "x-redirect-by",
    "x-firefox-",
    "x-requested-with",
    "x-csrf",
    "x-xsrf",
)


def passed_headers(headers: Sequence[tuple[str, str]], *, keep_tag: bool) -> tuple[tuple[str, str], ...]:
    """Return those of an answer's headers that go on with its stream, redacted before.

    Of several media types the first does: what comes is looked through as that.
    """
    passed = [(name, value) for name, value in headers if _passes(name.lower(), keep_tag)]
    types = [position for position, (name, _) in enumerate(passed) if name.lower() == "content-type"]
    for position in reversed(types[1:]):
        del passed[position]
    return tuple(passed)


def _passes(name: str, keep_tag: bool) -> bool:
    if name == "etag":
        return keep_tag
    if name in _PASSED:
        return True
    return name.startswith("x-") and not name.startswith(_NEVER_PASSED) and not describes_original_body(name)


class AnswerStream:
    """Implements ``app.outbound.model.ResponseStream``; for one thread at a time."""

    def __init__(
        self,
        answer: UpstreamResponse,
        redactor: Redactor,
        *,
        headers: tuple[tuple[str, str], ...],
        content_type: tuple[str | None, str | None],
        redactions: int,
        sent_bytes: int,
        redirects: tuple[Origin, ...],
        largest: int,
        idle_seconds: float,
    ) -> None:
        self.status = answer.status
        self.headers = headers
        self.media_type, charset = content_type
        self.idle_seconds = idle_seconds
        self.sent_bytes = sent_bytes
        self.received_bytes = 0
        self.redirects = redirects
        self.over = False
        self.more = False
        self.moved = False
        self._answer = answer
        self._decode = decoder(answer.header("Content-Encoding"))
        self._unfolding: Iterator[bytes] = iter(())
        self._ended = False
        self._came = 0
        self._largest = largest
        self._in_head = redactions
        self._body = RedactedText(redactor, charset, self.media_type)
        self._last = b"\n"
        self._fault: StrongroomError | None = None

    @property
    def redactions(self) -> int:
        """How many places were redacted so far, those in the head included."""
        return self._in_head + self._body.count

    def take(self) -> bytes:
        """See ``ResponseStream.take``."""
        if self._fault is not None:
            raise self._fault
        pieces: list[bytes] = []
        try:
            for piece in self._take():
                self.received_bytes += len(piece)
                if self.received_bytes > self._largest:
                    raise self._too_large()
                pieces.append(piece)
        except (OutOfBudgetError, FrameTooLargeError, UnicodeError, StrongroomError) as error:
            self._fault = _as_our_error(error)
            if not pieces:
                raise self._fault from None
            self.more = True  # what came before goes on before it is told
        taken = b"".join(pieces)
        self._last = taken[-1:] or self._last
        return taken

    def _take(self) -> Iterator[bytes]:
        looked = 0
        self.moved = self.more = False
        while looked < _AT_ONCE:
            piece = next(self._unfolding, None)
            if piece is not None:
                looked += len(piece)
                self._count(len(piece))
                yield from self._drop_ours(self._body.feed(piece))
            elif self._ended:
                yield from self._drop_ours(self._body.finish())
                self.over = True
                return
            else:
                chunk = self._answer.read_now()
                if chunk is None:
                    return
                looked += len(chunk)
                self._begin(chunk)
        self.more = True

    def _begin(self, chunk: bytes) -> None:
        """Begin to unfold what has come."""
        self.moved = True
        self._count(len(chunk))
        self._ended = not chunk
        self._unfolding = self._decode.feed(chunk) if chunk else self._decode.finish()

    def _count(self, size: int) -> None:
        self._came += size
        if self._came > 2 * _CEILING * self._largest:  # as it came, and unfolded
            raise self._too_large()

    def _too_large(self) -> ResponseTooLarge:
        return ResponseTooLarge(f"The upstream's answer has more than {self._largest} bytes.")

    def _drop_ours(self, pieces: Sequence[bytes]) -> Iterator[bytes]:
        """Leave out the frames that speak for this service."""
        return (piece for piece in pieces if not _is_ours(piece, self.media_type))

    def require_running(self) -> None:
        """See ``ResponseStream.require_running``."""
        self._answer.require_running()

    def fileno(self) -> int:
        """See ``ResponseStream.fileno``."""
        return self._answer.fileno()

    def farewell(self, problem: bytes) -> bytes:
        """See ``ResponseStream.farewell``."""
        if self.media_type == EVENTS:
            return b"\n\nevent: strongroom-error\ndata: " + problem + b"\n\n"
        if self.media_type not in LINES:
            return b""
        before = b"" if self._last == b"\n" else b"\n"
        record = _RECORD if self.media_type in SEQUENCES else b""
        return before + record + b'{"strongroom_error": ' + problem + b"}\n"

    def close(self) -> None:
        """See ``ResponseStream.close``."""
        self._answer.close()

    def __repr__(self) -> str:
        return f"AnswerStream({self.status})"


def _as_our_error(error: Exception) -> StrongroomError:
    if isinstance(error, StrongroomError):
        return error
    if isinstance(error, FrameTooLargeError):
        return ResponseTooLarge(f"One piece of the upstream's stream has more than {LARGEST_FRAME} bytes.")
    if isinstance(error, OutOfBudgetError):
        return ResponseNotReadable("The upstream's answer would take too long to be looked through.")
    return ResponseNotReadable("The upstream's answer isn't in the charset that it claims.")


def _is_ours(frame: bytes, media_type: str | None) -> bool:
    """Tell whether a frame reads as one in which this service tells of a problem."""
    if media_type == EVENTS:
        return _OUR_EVENT.search(frame) is not None
    if media_type not in LINES or (_OUR_LINE.encode() not in frame and b"\\u" not in frame):
        return False
    return any(_is_our_line(line) for line in frame.replace(_RECORD, b"\n").splitlines())


def _is_our_line(line: bytes) -> bool:
    try:
        document = orjson.loads(line)
    except ValueError:  # to a lenient reader it may be JSON all the same
        return _OUR_LINE.encode() in line
    return isinstance(document, dict) and _OUR_LINE in document
