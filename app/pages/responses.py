"""What the editor shows of a call: its answer, how it would go out, or why it can't. Pure.

Everything here is redacted already. ``Pieces`` are a text in parts, with the secret's name beside each part that
stands for one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, cast

from app.calls.captures import Problem
from app.calls.response import answer_body
from app.calls.service import CompletedCall, Preview
from app.kernel.errors import Party, StrongroomError
from app.outbound.urls import Reason
from app.pages.call_form import CallForm, place_errors
from app.pages.filters import count
from app.pages.forms import plain_words

Pieces = Sequence[tuple[str, str | None]]

_MARKER: Final = re.compile(r"\[(?:redacted|secret):([A-Za-z_][A-Za-z0-9_]{0,63})\]")
_MOST_SHOWN: Final = 40_000  # characters of a body
_DENIED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_MOST_CAPTURED: Final = 2_000
_WHOSE: Final[Mapping[Party, str]] = {
    "caller": "Nothing was sent. The call has to change.",
    "policy": "Nothing was sent. An owner or admin can allow it, or the call goes elsewhere.",
    "vault": "Whoever runs the service has to look at Vault. Nothing is lost; try again in a moment.",
    "upstream": "The other side is at fault, or can't be reached from here.",
    "service": "Whoever runs this service has to look at it.",
}
_REASONS: Final[Mapping[str, str]] = {
    Reason.SCHEME: "only https can be called",
    Reason.PLAIN_HTTP: "plain http isn't allowed there",
    Reason.HOST_FORM: "the host isn't written plainly",
    Reason.HOST: "a secret in the call isn't allowed to go there",
    Reason.ADDRESS: "its address isn't public",
    Reason.METADATA: "it is a cloud's metadata service",
    Reason.OWN_SERVICE: "it belongs to Strongroom itself",
}


@dataclass(frozen=True, slots=True)
class CallRefusal:
    """Why a call can't be made, and whose turn it is."""

    said: str
    title: str
    sentence: str
    whose: str
    faults: Sequence[tuple[str | None, str, str]]  # the control's id, the field's label, a sentence
    allow: Sequence[tuple[str, str]] = ()  # a secret, and the host that it isn't allowed to go to
    kind: Literal["refused"] = "refused"


_CAPTURE_NOTES: Final[Mapping[Problem, str]] = {
    "not_json": "the answer isn't JSON",
    "not_found": "nothing found",
    "too_large": "the answer is too large to be searched",
}


@dataclass(frozen=True, slots=True)
class ShownResponse:
    """What came back."""

    said: str
    call_id: str
    status: int
    phrase: str
    took: str
    size: str
    redacted: str
    headers: Sequence[tuple[str, Pieces]]
    body: Pieces
    note: str | None
    captures: Sequence[tuple[str, Pieces | None]]
    capture_notes: Mapping[str, str]
    uses: Sequence[str] = ()
    denied: bool = False  # the other side doesn't take what it was shown
    kind: Literal["call"] = "call"


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """How it would go out."""

    said: str
    method: str
    url: Pieces
    headers: Sequence[tuple[str, Pieces]]
    body: Pieces
    allowed: bool
    destination: str
    kind: Literal["preview"] = "preview"


def refusal_of(error: StrongroomError, form: CallForm, *, allow: Sequence[tuple[str, str]] = ()) -> CallRefusal:
    """Tell of a refusal, with the fields that it is about, and the hosts that whoever asks could allow."""
    return CallRefusal(
        f"{error.title}. {plain_words(error.detail)}",
        error.title,
        plain_words(error.detail),
        _WHOSE[error.party],
        place_errors(error, form),
        allow,
    )


def show_call(call: CompletedCall, uses: Sequence[str]) -> ShownResponse:
    """Show what came back from a call that used these secrets."""
    response = call.response
    text, note = _body_text(answer_body(response))
    headers = [(name, part_at_markers(value, uses)) for name, value in response.headers]
    told = _redaction_note(response.redactions, [part_at_markers(text, uses), *(pieces for _, pieces in headers)])
    took = f"{response.elapsed_ms:.0f} ms" if response.elapsed_ms < 1000 else f"{response.elapsed_ms / 1000:.1f} s"
    cut = f"The first {_MOST_SHOWN:,} of {len(text):,} characters." if len(text) > _MOST_SHOWN else None
    return ShownResponse(
        said=f"Answered {response.status} in {took}. Redacted: {told}.",
        call_id=call.call_id,
        status=response.status,
        phrase=_phrase(response.status),
        took=took,
        size=_size(len(response.body)),
        redacted=told,
        headers=headers,
        body=part_at_markers(text[:_MOST_SHOWN], uses),
        note=note or cut,
        captures=[(name, _show_capture(value, uses)) for name, value in call.captures.items()],
        capture_notes={name: _CAPTURE_NOTES[problem] for name, problem in call.capture_problems.items()},
        uses=uses,
        denied=response.status in _DENIED and bool(uses),
    )


def outgoing(preview: Preview, uses: Sequence[str]) -> ShownPreview:
    """Show how a call that uses these secrets would go out."""
    verdict = preview.destination
    where = f"{verdict.host}, port {verdict.port}"
    if verdict.allowed:
        told = f"It may go to {where}" + (f" ({', '.join(verdict.addresses)})." if verdict.addresses else ".")
    else:
        reason = verdict.reason or "the destination isn't allowed"
        told = f"It may not go to {where}: {_REASONS.get(reason, reason.replace('_', ' '))}."
    return ShownPreview(
        said=f"Preview. {told}",
        method=preview.method,
        url=part_at_markers(preview.url, uses),
        headers=[(name, part_at_markers(value, uses)) for name, value in preview.headers],
        body=part_at_markers((preview.body or "")[:_MOST_SHOWN], uses),
        allowed=verdict.allowed,
        destination=told,
    )


def part_at_markers(text: str, names: Sequence[str]) -> Pieces:
    """Part a text at the markers of these secrets; what only looks like one stays text."""
    pieces: list[tuple[str, str | None]] = []
    end = 0
    for found in _MARKER.finditer(text):
        if found[1] in names:
            pieces += [(text[end : found.start()], None), (found[0], found[1])]
            end = found.end()
    return [piece for piece in [*pieces, (text[end:], None)] if piece[0]]


def _body_text(body: Mapping[str, object]) -> tuple[str, str | None]:
    content = body["content"]
    if body["type"] == "json":
        return json.dumps(content, indent=2, ensure_ascii=False), None
    text = cast(str, content)
    if body["type"] == "base64":
        return "", "It isn't text, so it isn't shown." if text else "Empty."
    return text, None if text else "Empty."


def _show_capture(value: object, uses: Sequence[str]) -> Pieces | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return part_at_markers(text if len(text) <= _MOST_CAPTURED else text[:_MOST_CAPTURED] + "…", uses)


def _redaction_note(number: int, texts: Sequence[Pieces]) -> str:
    found = Counter(secret for pieces in texts for _, secret in pieces if secret)
    names = f" ({', '.join(sorted(found))})" if found else ""
    return f"{count(number, 'place')}{names}" if number else "nothing"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _size(number: int) -> str:
    if number < 1024:
        return count(number, "byte")
    return f"{number / 1024:.1f} KiB" if number < 1024**2 else f"{number / 1024**2:.1f} MiB"
