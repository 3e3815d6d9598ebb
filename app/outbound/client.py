"""Sending a call: inject, send, redact, and follow a redirect where the call says so. What is on the wire is
``transport``'s; what leaves this file is redacted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from app.kernel.errors import (
    DestinationNotAllowed,
    PayloadTooLarge,
    RedirectRefused,
    RequestNotAllowed,
    ResponseNotReadable,
    UpstreamProtocol,
    UpstreamUnreachable,
    ValueNotAllowedHere,
)
from app.kernel.secret import SecretValue
from app.outbound.answer_stream import AnswerStream, passed_headers
from app.outbound.guard import Guard
from app.outbound.guesses import Guesses
from app.outbound.inject import inject, preview, write_with_marks
from app.outbound.model import (
    Call,
    Destination,
    Hidden,
    Origin,
    OutboundRules,
    Prepared,
    RequestPreview,
    Response,
    TokenAnswer,
    TokenFields,
    UsedSecret,
)
from app.outbound.redirects import MOST_HOPS, location_of, next_request
from app.outbound.requests_allowed import RequestLine, request_line, require_request
from app.outbound.response import content_type_of, read_body, redact, redact_headers
from app.outbound.token_answer import LARGEST_TOKEN_ANSWER, read_token_answer
from app.outbound.transport import UpstreamResponse, Wire
from app.outbound.urls import Reason
from app.redaction.canonical import OutOfBudgetError
from app.redaction.redactor import Redactor

_LARGEST_HEAD: Final = 256 * 1024
# In words of ours: what the upstream wrote stands in no problem.
_REASONS: Final[Mapping[str, str]] = {
    "too_long": "its URL takes too long to be looked through",
    "too_many": f"there are more than {MOST_HOPS}",
    Reason.CARRIES_SECRET: "it would carry a secret to another origin",
    Reason.HOST: "a secret may not go to that host",
    Reason.ADDRESS: "it leads to an address that isn't public",
    Reason.SCHEME: "it leads to another scheme than https",
    Reason.PLAIN_HTTP: "it leads to plain http",
    "signed": "what was sent is signed, and would not be what was signed any more",
    "destination_not_allowed": "the call may not go there",
    "request_not_allowed": "a secret may not ride that request",
    "upstream_unreachable": "its host isn't found",
    "upstream_protocol": "it leads to what is no URL",
}


class OutboundClient:
    """Implements ``app.outbound.Outbound``; safe to share among threads."""

    def __init__(self, rules: OutboundRules) -> None:
        self._rules = rules
        self._guard = Guard(rules)
        self._wire = Wire(rules.ca_file)
        self._guesses = Guesses()

    def check(self, call: Call, secrets: Sequence[UsedSecret]) -> Destination:
        """See ``Outbound.check``."""
        return self._guard.check(call.origin, secrets)

    def find_guesses(self, call: Call, values: Mapping[str, SecretValue]) -> Sequence[str]:
        """See ``Outbound.find_guesses``."""
        return self._guesses.find(call, values) if values else ()

    def preview(self, call: Call) -> RequestPreview:
        """See ``Outbound.preview``."""
        return preview(call)

    def send(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Hidden = (),
    ) -> Response:
        """See ``Outbound.send``."""
        began = time.monotonic()
        answer, hops = self._exchange(call, destination, values, hidden, workspace=workspace)
        limit = self._rules.max_response_bytes
        with closing(answer):
            body = read_body(answer, limit)
        came = time.monotonic()  # before anything is looked for: how long that takes is nobody's business
        left = redact(answer, body, Redactor(values, hidden, in_time=answer.in_time), limit)
        return Response(
            status=answer.status,
            headers=left.headers,
            body=left.body,
            media_type=left.media_type,
            charset=left.charset,
            redactions=left.count,
            elapsed_ms=round((came - began) * 1000, 1),
            sent_bytes=hops.sent_bytes,
            received_bytes=len(left.body),
            redirects=tuple(hops.origins),
        )

    def send_stream(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Hidden = (),
        is_awaited: Callable[[], bool],
    ) -> AnswerStream:
        """See ``Outbound.send_stream``."""
        answer, hops = self._exchange(call, destination, values, hidden, workspace=workspace, is_awaited=is_awaited)
        redactor = Redactor(values, hidden)
        try:
            headers, count = redact_headers(answer, redactor)
            return AnswerStream(
                answer,
                redactor,
                headers=passed_headers(headers, keep_tag=not values and answer.header("Content-Encoding") is None),
                content_type=content_type_of(headers),
                redactions=count,
                sent_bytes=hops.sent_bytes,
                redirects=tuple(hops.origins),
                largest=self._rules.max_stream_bytes,
                idle_seconds=call.timeout_seconds,
            )
        except OutOfBudgetError:
            answer.close()
            raise ResponseNotReadable("The upstream's head would take too long to be looked through.") from None
        except BaseException:
            answer.close()
            raise

    def write(self, call: Call, values: Mapping[str, SecretValue]) -> Prepared:
        """See ``Outbound.write``."""
        self._small_enough(write_with_marks(call))
        return inject(call, values)

    def body_size(self, call: Call) -> int:
        """See ``Outbound.body_size``."""
        return len(write_with_marks(call).body or b"")

    def _exchange(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        hidden: Hidden,
        *,
        workspace: str,
        is_awaited: Callable[[], bool] = lambda: True,
    ) -> tuple[UpstreamResponse, _Hops]:
        """Send a call and follow where it leads: the last answer's head, and the hops that were made."""
        request = write_with_marks(call)
        body_size = self._small_enough(request)
        if values:
            del request  # a large body is in memory often enough as it is
            request = inject(call, values)
        line = _require_same_request(call, request, destination)
        deadline = time.monotonic() + call.timeout_seconds
        exchange = partial(self._wire.exchange, workspace=workspace, deadline=deadline, is_awaited=is_awaited)
        hops = _Hops(call.origin, values, hidden, line, body_size)
        answer = exchange(request, destination)
        while call.follow_redirects and (location := _location_of(answer)) is not None:
            answer.discard()
            if call.signed:
                sentence = _REASONS["signed"]
                raise RedirectRefused(sentence, reason="signed", status=answer.status, sent_bytes=hops.sent_bytes)
            with hops.refused_after(answer.status):
                request, destination = hops.next(request, destination, answer.status, location, self._guard)
            answer = exchange(request, destination)
        return answer, hops

    def ask_for_token(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        fields: TokenFields,
    ) -> TokenAnswer:
        """See ``Outbound.ask_for_token``."""
        answer, _ = self._exchange(call, destination, values, (), workspace=workspace)
        with closing(answer):
            body = read_body(answer, LARGEST_TOKEN_ANSWER // 4)
        date = answer.header("Date")
        return read_token_answer(answer.status, body, fields=fields, date=date, now=datetime.now(UTC))

    def stop_at(self, moment: float) -> None:
        """See ``Outbound.stop_at``."""
        self._wire.stop_at(moment)

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    def _small_enough(self, marked: Prepared) -> int:
        """Return how many bytes the call's body has without values: no limit and no size tells how long one is."""
        in_head = len(marked.url) + sum([len(name) + len(value) for name, value in marked.headers])
        in_body = len(marked.body or b"")
        if in_body > self._rules.max_request_bytes:
            raise PayloadTooLarge(f"The call's body has more than {self._rules.max_request_bytes} bytes.")
        if in_head > _LARGEST_HEAD:
            raise PayloadTooLarge(f"The call's URL and headers have more than {_LARGEST_HEAD} bytes.")
        return in_body


def _location_of(answer: UpstreamResponse) -> str | None:
    try:
        return location_of(answer.status, answer.lines("Location"))
    except UpstreamProtocol:
        answer.close()
        raise


class _Hops:
    """The hops of one call: where redirects lead, and what was sent so far."""

    def __init__(
        self,
        home: Origin,
        values: Mapping[str, SecretValue],
        hidden: Hidden,
        line: RequestLine | None,
        body_size: int,
    ) -> None:
        self._home = home
        self._values = values
        self._hidden = hidden
        self._line = line
        self._body_size = body_size
        self.sent_bytes = body_size
        self.origins: list[Origin] = []

    @contextmanager
    def refused_after(self, status: int) -> Iterator[None]:
        """Turn a refusal into one that says that something was sent, and nothing that the upstream chose."""
        try:
            yield
        except OutOfBudgetError:
            raise RedirectRefused(
                _REASONS["too_long"], reason="too_long", status=status, sent_bytes=self.sent_bytes
            ) from None
        except (DestinationNotAllowed, RequestNotAllowed, UpstreamUnreachable, UpstreamProtocol) as refused:
            reason = str(refused.extra.get("reason", refused.code))
            sentence = _REASONS.get(reason, _REASONS[refused.code])
            raise RedirectRefused(sentence, reason=reason, status=status, sent_bytes=self.sent_bytes) from None

    def next(
        self, request: Prepared, destination: Destination, status: int, location: str, guard: Guard
    ) -> tuple[Prepared, Destination]:
        """Write the next hop's request, and check where it goes as if it were a call of its own."""
        if len(self.origins) == MOST_HOPS:
            raise UpstreamProtocol("", extra={"reason": "too_many"})
        origin, onward = next_request(
            request,
            status=status,
            location=location,
            home=self._home,
            redactor=Redactor(self._values, self._hidden, any_case=True),
        )
        destination = guard.check(origin, destination.secrets)
        if self._line is not None:
            for used in destination.secrets:
                require_request(used.name, used.allowed_requests, self._line.of(onward))
        self.origins.append(origin)
        self.sent_bytes += self._body_size if onward.body else 0
        return onward, destination


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
        sentence = "A value would turn it into a request that isn't allowed."
        raise ValueNotAllowedHere(sentence, errors={call.path.location: [sentence]}, extra=refused.extra) from None
    return line
