"""A draft of a call from a ``curl`` command, its credentials taken out. Pure; the command is kept nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, get_args
from urllib.parse import quote_plus, unquote

from app.calls.body_source import (
    JSON_LITERAL_BRACES,
    LITERAL_BRACES,
    json_strings,
    read_form_source,
    read_json_source,
)
from app.calls.curl_command import SHELL_VARIABLE, SPACE, read_command, refusal
from app.calls.curl_credentials import CredentialFinder, CurlCredential, decoded_basic
from app.calls.curl_request import Ignored, OptionReader, quoted_between_variables
from app.calls.definition import Pair, WrittenCall
from app.calls.template import parse_call
from app.kernel.errors import StrongroomError
from app.outbound.model import Method
from app.outbound.places import fold_header
from app.outbound.urls import parse_url

_METHODS: Final = get_args(Method)
_FORM: Final = "application/x-www-form-urlencoded"
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_GLOB: Final = re.compile(r"\{[^{}]*,[^{}]*\}|\[(?:[0-9]+-[0-9]+|[a-zA-Z]-[a-zA-Z])(?::[0-9]+)?\]")


@dataclass(frozen=True, slots=True)
class CurlDraft:
    """The call as a block would hold it, what should become secrets, and what was left out."""

    call: WrittenCall
    credentials: Sequence[CurlCredential]
    ignored: Sequence[Ignored]


def draft_of(command: str) -> CurlDraft:
    """Read a ``curl`` command.

    Args:
        command: As documentation prints it or a browser copies it.

    Raises:
        ValidationFailed: It is no curl command, or one that a call can't express; nothing of it is quoted.
    """
    draft = _Drafter(OptionReader(read_command(command))).draft()
    try:
        parse_call(draft.call)
    except StrongroomError as error:
        label = next(iter(error.errors or {})).label if error.errors else "call"
        raise refusal(
            f"The command can't become a call; look at its {label.split(' ')[0]}. {_sentences(error)}"
        ) from None
    return draft


def _sentences(error: StrongroomError) -> str:
    return " ".join(dict.fromkeys(sentence for told in (error.errors or {}).values() for sentence in told))


class _Drafter:
    def __init__(self, reader: OptionReader) -> None:
        self._request, self._ignored = reader.request, reader.ignored
        self._defaults: dict[str, str] = {}

    def draft(self) -> CurlDraft:
        request = self._request
        if not request.urls:
            raise refusal("The command has no URL.")
        if request.urls[1:]:
            self._ignored.append(Ignored("further URLs", "A block is one call; only the first URL is kept."))
        url = request.urls[0] if "://" in request.urls[0] else f"http://{request.urls[0]}"
        if _GLOB.search(url):
            raise refusal("The URL stands for several (curl's globbing); write one out.")
        url = _PLACEHOLDER.sub(self._placeholder, url).partition("#")[0]
        url, userinfo = _without_userinfo(url)
        if userinfo is not None and request.user is None:
            request.user = userinfo
        finder = CredentialFinder(_origin(url))
        call = self._with_body(self._with_head(WrittenCall("GET", "", follow_redirects=request.follow), finder), finder)
        url, query = self._url(url, finder)
        call = replace(
            call, url=url, query=query, timeout_seconds=request.seconds, variables=tuple(self._defaults.items())
        )
        return CurlDraft(call, tuple(finder.found), tuple(self._ignored))

    def _placeholder(self, found: re.Match[str]) -> str:
        """Documentation writes ``{id}`` where something has to be put in; curl would send what is in the braces."""
        self._defaults[found[1]] = found[1]
        return f"\ue000{found[1]}\ue001"

    def _method(self) -> str:
        request = self._request
        sends = bool(request.data or request.parts) and not request.get
        own = "HEAD" if request.head else "POST" if sends else "GET"
        if request.method is None or request.method in _METHODS:
            return request.method or own
        self._ignored.append(Ignored("-X", f"The methods are {', '.join(_METHODS)}."))
        return own

    def _with_head(self, call: WrittenCall, finder: CredentialFinder) -> WrittenCall:
        request, basic = self._request, None
        headers: dict[str, Pair] = {}
        if request.cookies and not any(fold_header(name) == "cookie" for name, _ in request.headers):
            request.headers.append(("Cookie", "; ".join(request.cookies)))
        own = {fold_header(name) for name, _ in request.headers}
        if request.json:
            request.headers += [
                (name, "application/json") for name in ("Content-Type", "Accept") if fold_header(name) not in own
            ]
        if request.user is not None and "authorization" not in own:
            user, colon, password = request.user.partition(":")
            basic = finder.basic(user, password if colon else None)
        for name, value in request.headers:
            if fold_header(name) == "authorization" and (known := decoded_basic(value)):
                basic = finder.basic(*known)
            elif fold_header(name) in headers:
                self._ignored.append(Ignored("-H", f"The header {name[:60]} is there twice; the first is kept."))
            else:
                headers[fold_header(name)] = Pair(name, finder.header(name, value))
        return replace(call, method=self._method(), headers=tuple(headers.values()), basic=basic)

    def _url(self, url: str, finder: CredentialFinder) -> tuple[str, tuple[Pair, ...]]:
        head, _, raw = url.partition("?")
        origin, path = re.match(r"([^:]+://[^/]*)(.*)", head, re.DOTALL).groups()  # type: ignore[union-attr]
        segments = (path or "/").split("/")
        path = "/".join(finder.segment(each, last=each is segments[-1]) for each in segments)
        pieces = [each for each in raw.split("&") if each] + self._request.query
        if self._request.get and self._request.data:
            pieces += [each for each in _join(self._request.data, space="%20").split("&") if each]
        pairs = [piece.partition("=")[::2] for piece in pieces]
        if all("=" in piece and _round_trips(piece) for piece in pieces):
            query = tuple(
                Pair(finder.text(unquote(name)), finder.parameter(name, unquote(value), "query", finder.text))
                for name, value in pairs
            )
            return origin + path, query
        kept = [
            finder.text(name) + "=" + finder.parameter(name, value, "query", finder.text)
            if "=" in piece
            else finder.text(piece)
            for piece, (name, value) in zip(pieces, pairs, strict=True)
        ]
        return f"{origin}{path}?{'&'.join(kept)}" if kept else origin + path, ()

    def _with_body(self, call: WrittenCall, finder: CredentialFinder) -> WrittenCall:
        request = self._request
        if request.parts:
            parts = tuple(
                replace(
                    part,
                    name=finder.text(part.name),
                    value=part.value if part.filename else finder.parameter(part.name, part.value, "body", finder.text),
                )
                for part in request.parts
            )
            return replace(
                call, body_type="multipart", content=parts, headers=_without_type(call, "multipart/form-data")
            )
        if not request.data or request.get:
            return call
        data = _join(request.data, space="+")
        content_type = next((each.value for each in call.headers if fold_header(each.name) == "content-type"), None)
        media_type = (content_type or _FORM).partition(";")[0].strip().lower()
        if media_type == "application/json" or media_type.endswith("+json"):
            with suppress(ValueError):
                return _with_json(call, data, finder)
        if media_type == _FORM and not data.lstrip().startswith(("{", "[", "<")):
            with suppress(ValueError):
                return _with_form(call, data, finder)
        headers = call.headers if content_type else (*call.headers, Pair("Content-Type", _FORM))
        return replace(call, body_type="text", content=finder.text(data), headers=headers)


# --- pieces -----------------------------------------------------------------------------------------------------------

_SECRET: Final = "{{secrets."


def _origin(url: str) -> Any:
    if SHELL_VARIABLE.search(re.match(r"[^:]+://[^/?]*", url)[0]):  # type: ignore[index]
        raise refusal("The URL's host holds a variable: write the host out.")
    try:
        return parse_url(re.match(r"[^:]+://[^/?]*", url)[0])[0]  # type: ignore[index]
    except StrongroomError as error:
        raise refusal(error.detail) from None


def _without_userinfo(url: str) -> tuple[str, str | None]:
    found = re.match(r"([^:/?]+://)([^/?@]*)@(.*)", url, re.DOTALL)
    return (found[1] + found[3], unquote(found[2])) if found else (url, None)


def _join(data: Sequence[tuple[str, str]], *, space: str) -> str:
    """Join the pieces of ``--data`` and its kin; ``space`` is how the ones that curl encodes write theirs."""
    text = ""
    for piece, before in data:
        text += (before if text else "") + piece
    return text.replace(SPACE, space)


def _round_trips(piece: str) -> bool:
    """Tell whether a query's ``name=value`` comes out as it stands from name and value."""
    name, _, value = piece.partition("=")
    try:
        return bool(name) and all(
            quoted_between_variables(unquote(part, errors="strict")) == part for part in (name, value)
        )
    except UnicodeDecodeError:
        return False


def _with_json(call: WrittenCall, data: str, finder: CredentialFinder) -> WrittenCall:
    """Return the call with a JSON body, which keeps its author's spelling where it would go out otherwise."""
    document = read_json_source(data)
    content = _json_content(document, finder)
    source = None
    if json.dumps(document, ensure_ascii=False) != data:
        source = _json_source(data, tuple(_strings(document)), tuple(_strings(content)), finder)
    headers = _without_type(call, "application/json")
    return replace(call, body_type="json", content=content, source=source, headers=headers)


def _json_source(data: str, before: Sequence[str], after: Sequence[str], finder: CredentialFinder) -> str:
    pieces, end = [], 0
    for token, said, taken in zip(json_strings(data), before, after, strict=True):
        if taken != said:
            # A credential is taken out of what the string says; all else stays as it is spelled.
            spelled = json.dumps(taken, ensure_ascii=False)[1:-1] if _SECRET in taken else finder.text(token.spelled)
            pieces += [data[end : token.start], '"', spelled.replace(LITERAL_BRACES, JSON_LITERAL_BRACES), '"']
            end = token.end
    return "".join((*pieces, data[end:]))


def _strings(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _strings(inner)


def _with_form(call: WrittenCall, data: str, finder: CredentialFinder) -> WrittenCall:
    """Return the call with a form, which keeps its author's spelling where it would go out otherwise."""
    content: list[Pair] = []
    source: list[str] = []
    said = read_form_source(data)
    pairs = iter(said)
    for spelled in data.split("&"):
        if not spelled:
            source.append(spelled)
            continue
        pair = next(pairs)
        name, equals, value = spelled.partition("=")
        taken = finder.parameter(pair.name, pair.value, "body", finder.text)
        content.append(Pair(finder.text(pair.name), taken))
        if _SECRET not in taken:
            taken = finder.text(value)
        elif pair.value != value:
            taken = _escape_between_templates(taken)
        source.append(name + equals + taken)
    as_sent = "&".join(
        f"{_escape_between_templates(pair.name)}={_escape_between_templates(pair.value)}" for pair in said
    )
    return replace(
        call,
        body_type="form",
        content=tuple(content),
        source=None if as_sent == data else "&".join(source),
        headers=_without_type(call, _FORM),
    )


def _escape_between_templates(text: str) -> str:
    """Return a text as a form writes it, but for the references in it and the shell's variables."""
    pieces = re.split(r"(\{\{.*?\}\}|\ue000[^\ue001]*\ue001)", text)
    return "".join(piece if number % 2 else quote_plus(piece) for number, piece in enumerate(pieces))


def _json_content(content: object, finder: CredentialFinder, name: str = "") -> object:
    if isinstance(content, dict):
        return {finder.text(key): _json_content(inner, finder, key) for key, inner in content.items()}
    if isinstance(content, list):
        return [_json_content(inner, finder) for inner in content]
    if isinstance(content, str):
        return finder.parameter(name, content, "body", finder.text)
    return content


def _without_type(call: WrittenCall, media_type: str) -> tuple[Pair, ...]:
    """Return the headers without a Content-Type that the body says by itself, to the letter."""
    return tuple(
        each
        for each in call.headers
        if not (fold_header(each.name) == "content-type" and _says(each.value, media_type))
    )


def _says(value: str, media_type: str) -> bool:
    # The boundary of several parts is the client's own; elsewhere a parameter is a word that a server may want.
    return value == media_type or (media_type.startswith("multipart/") and value.lower().startswith(media_type))
