"""An answer as it leaves this room: decoded, and with every value taken out of its headers and body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.kernel.errors import ResponseNotReadable, ResponseTooLarge
from app.outbound.decode import decoder
from app.outbound.transport import UpstreamResponse
from app.redaction.canonical import OutOfBudgetError
from app.redaction.charsets import charset_in, is_seen_as_bytes, redact_text
from app.redaction.redactor import Redactor

_PART_OF_TYPE: Final = re.compile(r"[;,]")
_CEILING: Final = 4
"""How often the limit on what is left the bytes may be that came."""
_SMALL: Final = 64 * 1024
"""Up to so many bytes a body is looked through together with the headers: most answers hold no value."""
_APART: Final = b"\r" + b"\x01" * 80
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-encoding",
    }
)
# What measures or hashes the body in the coding that was undone.
_OF_THE_CODING: Final = frozenset({"content-length", "content-range", "content-md5", "digest", "content-digest"})
# What measures or hashes the original tells something of the value that was taken out.
_OF_THE_ORIGINAL: Final = _OF_THE_CODING | {
    "etag",
    "repr-digest",
    "signature",
    "signature-input",
    "x-content-digest",
    "x-content-hash",
    "x-content-length",
    "x-content-md5",
    "x-content-sha1",
    "x-content-sha256",
}
_MEASURES_START: Final = (
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-checksum",
    "x-goog-hash",
    "x-goog-stored-content-length",
)


@dataclass(frozen=True, slots=True)
class RedactedBody:
    """What is left of an answer."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    media_type: str | None
    charset: str | None
    count: int


def read_body(answer: UpstreamResponse, limit: int) -> bytes:
    """Read an answer's body to its end and undo its content coding.

    Args:
        limit: How many bytes may be left of it after redaction; four times as many may come.

    Raises:
        ResponseTooLarge, ResponseNotReadable: It has more, or isn't in the coding that it claims.
        UpstreamError: It ended before its end, or came too late.
    """
    decode = decoder(answer.header("Content-Encoding"))
    pieces: list[bytes] = []
    size = 0
    for chunk in answer.content():
        for piece in decode.feed(chunk):
            size += len(piece)
            if size > _CEILING * limit:
                raise _too_large(limit)
            answer.in_time()
            pieces.append(piece)
    pieces += decode.finish()
    body = b"".join(pieces)
    if len(body) > _CEILING * limit:
        raise _too_large(limit)
    return body


def redact(answer: UpstreamResponse, body: bytes, redactor: Redactor, limit: int) -> RedactedBody:
    """Take every value out of an answer.

    Raises:
        ResponseNotReadable: Looking through it would take longer than it may.
        ResponseTooLarge: More is left than may be.
        UpstreamTimeout: The call's time is over.
    """
    headers = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
    text, count = body, 0
    media_type, told = content_type_of(headers)
    charset = charset_in(body, told)
    try:
        if len(body) > _SMALL or not is_seen_as_bytes(charset) or redactor.finds(_beside(headers, body, redactor)):
            headers, in_headers = redact_headers(answer, redactor)
            media_type, charset = content_type_of(headers)
            charset = charset_in(body, charset)
            text, in_text = redact_text(body, charset, redactor)
            text, in_body = redactor.body(text)
            count = in_headers + in_text + in_body
    except OutOfBudgetError:
        raise ResponseNotReadable("The upstream's answer would take too long to be looked through.") from None
    if len(text) > limit:
        raise _too_large(limit)
    if count:
        headers = [pair for pair in headers if not describes_original_body(pair[0].lower())]
    elif answer.header("Content-Encoding") is not None:
        headers = [pair for pair in headers if pair[0].lower() not in _OF_THE_CODING]
    return RedactedBody(tuple(headers), text, media_type, charset, count)


def describes_original_body(header: str) -> bool:
    """Tell whether a header (in lower case) measures what came, and so doesn't fit what is left of it."""
    return header in _OF_THE_ORIGINAL or header.startswith(_MEASURES_START)


def redact_headers(answer: UpstreamResponse, redactor: Redactor) -> tuple[list[tuple[str, str]], int]:
    """Take values out of names and values; a header that holds one across both is left out."""
    kept = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
    if not redactor.finds(_together(kept, redactor)):
        return kept, 0
    headers, count = [], 0
    for name, value in kept:
        (shown_name, in_name), (shown, in_value) = redactor.text(name), redactor.text(value)
        across = redactor.finds(f"{shown_name}:{shown}\n{shown_name}: {shown}".encode("latin-1", "replace"))
        count += in_name + in_value + across
        if not across:
            headers.append((shown_name, shown))
    return headers, count


def _beside(headers: Sequence[tuple[str, str]], body: bytes, redactor: Redactor) -> bytes:
    """Return headers and body as one text, the body where its characters of two or four bytes are seen as such."""
    before = _together(headers, redactor) + _APART
    return before + b"\x01" * (-len(before) % 4) + body


def _together(headers: Sequence[tuple[str, str]], redactor: Redactor) -> bytes:
    # Each in both of its spellings where that matters, but apart: numbers that stood twice near together would look
    # like a list. A CR between two: lines would be looked through as the rows of a table, at more than all else costs.
    blanks = (" ",) if redactor.ignores_blanks else ("", " ")
    spellings = ("\r".join(f"{name}:{blank}{value}" for name, value in headers) for blank in blanks)
    return _APART.join(spelling.encode("latin-1", "replace") for spelling in spellings)


def content_type_of(headers: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Return the media type, in small letters, and the charset that an answer's headers name."""
    told = next((value for name, value in headers if name.lower() == "content-type"), None)
    if told is None:
        return None, None
    media_type, *parameters = (part.strip() for part in _PART_OF_TYPE.split(told))
    charset = next((part[8:].strip('"') for part in parameters if part.lower().startswith("charset=")), None)
    return media_type.lower(), charset


def _too_large(limit: int) -> ResponseTooLarge:
    return ResponseTooLarge(f"The upstream's answer has more than {limit} bytes.")
