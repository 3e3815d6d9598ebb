"""Where a redirect leads, and what goes along. Pure; whether the call may go there at all, the guard says.

Methods and bodies follow the Fetch standard ("HTTP-redirect fetch"). To another origin than the call's own nothing
goes that holds a value in any form: headers are left out, and a URL or body that would carry one isn't sent at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urldefrag, urljoin

from app.kernel.errors import TemplateNotAllowed, UpstreamProtocol, ValidationFailed
from app.outbound.inject import base_url, keep_escapes
from app.outbound.model import Origin, Prepared
from app.outbound.urls import Reason, destination_refusal, parse_url
from app.redaction.redactor import Redactor

MOST_HOPS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))
# What tells who is asking, whether or not a secret is in it.
_OF_THE_ORIGIN: Final = frozenset({"authorization", "cookie"})


def location_of(status: int, locations: Sequence[str]) -> str | None:
    """Return where an answer redirects to, and None for one that doesn't.

    Raises:
        UpstreamProtocol: It has several lines that differ, and nobody can tell which one is meant.
    """
    if status not in _REDIRECTS or not locations:
        return None
    if len(set(locations)) > 1:
        raise UpstreamProtocol("The upstream redirects to several places at once.")
    return locations[0]


def next_request(
    request: Prepared, *, status: int, location: str, home: Origin, redactor: Redactor
) -> tuple[Origin, Prepared]:
    """Write the request that a redirect asks for.

    Args:
        home: The origin that the call was made to.
        redactor: Finds values whatever the case of their letters: a host is written in small ones.

    Raises:
        UpstreamProtocol: it leads to what is no URL.
        DestinationNotAllowed: it leads to another scheme, or would carry a value to another origin.
    """
    written = quote(location.strip(), safe=_VISIBLE, encoding="latin-1")
    try:
        origin, rest = parse_url(urldefrag(urljoin(request.url, written)).url)
    except (ValidationFailed, TemplateNotAllowed, ValueError):  # the last is urllib's
        raise UpstreamProtocol("The upstream redirects to something that isn't a URL.") from None
    target = rest if rest.startswith("/") else f"/{rest}"
    onward = replace(_as_asked(request, status), url=base_url(origin) + keep_escapes(target))
    if origin == home:
        return origin, onward
    both = f"{location}\n{onward.url}".encode("latin-1", "replace")
    if redactor.finds(both):
        sentence = "The upstream redirects to another origin with a secret in the URL."
        raise destination_refusal(sentence, Reason.CARRIES_SECRET)
    return origin, _for_strangers(onward, redactor)


def _as_asked(request: Prepared, status: int) -> Prepared:
    posted = status in (301, 302) and request.method == "POST"
    seen_other = status == 303 and request.method not in ("GET", "HEAD")
    if not posted and not seen_other:
        return request
    headers = tuple(pair for pair in request.headers if not pair[0].lower().startswith("content-"))
    return replace(request, method="GET", headers=headers, body=None)


def _for_strangers(request: Prepared, redactor: Redactor) -> Prepared:
    if redactor.finds(request.body or b""):
        sentence = "The upstream redirects a body with a secret to another origin."
        raise destination_refusal(sentence, Reason.CARRIES_SECRET)
    headers = tuple(
        (name, value)
        for name, value in request.headers
        if name.lower() not in _OF_THE_ORIGIN and not redactor.finds(value.encode())
    )
    return replace(request, headers=headers)
