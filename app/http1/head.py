"""An answer's head: llhttp parses it, strictly. One that it refuses is put in order first, as far as clients agree.

Sources: RFC 9112, sections 2.2 (line ends), 4 (status line), 5 (fields), 6 (what tells a body's length); and what curl,
requests and Node make of odd answers (``tests/http1/odd_answers.json``).
"""

from __future__ import annotations

import re
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.http1.errors import NotHttp

STARTS: Final = (b"HTTP/1.1 ", b"HTTP/1.0 ")
END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"[ \t]*\r\n[ \t]+")
_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[01]) +([0-9]{3})(?: .*)?")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKENS: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:)*")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NO_LETTER: Final = re.compile(rb"[^A-Za-z-]")
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
# What decides where the body ends and how it is read: where one of these is odd, nobody can tell what was meant.
OF_THE_BODY: Final = frozenset({_LENGTH, _CODING, b"content-encoding"})


class Head:
    """A head that was read. ``odd`` where it took leniency: what comes after such an answer is trusted by nobody."""

    __slots__ = ("chunked", "fields", "joined", "keeps", "length", "odd", "status")

    def __init__(self, head: bytes) -> None:
        if not head.startswith(STARTS):
            raise NotHttp
        self.status, self.fields, self.odd = _parse(head)
        self.joined = _join(self.fields)
        self.chunked = self._comes_in_chunks()
        self.length = self._length()
        said = self.joined.get("connection")
        closes = said is not None and "close" in [word.strip() for word in said.lower().split(",")]
        self.keeps = not self.odd and head.startswith(STARTS[0]) and not closes

    def _comes_in_chunks(self) -> bool:
        told = self.joined.get(_CODING.decode())
        if told is None:
            return False
        if _LENGTH.decode() in self.joined:
            raise NotHttp  # two ways to find the body's end
        codings = [coding for word in told.lower().split(",") if (coding := word.strip(" \t")) not in ("", "identity")]
        if any(coding != "chunked" for coding in codings):
            raise NotHttp  # what comes would not be the body's own bytes
        self.odd = self.odd or told.lower() != "chunked"
        return bool(codings)

    def _length(self) -> int | None:
        length = self.joined.get(_LENGTH.decode())
        return None if length is None else int(length)


def _parse(head: bytes) -> tuple[int, list[tuple[str, str]], bool]:
    if head.count(b"\n") == head.count(b"\r\n"):
        try:
            status, fields = _parse_strictly(_unfold(head))
        except NotHttp:
            pass
        else:
            if _TOKENS.fullmatch(b"".join([name + b":" for name, _ in fields])):
                return status, _as_text(fields), False
    status, fields = _parse_strictly(_put_in_order(head))
    return status, _as_text(fields), True


def _parse_strictly(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    events = _Events()
    parser = HttpResponseParser(events)
    try:
        parser.feed_data(head)
    except (HttpParserError, HttpParserUpgrade):
        raise NotHttp from None
    if not events.whole:
        raise NotHttp
    return parser.get_status_code(), events.fields


class _Events:
    """What llhttp calls."""

    __slots__ = ("fields", "whole")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.whole = True


def _as_text(fields: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _unfold(head: bytes) -> bytes:
    """Make a field in several lines one, as the standard asks of a client; llhttp refuses it."""
    if b"\r\n " not in head and b"\r\n\t" not in head:
        return head
    first, end, fields = head.partition(b"\r\n")
    return first + end + _FOLD.sub(b" ", fields)


def _join(fields: list[tuple[str, str]]) -> dict[str, str]:
    once = {name.lower(): value for name, value in fields}
    if len(once) == len(fields):
        return once
    lines: dict[str, list[str]] = {}
    for name, value in fields:
        lines.setdefault(name.lower(), []).append(value)
    return {name: ", ".join(values) for name, values in lines.items()}


# --- what is odd ------------------------------------------------------------------------------------------------------


def _put_in_order(head: bytes) -> bytes:
    """Write a head as the standard has it.

    Raises:
        NotHttp: It can be read in more than one way.
    """
    first, _, rest = head.partition(b"\n")
    status_line = _STATUS_LINE.fullmatch(first.removesuffix(b"\r"))
    if status_line is None:
        raise NotHttp
    written = [b"%b %b -" % status_line.groups()]
    lengths: set[int] = set()
    for name, value in read_fields(rest):
        if name.lower() == _LENGTH:
            lengths |= _lengths_in(value)
        elif name and (value or name.lower() != _CODING):  # an empty one says nothing
            written.append(name + b": " + value)
    if len(lengths) > 1:
        raise NotHttp
    written += [b"Content-Length: %d" % length for length in lengths]
    return b"\r\n".join([*written, b"", b""])


def read_fields(text: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and values of fields, each in lines that end with CR LF or LF, an empty line at their end.

    Where a field has what none may hold it is left out, and its name is empty here.

    Raises:
        NotHttp: A CR stands elsewhere, where one reader sees a line's end and another one doesn't; a line has no colon;
            or what is odd decides how the body is read.
    """
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n")]
    if any(b"\r" in line for line in lines):
        raise NotHttp
    return [_read_field(line) for line in _unfold_lines([line for line in lines if line])]


def _unfold_lines(lines: list[bytes]) -> list[bytes]:
    whole: list[bytes] = []
    for line in lines:
        if not line.startswith((b" ", b"\t")):
            whole.append(line)
        elif not whole:
            raise NotHttp
        else:
            whole[-1] = b"%b %b" % (whole[-1].rstrip(b" \t"), line.strip(b" \t"))
    return whole


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    name, value = name.rstrip(b" \t"), value.strip(b" \t")
    if not colon:
        raise NotHttp
    if _TOKEN.fullmatch(name) and not _CONTROL.search(value):
        return name, value
    if _NO_LETTER.sub(b"", name).lower() in OF_THE_BODY:
        raise NotHttp
    return b"", b""


def _lengths_in(value: bytes) -> set[int]:
    numbers = [number.strip(b" \t") for number in value.split(b",")]
    if not all(number.isdigit() for number in numbers):
        raise NotHttp
    return {int(number) for number in numbers}
