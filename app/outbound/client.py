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
from app.redaction.charsets import redacted_text
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
_MEASURES_START: Final = ("x-amz-checksum-", "x-checksum", "x-content-")


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
            shown = _redact(answer, redactor, self._rules.max_response_bytes)
        return Response(
            status=answer.status,
            headers=shown.headers,
            body=shown.body,
            media_type=shown.media_type,
            charset=shown.charset,
            redactions=shown.count,
            elapsed_ms=round((time.monotonic() - began) * 1000, 1),
            sent_bytes=sent,
            received_bytes=shown.received,
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
        request = self._small_enough(inject(call, values))
        line = _require_same_request(call, request, destination)
        deadline = time.monotonic() + call.timeout_seconds
        exchange = partial(self._wire.exchange, workspace=workspace, deadline=deadline)
        redirects: list[Origin] = []
        sent = len(request.body or b"")
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
            sent += len(request.body or b"")
            answer = exchange(request, destination)
        return answer, sent, tuple(redirects)

    def stop_at(self, moment: float) -> None:
        """See ``Outbound.stop_at``."""
        self._wire.stop_at(moment)

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    def _small_enough(self, request: Prepared) -> Prepared:
        if request.body is not None and len(request.body) > self._rules.max_request_bytes:
            raise PayloadTooLarge(f"The call's body has more than {self._rules.max_request_bytes} bytes.")
        if len(request.url) + sum(len(name) + len(value) for name, value in request.headers) > _LARGEST_HEAD:
            raise PayloadTooLarge(f"The call's URL and headers have more than {_LARGEST_HEAD} bytes.")
        return request


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
    received: int


def _redact(answer: Answer, redactor: Redactor, limit: int) -> _Shown:
    headers, in_headers = _headers(answer, redactor)
    media_type, charset = _content_type(headers)
    body, in_body, received = _body(answer, redactor, limit)
    text, in_text = redacted_text(body, charset, redactor)
    if len(text) > limit:
        raise _too_large(limit)
    count = in_headers + in_body + in_text
    measured = count > 0 or answer.header("Content-Encoding") is not None
    if measured:
        headers = [pair for pair in headers if not _measures(pair[0])]
    return _Shown(tuple(headers), text, media_type, charset, count, received)


def _measures(header: str) -> bool:
    return header.lower() in _MEASURES or header.lower().startswith(_MEASURES_START)


def _body(answer: Answer, redactor: Redactor, limit: int) -> tuple[bytes, int, int]:
    """Decode and redact, piece by piece: what is left, how many markers, how many bytes came over the wire."""
    decode = decoder(answer.header("Content-Encoding"))
    stream = redactor.stream()
    kept: list[bytes] = []
    size = received = 0

    def keep(safe: bytes) -> None:
        nonlocal size
        size += len(safe)
        if size > limit:
            raise _too_large(limit)
        answer.in_time()
        kept.append(safe)

    for chunk in answer.content():
        received += len(chunk)
        for piece in decode.feed(chunk):
            keep(stream.feed(piece))
    for piece in decode.finish():
        keep(stream.feed(piece))
    keep(stream.finish())
    return b"".join(kept), stream.count, received


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
