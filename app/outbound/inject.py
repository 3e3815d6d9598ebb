"""Putting values into a call's fields, each encoded for the place it goes to. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape

from app.kernel.errors import ValueNotAllowedHere
from app.kernel.secret import SecretValue
from app.outbound.hosts import DEFAULT_PORTS
from app.outbound.model import (
    BytesBody,
    Call,
    Field,
    Filled,
    FormBody,
    JsonBody,
    MultipartBody,
    NoBody,
    Origin,
    Part,
    Prepared,
    RequestPreview,
    Slot,
    Text,
    TextBody,
    XmlBody,
)

_FORM_SAFE: Final = "!$'()*,/:=?@[]^`{|}"
_PATH_SAFE: Final = "/?%:@!$&'()*+,;=~-._"
# RFC 9110, section 5.5: visible characters, spaces and tabs; what is beyond ASCII goes as UTF-8.
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_DOTS: Final = frozenset({".", ".."})
_MARKED: Final = re.compile(r"\[secret[: ][A-Za-z_]\w*\]")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BLANKS: Final = re.compile(r"\s+")
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

_WITH_MARKS: Final = "with marks"
_KEPT_BYTES: Final = 16 * 1024

Encode = Callable[[str], str]


def inject(call: Call, values: Mapping[str, SecretValue]) -> Prepared:
    """Write a call out, with values.

    Raises:
        ValueNotAllowedHere: a value can't stand in its place; nothing was sent.
    """
    texts = {name: value.expose() for name, value in values.items()}
    url, headers, body = _write(call, lambda name, encode: encode(texts[name]), _basic)
    return Prepared(call.method, url, headers, body)


def preview(call: Call) -> RequestPreview:
    """Write a call out, with ``[secret:NAME]`` in each value's place."""
    url, headers, body = _write(call, lambda name, _encode: f"[secret:{name}]", _readable_basic)
    shown = None if body is None else body.decode("utf-8", "replace")
    return RequestPreview(call.method, url, headers, shown)


Open = Callable[[str, Encode], str]
Basic = Callable[[tuple[Field, Field], Open], str]


def _write(call: Call, open_slot: Open, basic: Basic) -> tuple[str, tuple[tuple[str, str], ...], bytes | None]:
    body, content_type = _body(call, open_slot)
    headers = [(name, _header(value, open_slot)) for name, value in call.headers]
    if call.basic is not None:
        open_basic = _form_encoded(open_slot) if call.form_encoded_basic else open_slot
        headers.append(("Authorization", basic(call.basic, open_basic)))
    if call.signature is not None:
        headers.append(("Authorization", _header(call.signature, open_slot)))
    if isinstance(call.body, MultipartBody):  # whose type has to name the boundary
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
    given = {name.lower() for name, _ in headers}
    if content_type and "content-type" not in given:
        headers.append(("Content-Type", content_type))
    if "accept" not in given:
        headers.append(("Accept", "*/*"))  # as every other client says; some servers refuse a request without
    return base_url(call.origin) + _target(call, open_slot), tuple(headers), body


def _form_encoded(open_slot: Open) -> Open:
    return lambda name, encode: open_slot(name, lambda text: quote_plus(encode(text)))


def write_with_marks(call: Call) -> Prepared:
    """Write a call out, a letter in the place of each value: what its sizes are taken from. Small ones are kept."""
    written = call.kept.get(_WITH_MARKS)
    if written is None:
        url, headers, body = _write(call, _mark, _basic)
        written = Prepared(call.method, url, headers, body)
        if len(body or b"") <= _KEPT_BYTES:
            call.kept[_WITH_MARKS] = written
    return written


def target_with_marks(call: Call) -> str:
    """Write path and query as they go out, a letter in the place of each value."""
    return _target(call, _mark)


def base_url(origin: Origin) -> str:
    """Write an origin, its port only where it isn't the scheme's own."""
    return f"{origin.scheme}://{authority(origin)}"


def authority(origin: Origin) -> str:
    """Write host and port as a Host header has them."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


def _target(call: Call, open_slot: Open) -> str:
    path = _fill(call.path, open_slot, _percent, author=keep_escapes)
    # Servers decode before they look for dots, %2e and %2F included.
    if not _DOTS.isdisjoint(re.split(r"[/\\]", unquote(path))) and not _authors_dots(call.path):
        raise _not_here(call.path, "would change the path that was written")
    query = [_fill(each, open_slot, _percent, author=keep_escapes) for each in call.url_query]
    query += [f"{_percent(name)}={_fill(value, open_slot, _percent)}" for name, value in call.query]
    return path + ("?" + "&".join(query) if query else "")


def _authors_dots(path: Field) -> bool:
    return all(isinstance(piece, Text) for piece in path.pieces)


def keep_escapes(text: str) -> str:
    """Keep what an author wrote in a URL, escapes included; quote only what no URL may hold."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_PATH_SAFE)


def _percent(text: str) -> str:
    return quote(text, safe="")


def _header(value: Field, open_slot: Open) -> str:
    text = _fill(value, open_slot, lambda text: text)
    if not _HEADER_VALUE.fullmatch(text):
        raise _not_here(value, "can't stand in a header: it has a line break or a control character")
    bare = text.strip(" \t")
    if bare != text and _blanks_around(text) != _blanks_around(_fill(value, _mark, _as_written)):
        # What a server echoes then is no whole value any more, and would not be found.
        raise _not_here(value, "can't stand in a header: it would lose the spaces at its start or end")
    return bare


def _blanks_around(text: str) -> tuple[int, int]:
    return len(text) - len(text.lstrip(" \t")), len(text) - len(text.rstrip(" \t"))


def _mark(_name: str, encode: Encode) -> str:
    """Put a letter in the place of a value."""
    return encode("x")


def _basic(pair: tuple[Field, Field], open_slot: Open) -> str:
    return "Basic " + base64.b64encode(_credentials(pair, open_slot).encode()).decode()


def _readable_basic(pair: tuple[Field, Field], open_slot: Open) -> str:
    """Leave the markers of a preview as they are: encoded, nobody could read them."""
    marked = any(each.secret for each in pair)
    return f"Basic {_credentials(pair, open_slot)}" if marked else _basic(pair, open_slot)


def _credentials(pair: tuple[Field, Field], open_slot: Open) -> str:
    user, password = (_fill(each, open_slot, lambda text: text) for each in pair)
    if ":" in user:
        raise _not_here(pair[0], "can't be a basic-auth user: it has a colon")
    if re.search(r"[\x00-\x1f\x7f]", user + password):
        raise _not_here(pair[1], "can't stand in basic auth: it has a control character")
    return f"{user}:{password}"


def _body(call: Call, open_slot: Open) -> tuple[bytes | None, str | None]:
    body = call.body
    if isinstance(body, NoBody):
        return None, None
    if isinstance(body, JsonBody):
        return _json_text(body, open_slot).encode(), "application/json"
    if isinstance(body, FormBody):
        return _form_text(body, open_slot).encode(), "application/x-www-form-urlencoded"
    if isinstance(body, TextBody):
        return _fill(body.content, open_slot, lambda text: text).encode(), "text/plain; charset=utf-8"
    if isinstance(body, XmlBody):
        text = _fill(body.content, open_slot, _escape_xml, author=_as_written)
        return text.encode(), "application/xml; charset=utf-8"
    if isinstance(body, BytesBody):
        return _decode(body.content, open_slot), body.content_type or "application/octet-stream"
    return _multipart(body, open_slot)


def _json_text(body: JsonBody, open_slot: Open) -> str:
    if body.source is None:
        return json.dumps(_json(body.content, open_slot), ensure_ascii=False)
    return _from_source(body.source, open_slot, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])


def _form_text(body: FormBody, open_slot: Open) -> str:
    if body.source is None:
        return "&".join(f"{quote_plus(name)}={_fill(value, open_slot, quote_plus)}" for name, value in body.items)
    return _from_source(body.source, open_slot, escape_form_text)


def escape_form_text(text: str) -> str:
    """Escape of a text what would end or change it in a form, and no more: as people who write forms by hand do."""
    return quote_plus(text, safe=_FORM_SAFE)


def _from_source(source: tuple[str | Field, ...], open_slot: Open, encode: Encode) -> str:
    return "".join(
        piece if isinstance(piece, str) else _fill(piece, open_slot, encode, author=_as_written) for piece in source
    )


def _as_written(text: str) -> str:
    return text


def _escape_xml(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&apos;"})


def _decode(value: Field, open_slot: Open) -> bytes:
    text = _fill(value, open_slot, _as_written)
    if _MARKED.search(text):
        return text.encode()  # a preview shows where the value goes
    try:
        return from_base64(text)
    except ValueError:
        raise _not_here(value, "can't be sent: together it isn't base64") from None


def from_base64(text: str) -> bytes:
    """Decode base64, blanks and line ends left out. Raises ``ValueError``."""
    # A large text without any isn't copied for nothing.
    return base64.b64decode(_BLANKS.sub("", text) if _BLANKS.search(text) else text, validate=True)


def _json(content: object, open_slot: Open) -> object:
    if isinstance(content, Field):
        return _fill(content, open_slot, lambda text: text)
    if isinstance(content, Mapping):
        return {_json_name(name): _json(inner, open_slot) for name, inner in content.items()}
    if isinstance(content, list | tuple):
        return [_json(inner, open_slot) for inner in content]
    return content


def _json_name(name: str) -> str:
    if _LONE_SURROGATE.search(name):
        raise _not_here(Field(()), "can't be sent: a name has half of a surrogate pair")
    return name


def _multipart(body: MultipartBody, open_slot: Open) -> tuple[bytes, str]:
    boundary = body.boundary
    pieces: list[bytes] = []
    for part in body.parts:
        head = f"--{boundary}\r\n{_part_head(part)}\r\n\r\n".encode()
        pieces += (head, _part_content(part, open_slot), b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def _part_content(part: Part, open_slot: Open) -> bytes:
    return _decode(part.content, open_slot) if part.encoded else _fill(part.content, open_slot, _as_written).encode()


def _part_head(part: Part) -> str:
    # WHATWG HTML, "multipart form data": quotes and line breaks in names are percent-encoded.
    head = f'Content-Disposition: form-data; name="{_quote(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quote(part.filename)}"'
    return head + (f"\r\nContent-Type: {part.content_type}" if part.content_type else "")


def _quote(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _fill(value: Field, open_slot: Open, encode: Encode, *, author: Encode | None = None) -> str:
    # The library's error about half a character would hold the whole text, so it must never come to that.
    def encodable(text: str) -> str:
        if _LONE_SURROGATE.search(text):
            raise _not_here(value, "can't be sent: it has half of a surrogate pair")
        return encode(text)

    pieces = []
    for piece in value.pieces:
        if isinstance(piece, Slot):
            pieces.append(open_slot(piece.secret, encodable))
        elif isinstance(piece, Filled) and piece.segments:
            pieces.append("/".join(encodable(segment) for segment in piece.text.split("/")))
        elif isinstance(piece, Filled) or author is None:
            pieces.append(encodable(piece.text))
        else:
            pieces.append(author(piece.text))
    return "".join(pieces)


def _not_here(value: Field, why: str) -> ValueNotAllowedHere:
    what = f"The value of {value.secret}" if value.secret else "What fills it"
    sentence = f"{what} {why}."
    return ValueNotAllowedHere(f"{value.location.label}: {sentence}", errors={value.location: [sentence]})
