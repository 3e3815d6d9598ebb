"""The ways in which an upstream may give a value back: how it spells it, and how it packs the answer."""

from __future__ import annotations

import base64
import gzip
import html
import json
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import brotli
import zstandard

Echo = Callable[[str], bytes]


def _units(text: str) -> str:
    """Escape every UTF-16 unit, as JSON does (RFC 8259, section 7)."""
    raw = text.encode("utf-16-be")
    return "".join(f"\\u{raw[at]:02X}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))


def _mixed(text: str) -> str:
    ways = (
        lambda c: c if c.isalnum() else _units(c),
        _units,
        lambda c: f"&#{ord(c)};",
        lambda c: f"&#X{ord(c):06X};",
        lambda c: "".join(f"%{byte:02x}" for byte in c.encode()),
    )
    return "".join(ways[at % len(ways)](char) for at, char in enumerate(text))


ECHOES: dict[str, Echo] = {
    "plain": lambda v: v.encode(),
    "json": lambda v: json.dumps(v)[1:-1].encode(),
    "json, raw": lambda v: json.dumps(v, ensure_ascii=False)[1:-1].encode(),
    "json, slashes": lambda v: json.dumps(v)[1:-1].replace("/", "\\/").encode(),
    "json, all escaped": lambda v: _units(v).encode(),
    "javascript, code points": lambda v: "".join(f"\\u{{{ord(c):X}}}" for c in v).encode(),
    "html": lambda v: html.escape(v).encode(),
    "html, decimal": lambda v: "".join(f"&#{ord(c)};" for c in v).encode(),
    "html, hex": lambda v: "".join(f"&#x{ord(c):x};" for c in v).encode(),
    "url": lambda v: quote(v, safe="").encode(),
    "url, lower": lambda v: "".join(f"%{b:02x}" for b in v.encode()).encode(),
    "form": lambda v: quote_plus(v).encode(),
    "every character its own way": lambda v: _mixed(v).encode(),
    "misread as latin-1": lambda v: v.encode().decode("latin-1").encode(),
    "misread, in json": lambda v: json.dumps(v.encode().decode("latin-1"))[1:-1].encode(),
    "hex": lambda v: v.encode().hex().encode(),
    "HEX": lambda v: v.encode().hex().upper().encode(),
    "utf-16-le": lambda v: v.encode("utf-16-le"),
    "utf-16-be": lambda v: v.encode("utf-16-be"),
    "utf-32-le": lambda v: v.encode("utf-32-le"),
    "utf-32-be": lambda v: v.encode("utf-32-be"),
    "base64": lambda v: base64.b64encode(v.encode()),
    "base64, second": lambda v: base64.b64encode(b"x" + v.encode()),
    "base64, third": lambda v: base64.b64encode(b"xy" + v.encode() + b"z"),
    "base64url": lambda v: base64.urlsafe_b64encode(v.encode()).rstrip(b"="),
    "base64url, second": lambda v: base64.urlsafe_b64encode(b"\xff" + v.encode()).rstrip(b"="),
    "base64, in json": lambda v: base64.b64encode(v.encode()).replace(b"/", b"\\/"),
    "base64, in a url": lambda v: quote(base64.b64encode(v.encode()), safe="").encode(),
}

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=1),
    "zstd": zstandard.compress,
    "gzip, br": lambda body: brotli.compress(gzip.compress(body), quality=1),
}
