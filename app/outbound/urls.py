"""The part of a URL that decides where a call goes. Pure, and usable on a URL whose rest still holds templates."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from app.kernel.errors import DestinationNotAllowed, FieldLocation, TemplateNotAllowed, ValidationFailed, in_body
from app.outbound.hosts import DEFAULT_PORTS, split_port, to_ascii
from app.outbound.model import Origin


class Reason(StrEnum):
    """Why a destination isn't allowed: ``extra["reason"]`` of ``DestinationNotAllowed``."""

    SCHEME = "scheme_not_allowed"
    PLAIN_HTTP = "plain_http_not_allowed"
    HOST_FORM = "host_not_canonical"
    HOST = "host_not_allowed"
    ADDRESS = "address_not_public"
    METADATA = "metadata_service"
    OWN_SERVICE = "own_service"
    CARRIES_SECRET = "redirect_carries_secret"


_URL: Final = in_body("url")
_HEAD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)", re.ASCII)
_TEMPLATE: Final = re.compile(r"\{\{[^{}]*\}\}")
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def destination_refusal(sentence: str, reason: Reason) -> DestinationNotAllowed:
    """Make the refusal of a destination."""
    return DestinationNotAllowed(sentence, extra={"reason": reason.value})


def parse_url(url: str, *, field: FieldLocation = _URL) -> tuple[Origin, str]:
    """Part an absolute URL into its origin and the rest, from the path on, which is left as it is.

    Args:
        field: Where the URL stands in the request.

    Raises:
        TemplateNotAllowed: ``{{`` stands in the scheme, userinfo, host or port.
        DestinationNotAllowed: the scheme is neither https nor http.
        ValidationFailed: it is no absolute URL, or holds userinfo, a fragment, a backslash, a space or a control
            character.
    """
    if _UNSENDABLE.search(url):
        raise _wrong("A URL holds no control characters.", field)
    head = _HEAD.match(url)
    if "{{" in (head[0] if head else re.split(r"[/?#]", url, maxsplit=1)[0]):
        sentence = "A URL's scheme, user, host and port can't hold a template."
        raise TemplateNotAllowed(sentence, errors={field: [sentence]})
    if head is None:
        raise _wrong("A URL starts with https:// and a host.", field)
    scheme, authority, rest = head[1].lower(), head[2], url[head.end() :]
    if scheme not in DEFAULT_PORTS:
        raise destination_refusal("Only https can be called.", Reason.SCHEME)
    _refuse_what_parsers_disagree_on(authority, _TEMPLATE.sub("", rest), field)
    try:
        host, port = split_port(authority)
        origin = Origin(
            scheme="https" if scheme == "https" else "http", host=to_ascii(host), port=port or DEFAULT_PORTS[scheme]
        )
    except ValueError as wrong:
        raise _wrong(str(wrong), field) from None
    return origin, rest


def _refuse_what_parsers_disagree_on(authority: str, rest: str, field: FieldLocation) -> None:
    if not authority:
        raise _wrong("A URL names a host.", field)
    if "@" in authority:
        raise _wrong("A URL holds no user and no password: use the call's auth.", field)
    if "\\" in authority or "\\" in rest:
        raise _wrong("A URL holds no backslash.", field)
    if " " in authority or " " in rest:
        raise _wrong("A URL holds no space.", field)
    if "#" in rest:
        raise _wrong("A URL that is called has no fragment.", field)


def _wrong(sentence: str, field: FieldLocation) -> ValidationFailed:
    return ValidationFailed(sentence, errors={field: [sentence]})
