"""Sending a call: inject, send, redact, and follow a redirect where the call says so. What is on the wire is
``wire``'s; what leaves this file is redacted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from app.kernel.errors import (
    PayloadTooLarge,
    RequestNotAllowed,
    ResponseNotReadable,
    ResponseTooLarge,
    UpstreamProtocol,
    ValueNotAllowedHere,
)
from app.kernel.secret import SecretValue
from app.outbound.answer_stream import AnswerStream, passed_headers
from app.outbound.decode import decoder
from app.outbound.guard import Guard
from app.outbound.inject import Prepared, inject, preview
from app.outbound.model import Call, Destination, Origin, OutboundRules, Preview, Response, UsedSecret
from app.outbound.redirects import MOST_HOPS, location_of, next_request
from app.outbound.requests_allowed import RequestLine, request_line, require_request
from app.outbound.transport import Answer, Wire
from app.redaction.canonical import OutOfBudgetError
from app.redaction.charsets import redact_text
from app.redaction.redactor import Redactor

_LARGEST_HEAD: Final = 256 * 1024
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
# What is measured or hashed by whoever holds the original tells something of the value that was taken out.
_MEASURES: Final = frozenset(
    {
        "content-length",
        "content-range",
        "content-md5",
        "etag",
        "digest",
        "content-digest",
        "repr-digest",
        "signature",
        "signature-input",
        "x-goog-hash",
        "x-goog-stored-content-length",
        "x-amz-content-sha256",
    }
)
_MEASURES_START: Final = ("x-amz-checksum-", "x-checksum", "x-content-digest", "x-content-length", "x-content-md5")
_RAW_TIMES: Final = 4
"""How many times the limit an answer may have before anything is taken out of it."""


class OutboundClient:
    """Implements ``app.outbound.Outbound``; safe to share among threads."""

    def __init__(self, rules: OutboundRules) -> None:
        self._rules = rules
        self._guard = Guard(rules)
        self._wire = Wire(rules.ca_file)

    def check(self, call: Call, secrets: Sequence[UsedSecret]) -> Destination:
        """See ``Outbound.check``."""
        return self._guard.check(call.origin, secrets)

    def preview(self, call: Call) -> Preview:
        """See ``Outbound.preview``."""
        return preview(call)

    def send(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Mapping[str, SecretValue] | None = None,
    ) -> Response:
        """See ``Outbound.send``."""
        redactor = Redactor(values, hidden)
        began = time.monotonic()
        answer, sent, redirects = self._exchange(call, destination, values, redactor, workspace=workspace)
        with closing(answer):
            body = _read(answer, _RAW_TIMES * self._rules.max_response_bytes)
        came = time.monotonic()  # before anything is looked for: how long that takes is nobody's business
        shown = _redact(answer, body, redactor, self._rules.max_response_bytes)
        return Response(
            status=answer.status,
            headers=shown.headers,
            body=shown.body,
            media_type=shown.media_type,
            charset=shown.charset,
            redactions=shown.count,
            elapsed_ms=round((came - began) * 1000, 1),
            sent_bytes=sent,
            received_bytes=len(shown.body),
            redirects=redirects,
        )

    def send_stream(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Mapping[str, SecretValue] | None = None,
    ) -> AnswerStream:
        """See ``Outbound.send_stream``."""
        redactor = Redactor(values, hidden)
        answer, sent, redirects = self._exchange(call, destination, values, redactor, workspace=workspace)
        try:
            headers, count = _headers(answer, redactor)
            return AnswerStream(
                answer,
                redactor,
                headers=passed_headers(headers, keep_tag=not values and answer.header("Content-Encoding") is None),
                media_type=_content_type(headers)[0],
                redactions=count,
                sent_bytes=sent,
                redirects=redirects,
                largest=self._rules.max_stream_bytes,
                idle_seconds=call.timeout_seconds,
            )
        except BaseException:
            answer.close()
            raise

    def _exchange(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        redactor: Redactor,
        *,
        workspace: str,
    ) -> tuple[Answer, int, tuple[Origin, ...]]:
        """Send a call and follow where it leads: the last answer's head, the bytes sent, and the redirects."""
        request = inject(call, values)
        written = inject(call, {name: _marker(name) for name in values}) if values else request
        self._require_small(written)
        line = _require_same_request(call, request, destination)
        deadline = time.monotonic() + call.timeout_seconds
        exchange = partial(self._wire.exchange, workspace=workspace, deadline=deadline)
        redirects: list[Origin] = []
        sent = size = len(written.body or b"")
        answer = exchange(request, destination)
        while call.follow_redirects and (location := location_of(answer.status, answer.header("Location"))) is not None:
            answer.discard()
            if len(redirects) == MOST_HOPS:
                raise UpstreamProtocol(f"The upstream redirects more than {MOST_HOPS} times.")
            origin, request = next_request(
                request, status=answer.status, location=location, home=call.origin, redactor=redactor
            )
            destination = self._guard.check(origin, destination.secrets)
            if line is not None:
                for used in destination.secrets:
                    require_request(used.name, used.allowed_requests, line.of(request))
            redirects.append(origin)
            sent += size if request.body else 0
            answer = exchange(request, destination)
        return answer, sent, tuple(redirects)

    def stop_at(self, moment: float) -> None:
        """See ``Outbound.stop_at``."""
        self._wire.stop_at(moment)

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    def _require_small(self, written: Prepared) -> None:
        """Raise ``PayloadTooLarge`` by what the caller wrote: a limit that counted values would measure them."""
        if len(written.body or b"") > self._rules.max_request_bytes:
            raise PayloadTooLarge(f"The call's body has more than {self._rules.max_request_bytes} bytes.")
        if len(written.url) + sum(len(name) + len(value) for name, value in written.headers) > _LARGEST_HEAD:
            raise PayloadTooLarge(f"The call's URL and headers have more than {_LARGEST_HEAD} bytes.")


def _marker(name: str) -> SecretValue:
    return SecretValue(f"[secret {name}]")  # without a colon, which no user of basic auth may have


def _require_same_request(call: Call, request: Prepared, destination: Destination) -> RequestLine | None:
    """Return what of a request is matched against its secrets' patterns, once more with the values in it; or None.

    Raises:
        ValueNotAllowedHere: A value makes it another request than the one that was allowed.
    """
    if not any(used.allowed_requests for used in destination.secrets):
        return None
    line = request_line(call)
    try:
        for used in destination.secrets:
            require_request(used.name, used.allowed_requests, line.of(request))
    except RequestNotAllowed as refused:
        sentence = "A value would make it another request than the one that is allowed."
        raise ValueNotAllowedHere(sentence, errors={call.path.location: [sentence]}, extra=refused.extra) from None
    return line


# --- the answer, redacted ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is left of an answer."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    media_type: str | None
    charset: str | None
    count: int


def _read(answer: Answer, most: int) -> bytes:
    """Receive an answer's body to its end, and undo its content codings."""
    decode = decoder(answer.header("Content-Encoding"))
    pieces: list[bytes] = []
    size = 0

    def keep(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > most:
            raise _too_large(most)
        answer.in_time()
        pieces.append(piece)

    for chunk in answer.content():
        for piece in decode.feed(chunk):
            keep(piece)
    for piece in decode.finish():
        keep(piece)
    return b"".join(pieces)


def _redact(answer: Answer, body: bytes, redactor: Redactor, limit: int) -> _Shown:
    try:
        headers, in_headers = _headers(answer, redactor)
        media_type, charset = _content_type(headers)
        seen, in_body = redactor.body(body)
        answer.in_time()
        text, in_text = redact_text(seen, charset, redactor)
    except OutOfBudgetError:
        raise ResponseNotReadable("The upstream's answer takes too long to look through for values.") from None
    answer.in_time()
    if len(text) > limit:
        raise _too_large(limit)
    count = in_headers + in_body + in_text
    measured = count > 0 or answer.header("Content-Encoding") is not None
    if measured:
        headers = [pair for pair in headers if not _measures(pair[0])]
    return _Shown(tuple(headers), text, media_type, charset, count)


def _measures(header: str) -> bool:
    return header.lower() in _MEASURES or header.lower().startswith(_MEASURES_START)


def _headers(answer: Answer, redactor: Redactor) -> tuple[list[tuple[str, str]], int]:
    """Take values out of names and values; a header that holds one across both is left out."""
    kept = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
    if not redactor.finds("\n".join(f"{name}:{value}\n{name}: {value}" for name, value in kept).encode("latin-1")):
        return kept, 0
    headers, count = [], 0
    for name, value in kept:
        (shown_name, in_name), (shown, in_value) = redactor.text(name), redactor.text(value)
        across = redactor.finds(f"{shown_name}:{shown}\n{shown_name}: {shown}".encode("latin-1", "replace"))
        count += in_name + in_value + across
        if not across:
            headers.append((shown_name, shown))
    return headers, count


def _content_type(headers: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    told = next((value for name, value in headers if name.lower() == "content-type"), None)
    if told is None:
        return None, None
    media_type, *parameters = (part.strip() for part in told.split(";"))
    charset = next((part[8:].strip('"') for part in parameters if part.lower().startswith("charset=")), None)
    return media_type.lower(), charset


def _too_large(limit: int) -> ResponseTooLarge:
    return ResponseTooLarge(f"The upstream's answer has more than {limit} bytes.")
