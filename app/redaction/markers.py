"""Putting ``[redacted:NAME]`` in the place of what matches cover. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import orjson

from app.redaction.canonical import Match

_NUMBER_BYTES: Final = b"0123456789+-.eE"
_JSON_BEGINS: Final = (b"{", b"[", b"-", *(b"%d" % digit for digit in range(10)))
_UNITS: Final = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}


def put_markers(body: bytes, found: Iterable[Match]) -> tuple[bytes, int]:
    """Return the body with a marker for each place that matches cover, and how many these are.

    Where matches overlap they are one place; it is named by the one that starts first, and of these by the longest.
    What was JSON stays JSON: a marker in the place of a bare number becomes a string.
    """
    markers = markers_for(body, found)
    return (splice(body, markers), len(markers)) if markers else (body, 0)


def markers_for(body: bytes, found: Iterable[Match]) -> list[tuple[int, int, bytes]]:
    """Return the places that matches cover, each with the bytes that take its place; see ``put_markers``."""
    places = list(places_of(found))
    plain = [(place.start, place.end, marker_of(place)) for place in places]
    if not places or body.lstrip()[:1] not in _JSON_BEGINS or not _is_json(body):
        return plain
    quoted = list(_in_json(body, places))
    return quoted if _is_json(splice(body, quoted)) else plain


def places_of(found: Iterable[Match]) -> Iterator[Match]:
    """Give the places that matches cover, in order; matches that overlap are one place."""
    aligned: list[Match] = []
    odd: list[Match] = []
    for match in found:
        (odd if match.start % _UNITS.get(match.encoding, 1) else aligned).append(match)
    # Of two readings that are a byte apart, the one that begins at a whole character is meant.
    known = {match.start + shift for match in aligned for shift in (-3, -2, -1, 1, 2, 3)}
    meant = aligned + [match for match in odd if match.start not in known]
    place: Match | None = None
    for match in sorted(meant, key=lambda match: (match.start, -match.end)):
        if place is None or match.start >= place.end:
            if place is not None:
                yield place
            place = match
        elif match.end > place.end:
            place = Match(place.start, match.end, place.name, place.encoding, place.bare)
    if place is not None:
        yield place


def marker_of(place: Match) -> bytes:
    """Return what stands in a place's stead."""
    return f"[redacted:{place.name}]".encode(place.encoding)


def splice(body: bytes, pieces: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Put bytes in the place of others: from where, up to where, and which."""
    out: list[bytes] = []
    done = 0
    for start, end, marker in pieces:
        out += (body[done:start], marker)
        done = end
    return b"".join((*out, body[done:]))


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except ValueError:
        return False
    return True


def _in_json(body: bytes, places: list[Match]) -> Iterator[tuple[int, int, bytes]]:
    """Give each place with its marker, in quotes where it stands in none."""
    at, inside, done = 0, False, 0
    for place in places:
        inside = _is_inside(body, at, place.start, inside)
        ends_inside = _is_inside(body, place.start, place.end, inside)
        start, end, marker = place.start, place.end, marker_of(place)
        if not inside and not ends_inside:
            while start > done and body[start - 1] in _NUMBER_BYTES:
                start -= 1
            while end < len(body) and body[end] in _NUMBER_BYTES:
                end += 1
        marker = (b"" if inside else b'"') + marker + (b"" if ends_inside else b'"')
        yield start, end, marker
        at, inside, done = end, ends_inside, end


def _is_inside(body: bytes, first: int, last: int, inside: bool) -> bool:
    """Tell whether a place is in a string, given whether an earlier one is."""
    at = first
    while at < last:
        if inside:
            quote, escape = body.find(b'"', at, last), body.find(b"\\", at, last)
            if escape >= 0 and (quote < 0 or escape < quote):
                at = escape + 2
                continue
        else:
            quote = body.find(b'"', at, last)
        if quote < 0:
            return inside
        at, inside = quote + 1, not inside
    return inside
