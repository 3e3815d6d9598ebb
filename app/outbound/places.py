"""Where in a call a secret may be put: the places, how a secret's list of them is written, and the match. Pure.

A *place* says where a field stands: ``header:<Name>``, ``basic``, ``query``, ``path``, ``body``. A secret's
*allowed places* are such places, and ``header`` for any header.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from app.kernel.errors import FieldLocation, PlaceNotAllowed, ValidationFailed, in_body

BASIC: Final = "basic"
QUERY: Final = "query"
PATH: Final = "path"
BODY: Final = "body"
ANY_HEADER: Final = "header"

_PLAIN: Final = (ANY_HEADER, BASIC, QUERY, PATH, BODY)
_HEADER_PREFIX: Final = "header:"
# RFC 9110, section 5.6.2: what a header's name is made of.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}", re.ASCII)

_ALLOWED_PLACES: Final = in_body("allowed_places")
_NOT_SETTABLE: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "trailers",
        "expect",
        "upgrade",
        "http2-settings",
        "range",
        "if-range",
        "accept-encoding",
        "forwarded",
        "via",
    }
)
_NOT_SETTABLE_STARTS: Final = ("proxy-", "x-forwarded-")
# What lands in every log and cache on the way, or is answered back by servers of all kinds.
_NEVER_SECRET: Final = frozenset({"user-agent", "referer", "origin", "range", "x-request-id", "traceparent"})
_NEVER_SECRET_STARTS: Final = ("if-", "accept", "content-")


def header_place(name: str) -> str:
    """Return the place that a header of this name is."""
    return _HEADER_PREFIX + name


def fold_header(header: str) -> str:
    """Return a header's name as it is compared: many servers read ``_`` as ``-``, so they are one spelling here."""
    return header.lower().replace("_", "-")


def is_token(header: str) -> bool:
    """Tell whether a text may be a header's name."""
    return _TOKEN.fullmatch(header) is not None


def can_be_set(header: str) -> bool:
    """Tell whether a call may set this header at all."""
    name = fold_header(header)
    return name not in _NOT_SETTABLE and not name.startswith(_NOT_SETTABLE_STARTS)


def may_hold_secret(header: str) -> bool:
    """Tell whether any secret may be put in this header."""
    name = fold_header(header)
    return can_be_set(name) and name not in _NEVER_SECRET and not name.startswith(_NEVER_SECRET_STARTS)


def place_allowed(allowed: Sequence[str], place: str) -> bool:
    """Tell whether a secret with these allowed places may be put in the place."""
    if not place.startswith(_HEADER_PREFIX):
        return place in allowed
    header = place.removeprefix(_HEADER_PREFIX)
    if not may_hold_secret(header):
        return False
    wanted = place.lower()
    return any(each == ANY_HEADER or each.lower() == wanted for each in allowed)


def require_place(secret: str, allowed: Sequence[str], *, place: str, field: FieldLocation) -> None:
    """Do nothing where the secret may be put in the field.

    Raises:
        PlaceNotAllowed: naming secret and field.
    """
    if not place_allowed(allowed, place):
        raise PlaceNotAllowed(
            f"The secret {secret} may not be put in {field.label}.",
            extra={"secret": secret, "field": str(field), "label": field.label, "place": place},
        )


def normalise_places(texts: Sequence[str], *, named_headers_only: bool) -> tuple[str, ...]:
    """Return allowed places each once, in the order of a call's parts; headers keep the spelling they came with.

    Raises:
        ValidationFailed: one is no place, or a header that can hold no secret, or there is none, or ``header`` for
            any header stands where headers have to be named.
    """
    if not texts:
        raise _wrong("Name at least one place.", _ALLOWED_PLACES)
    places: dict[str, str] = {}
    for index, text in enumerate(texts):
        _check(text, _ALLOWED_PLACES.member(index), named_headers_only=named_headers_only)
        places.setdefault(text.lower(), text)
    return tuple(sorted(places.values(), key=_order))


def _check(text: str, field: FieldLocation, *, named_headers_only: bool) -> None:
    if text == ANY_HEADER and named_headers_only:
        raise _wrong("A restricted secret names its headers, such as header:Authorization.", field)
    if text in _PLAIN:
        return
    header = text.removeprefix(_HEADER_PREFIX)
    if header == text or not is_token(header):
        raise _wrong(
            f"{text[:100]!r} isn't a place: write header:NAME, {', '.join(_PLAIN[:-1])} or {_PLAIN[-1]}.", field
        )
    if not may_hold_secret(header):
        raise _wrong(f"No secret may ever be put in the header {header}.", field)


def _order(place: str) -> tuple[int, str]:
    return _PLAIN.index(place.partition(":")[0]), place.lower()


def _wrong(sentence: str, field: FieldLocation) -> ValidationFailed:
    return ValidationFailed(sentence, errors={field: [sentence]})
