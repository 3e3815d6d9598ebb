"""What a ``curl`` command's options ask for, before anything is made of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from app.calls.curl_command import SPACE, CurlCommand, Option, refusal
from app.calls.definition import WrittenPart
from app.outbound.places import can_be_set, is_token

_LONGEST_SECONDS: Final = 300.0
_SWITCHES: Final = {"get": "get", "head": "head", "location": "follow", "location-trusted": "follow"}
_DATA: Final = ("data", "data-ascii", "data-raw", "data-binary", "json", "data-urlencode", "url-query")
_KEPT: Final = {
    **dict.fromkeys(_DATA, "_take_data"),
    **dict.fromkeys(_SWITCHES, "_take_switch"),
    **dict.fromkeys(("form", "form-string"), "_take_part"),
    **dict.fromkeys(("user-agent", "referer"), "_take_named_header"),
    "url": "_take_url",
    "request": "_take_method",
    "header": "_take_header",
    "user": "_take_user",
    "oauth2-bearer": "_take_bearer",
    "cookie": "_take_cookie",
    "max-time": "_take_seconds",
}
_WITHOUT_EFFECT: Final = frozenset({"basic", "globoff", "path-as-is"})
_WHY: Final = {
    "insecure": "TLS certificates are always verified.",
    "proxy": "Calls go to their host directly.",
    "upload-file": "A file of your machine isn't here; put its content in the body.",
    "aws-sigv4": "Store the keys as a secret of type aws4, and choose it under auth.",
    "cert": "Client certificates aren't supported.",
    "key": "Client certificates aren't supported.",
    "range": "A call can't ask for a part of a resource.",
    "config": "A file of your machine isn't here.",
    "netrc": "A file of your machine isn't here; use user and password.",
    "http2": "Calls are made with HTTP/1.1.",
    "compressed": "Compressed answers are always asked for, and read.",
    "next": "A block is one call; what follows would be another.",
    "request-target": "The target comes from the URL.",
    "digest": "Only basic authentication is supported.",
    "ntlm": "Only basic authentication is supported.",
    "negotiate": "Only basic authentication is supported.",
    "anyauth": "Only basic authentication is supported.",
}
_TERMINAL: Final = "It concerns curl's own output or connections, not what is sent."


@dataclass(frozen=True, slots=True)
class Ignored:
    """An option that the draft doesn't keep."""

    option: str
    why: str


@dataclass(slots=True)
class CurlRequest:
    """What curl's options say, before anything is made of it."""

    urls: list[str] = field(default_factory=list)
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)  # the text and what comes before it: & or nothing
    parts: list[WrittenPart] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    user: str | None = None
    cookies: list[str] = field(default_factory=list)
    json: bool = False
    get: bool = False
    head: bool = False
    follow: bool = False
    seconds: float = 10.0


class OptionReader:
    """Takes a command's options one by one: what is kept is in ``request``, what isn't in ``ignored``."""

    def __init__(self, command: CurlCommand) -> None:
        self._stdin = command.stdin
        self.request = CurlRequest()
        self.ignored: list[Ignored] = []
        for option in command.options:
            if option.name == "next":
                self._ignore(option)
                break
            self._take(option)
        if command.rest:
            self.ignored.append(Ignored("what follows the command", "Only one curl command is read."))

    def _ignore(self, option: Option, why: str | None = None) -> None:
        self.ignored.append(Ignored(option.written[:40], why or _WHY.get(option.name, _TERMINAL)))

    def _take(self, option: Option) -> None:
        if option.name in _KEPT:
            getattr(self, _KEPT[option.name])(option)
        elif option.name not in _WITHOUT_EFFECT:
            self._ignore(option)

    def _take_url(self, option: Option) -> None:
        self.request.urls.append(option.value)

    def _take_method(self, option: Option) -> None:
        self.request.method = option.value.upper()

    def _take_user(self, option: Option) -> None:
        self.request.user = option.value

    def _take_bearer(self, option: Option) -> None:
        self.request.headers.append(("Authorization", f"Bearer {option.value}"))

    def _take_cookie(self, option: Option) -> None:
        if "=" in option.value:
            self.request.cookies.append(option.value)
        else:
            self._ignore(option, "A file of your machine isn't here; write the cookies out.")

    def _take_named_header(self, option: Option) -> None:
        if value := option.value.removesuffix(";auto"):
            name = "User-Agent" if option.name == "user-agent" else "Referer"
            self.request.headers.append((name, value))

    def _take_switch(self, option: Option) -> None:
        setattr(self.request, _SWITCHES[option.name], True)

    def _take_seconds(self, option: Option) -> None:
        try:
            self.request.seconds = min(max(float(option.value), 0.1), _LONGEST_SECONDS)
        except ValueError:
            raise refusal("The time after -m is a number of seconds.") from None

    def _take_header(self, option: Option) -> None:
        if option.value.startswith("@"):
            return self._ignore(option, "A file of your machine isn't here; write the headers out.")
        name, colon, value = option.value.partition(":")
        if not colon and option.value.endswith(";"):
            name, value = option.value[:-1], ""
        elif not colon or not value.strip():
            return self._ignore(option, "It removes one of curl's own headers, or isn't a header.")
        if not is_token(name.strip()) or not can_be_set(name.strip()):
            return self._ignore(option, f"The header {name.strip()[:60]} can't be set by a call.")
        self.request.headers.append((name.strip(), value.strip()))
        return None

    def _take_data(self, option: Option) -> None:
        name, text = option.name, self._text(option)
        if text is None:
            return
        if name == "url-query":
            self.request.query.append(text.replace(SPACE, "%20"))
            return
        self.request.json |= name == "json"
        self.request.data.append((text, "" if name == "json" else "&"))

    def _text(self, option: Option) -> str | None:
        if option.name in ("data-urlencode", "url-query"):
            return self._urlencode(option)
        if not option.value.startswith("@") or option.name == "data-raw":
            return option.value
        text = self._file(option, option.value[1:])
        # curl takes line breaks out of what it reads for -d, and for nothing else
        return text if text is None or option.name in ("data-binary", "json") else re.sub(r"[\r\n]", "", text)

    def _urlencode(self, option: Option) -> str | None:
        value = option.value
        if option.name == "url-query" and value.startswith("+"):
            return value[1:]
        found = re.match(r"([^=@]*)([=@])", value)
        name, content = (found[1], value[found.end() :]) if found else ("", value)
        if found and found[2] == "@":
            read = self._file(option, content)
            if read is None:
                return None
            content = read
        return (f"{name}=" if name else "") + quoted_between_variables(content).replace("%20", SPACE)

    def _file(self, option: Option, path: str) -> str | None:
        if path == "-" and self._stdin is not None:
            return self._stdin
        self._ignore(option, "A file of your machine isn't here; put its content in.")
        return None

    def _take_part(self, option: Option) -> None:
        name, equals, value = option.value.partition("=")
        if not equals:
            return self._ignore(option, "It has no name.")
        if option.name == "form-string":
            self.request.parts.append(WrittenPart(name, value))
            return None
        value, filename, content_type = _form_value(value)
        if value.startswith(("@", "<")):
            path = value[1:].strip('"')
            content = self._file(option, path) or ""
            if value.startswith("@"):
                filename = filename or re.split(r"[/\\]", path)[-1] or "file"
                content_type = content_type or "application/octet-stream"
            value = content
        self.request.parts.append(WrittenPart(name, value, filename, content_type))
        return None


def quoted_between_variables(text: str) -> str:
    """Percent-encode a text, but not the marks of the shell's variables in it."""
    pieces = re.split("(\ue000[^\ue001]*\ue001)", text)
    return "".join(piece if piece.startswith("\ue000") else quote(piece, safe="") for piece in pieces)


def _form_value(value: str) -> tuple[str, str | None, str | None]:
    """Part ``value;type=…;filename=…`` of a form's field."""
    found = {}
    while match := re.search(r";\s*(type|filename)=(\"[^\"]*\"|[^;]*)$", value):
        found[match[1]] = match[2].strip('"')
        value = value[: match.start()]
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    else:
        value = value.partition(";")[0]  # as curl, which takes what follows for an attribute that it doesn't know
    return value, found.get("filename"), found.get("type")
