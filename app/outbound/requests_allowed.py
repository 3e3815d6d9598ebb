"""Which requests a secret may ride: patterns of methods and paths, matched against the request as sent. Pure.

A pattern is judged by what the called server may make of the bytes that it gets: escapes of unreserved characters
count as the characters (RFC 3986, section 6.2.2.2), a path that climbs (``..``, however often encoded) is refused,
and so is what overrides the method where methods are named.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, get_args
from urllib.parse import parse_qsl, quote, unquote_plus, unquote_to_bytes

from app.kernel.errors import FieldLocation, RequestNotAllowed, ValidationFailed, in_body
from app.outbound.inject import target_with_marks
from app.outbound.model import (
    AllowedRequest,
    BytesBody,
    Call,
    Field,
    FormBody,
    JsonBody,
    Method,
    MultipartBody,
    Prepared,
    Text,
    TextBody,
    XmlBody,
)
from app.outbound.places import fold_header

METHODS: Final[tuple[str, ...]] = get_args(Method)
MOST_PATTERNS: Final = 200
LONGEST_PATTERN: Final = 2048
_ALLOWED_REQUESTS: Final = in_body("allowed_requests")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"
_CUTS: Final = re.compile(rb"[/\\;]")
_INVISIBLE: Final = bytes(range(0x21)) + b"\x7f"
_REST: Final = "/**"
# One or more characters of one segment; whatever decodes to a slash or backslash, however often, is none of them.
_ONE_SEGMENT: Final = r"(?:(?!%(?:25)*(?:2[Ff]|5[Cc]))[^/\\])+"
_OVERRIDING_HEADERS: Final = frozenset(
    {
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-method",
        "x-override-method",
        "x-original-method",
        "x-http-override",
        "http-method-override",
        "method-override",
    }
)
_OVERRIDING_PARAMETERS: Final = frozenset({"-method", *_OVERRIDING_HEADERS, "httpmethod", "$httpmethod", "http-method"})
# Some servers and proxies take the path from these, and not from the request line.
_REROUTING_HEADERS: Final = frozenset({"x-original-url", "x-rewrite-url", "x-original-uri", "x-override-url"})
# A body of one of these is taken apart by who receives it, however its author wrote it.
_TAKEN_APART: Final = re.compile(r"form|json|multipart", re.IGNORECASE)
_WORD: Final = re.compile(r"[$\w-]+")


# --- patterns ---------------------------------------------------------------------------------------------------------


def normalise_requests(
    written: Sequence[AllowedRequest] | None, *, field: FieldLocation = _ALLOWED_REQUESTS
) -> tuple[AllowedRequest, ...] | None:
    """Return patterns in canonical form, each once, sorted; None, which allows any request, stays None.

    Raises:
        ValidationFailed: The list is empty or too long, or a pattern is none.
    """
    if written is None:
        return None
    if not written:
        raise _wrong("Leave it out to allow any request: an empty list would allow none.", field)
    if len(written) > MOST_PATTERNS:
        raise _wrong(f"Name at most {MOST_PATTERNS} patterns.", field)
    return tuple(sorted({_normalise(each, field.member(index)) for index, each in enumerate(written)}, key=_order))


def _order(request: AllowedRequest) -> tuple[tuple[str, ...], str]:
    return request.methods or (), request.path or ""


def _normalise(request: AllowedRequest, field: FieldLocation) -> AllowedRequest:
    methods = None if request.methods is None else _normalise_methods(request.methods, field.member("methods"))
    path = None if request.path is None else _normalise_pattern(request.path, field.member("path"))
    return AllowedRequest(methods, path)


def _normalise_methods(methods: Sequence[str], field: FieldLocation) -> tuple[str, ...]:
    if not methods:
        raise _wrong("Leave methods out to allow each of them.", field)
    if not set(methods) <= set(METHODS):
        raise _wrong(f"Write methods in capitals, of these: {', '.join(METHODS)}.", field)
    return tuple(sorted(set(methods)))


def _normalise_pattern(path: str, field: FieldLocation) -> str:
    if len(path) > LONGEST_PATTERN:
        raise _wrong(f"A pattern has at most {LONGEST_PATTERN} characters.", field)
    if not path.startswith("/"):
        raise _wrong("A pattern starts with /: name the path alone, without scheme and host.", field)
    if "?" in path or "#" in path:
        raise _wrong("A pattern names the path alone, without query and fragment.", field)
    if "\\" in path or re.search(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]", path):
        raise _wrong("A pattern holds no backslash, no space and no control character.", field)
    if "**" in path.removesuffix("**") or ("**" in path and not path.endswith(_REST)):
        raise _wrong("** stands only at the end, after a /, and means any rest.", field)
    if has_dot_segments(path):
        raise _wrong("A pattern holds no segment . or .., in any encoding.", field)
    return canonical_path(quote(_STRAY_PERCENT.sub("%25", path), safe=_PATH_SAFE))


def _wrong(sentence: str, field: FieldLocation) -> ValidationFailed:
    return ValidationFailed(f"allowed_requests: {sentence}", errors={field: [sentence]})


def widens(after: tuple[AllowedRequest, ...] | None, before: tuple[AllowedRequest, ...] | None) -> bool:
    """Tell whether the patterns after allow more than those before: anything but leaving out entries or methods."""
    if before is None:
        return False
    return after is None or not all(any(_within(new, old) for old in before) for new in after)


def _within(new: AllowedRequest, old: AllowedRequest) -> bool:
    if new.path != old.path:
        return False
    return old.methods is None or (new.methods is not None and set(new.methods) <= set(old.methods))


def as_json(requests: Iterable[AllowedRequest]) -> list[dict[str, object]]:
    """Write patterns as the API shows them, the database keeps them, and the binding counts them."""
    return [
        ({} if each.methods is None else {"methods": list(each.methods)})
        | ({} if each.path is None else {"path": each.path})
        for each in requests
    ]


def from_json(kept: Iterable[Mapping[str, object]]) -> tuple[AllowedRequest, ...]:
    """Read patterns that ``as_json`` wrote."""
    return tuple(_read(each.get("methods"), each.get("path")) for each in kept)


def _read(methods: object, path: object) -> AllowedRequest:
    named = tuple(map(str, methods)) if isinstance(methods, list | tuple) else None
    return AllowedRequest(named, None if path is None else str(path))


def parse_line(text: str) -> AllowedRequest:
    """Read a pattern as people write it: ``GET,HEAD /api/**``, or one of the two. What it means is checked later."""
    first, _, rest = text.strip().partition(" ")
    if first.startswith("/") or not first:
        return AllowedRequest(None, text.strip() or None)
    return AllowedRequest(tuple(first.split(",")), rest.strip() or None)


def write_line(request: AllowedRequest) -> str:
    """Write a pattern as ``parse_line`` reads it."""
    return " ".join(filter(None, (",".join(request.methods or ()), request.path)))


# --- a request as sent ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What of a request is matched.

    Its method, its path as it goes out, and whether something overrides the one or the other.
    """

    method: str
    path: str
    overrides: bool
    reroutes: bool = False

    def of(self, request: Prepared) -> RequestLine:
        """Return what is matched of a request that is ready to go out: the call's own, or one that redirects led to."""
        rest = request.url.split("://", 1)[-1]
        path, _, query = ("/" + rest.partition("/")[2]).partition("?")
        overrides = self.overrides or _names_override(_parameters(query))
        return RequestLine(request.method, path, overrides, self.reroutes)


def request_line(call: Call) -> RequestLine:
    """Return what is matched of a call, a letter standing in the place of each value."""
    path, _, query = target_with_marks(call).partition("?")
    headers = {fold_header(name) for name, _ in call.headers}
    overrides = not headers.isdisjoint(_OVERRIDING_HEADERS)
    overrides = overrides or _names_override(_parameters(query)) or _names_override(_body_parameters(call))
    return RequestLine(call.method, path, overrides, not headers.isdisjoint(_REROUTING_HEADERS))


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    # Servers cut a query at & and some at ; as well.
    yield from parse_qsl(query.replace(";", "&"), keep_blank_values=True)


def _body_parameters(call: Call) -> Iterator[tuple[str, str]]:
    body = call.body
    if isinstance(body, FormBody):
        yield from ((name, _author_text(value)) for name, value in body.items)
    elif isinstance(body, MultipartBody):
        yield from ((part.name, _author_text(part.content)) for part in body.parts)
    elif isinstance(body, JsonBody) and isinstance(body.content, Mapping):
        yield from ((str(name), _author_text(value)) for name, value in body.content.items())
    elif isinstance(body, TextBody | XmlBody | BytesBody) and any(map(_TAKEN_APART.search, _content_types(call))):
        yield from _raw_parameters(_raw_text(body))


def _content_types(call: Call) -> Iterator[str]:
    yield from (_author_text(value) for name, value in call.headers if fold_header(name) == "content-type")
    if isinstance(call.body, BytesBody) and call.body.content_type:
        yield call.body.content_type


def _raw_text(body: TextBody | XmlBody | BytesBody) -> str:
    text = _author_text(body.content)
    if isinstance(body, BytesBody):
        with suppress(ValueError):  # it isn't sent either
            return base64.b64decode("".join(text.split()), validate=True).decode("latin-1")
    return text


def _raw_parameters(text: str) -> Iterator[tuple[str, str]]:
    """Give what a body may name that its author wrote out: as a form, as JSON, and by every word of it."""
    yield from _parameters(text)
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        yield from ((str(name), str(value)) for name, value in document.items()) if isinstance(document, dict) else ()
    yield from ((word, "") for word in _WORD.findall(unquote_plus(text)))


def _author_text(value: object) -> str:
    if not isinstance(value, Field):
        return str(value)
    return "".join(piece.text if isinstance(piece, Text) else getattr(piece, "text", "") for piece in value.pieces)


def _names_override(parameters: Iterable[tuple[str, str]]) -> bool:
    return any(
        (name := fold_header(text.strip())) in _OVERRIDING_PARAMETERS or (name == "method" and value.upper() in METHODS)
        for text, value in parameters
    )


def canonical_path(path: str) -> str:
    """Return a path with unreserved characters plain and the other escapes in capitals; nothing else is changed."""
    return _ESCAPE.sub(_canonical_escape, path)


def _canonical_escape(escape: re.Match[str]) -> str:
    byte = int(escape[1], 16)
    return chr(byte) if byte in _UNRESERVED else escape[0].upper()


def has_dot_segments(path: str) -> bool:
    """Tell whether a server that decodes, however often, might find a segment ``.`` or ``..`` in the path."""
    decoded = path.encode("utf-8", "surrogatepass")
    while (again := unquote_to_bytes(decoded)) != decoded:
        decoded = again
    return any(segment.translate(None, _INVISIBLE) in (b".", b"..") for segment in _CUTS.split(decoded))


def require_request(secret: str, allowed: Sequence[AllowedRequest] | None, line: RequestLine) -> None:
    """Do nothing where a secret may ride the request.

    Raises:
        RequestNotAllowed: With the reason in ``extra["reason"]``.
    """
    if allowed is None:
        return
    if has_dot_segments(line.path):
        raise _refusal(secret, "path_climbs", "its path has a segment . or ..")
    path = canonical_path(line.path)
    fitting = [each for each in allowed if each.path is None or _expression(each.path).fullmatch(path)]
    if not fitting:
        raise _refusal(secret, "path_not_allowed", "its path is none of those that the secret is for")
    if line.reroutes and all(each.path is not None for each in fitting):
        raise _refusal(secret, "path_overridden", "a header of it overrides the path")
    if any(each.methods is None for each in fitting):
        return
    if not any(line.method in (each.methods or ()) for each in fitting):
        raise _refusal(
            secret, "method_not_allowed", f"{line.method} isn't among the methods that it is allowed with there"
        )
    if line.overrides:
        raise _refusal(secret, "method_overridden", "a header or parameter of it overrides the method")


def _refusal(secret: str, reason: str, why: str) -> RequestNotAllowed:
    return RequestNotAllowed(
        f"The secret {secret} may not ride this request: {why}.", extra={"secret": secret, "reason": reason}
    )


@lru_cache(maxsize=4096)
def _expression(path: str) -> re.Pattern[str]:
    rest = path.endswith(_REST)
    literal = path.removesuffix("**") if rest else path
    pieces = _ONE_SEGMENT.join(map(re.escape, literal.split("*")))
    return re.compile(pieces + (".*" if rest else ""), re.DOTALL)
