r"""How JSON, HTML and URLs spell a character: reading one escape, and patterns that find a character's escapes. Pure.

Sources: RFC 8259 section 7 (JSON), the HTML standard's sections on character references, RFC 3986 section 2.1 and
the URL standard's ``application/x-www-form-urlencoded`` (``+`` for a space). ``\xXX`` and ``\u{X}``, which JavaScript
and others write, are read too. A reference may lack its semicolon and have up to eight leading zeros.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

LONGEST: Final = 2 + max(map(len, html5))  # an escape's length in bytes: "&", the longest name, ";"
ROOM: Final = 18  # bytes that a character takes at most for each byte that it has: &#x, eight zeros, six digits, ";"

STARTS: Final = b"%+\\&"
PERCENT, PLUS, BACKSLASH, AMPERSAND = STARTS
START: Final = re.compile(rb"[%+\\&]")
FORK: Final = re.compile(rb"[%\\&]")  # what may stand for itself and start an escape of itself: %25, \\, &amp;

_SHORT: Final = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\", "/": "/", "'": "'"}
_SHORT_READ: Final = {ord(letter): char for char, letter in _SHORT.items()}
_NAMED: Final = {name.rstrip(";").encode(): char for name, char in html5.items()}
_NAMES: Final[dict[str, list[bytes]]] = {}
for _name, _text in sorted(_NAMED.items()):
    _NAMES.setdefault(_text, []).append(_name)

_PERCENT: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_PAIR: Final = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_POINT: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|u\{0{0,8}([1-9a-fA-F][0-9a-fA-F]{0,5})\})")
_BYTE: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_DECIMAL: Final = re.compile(rb"&#0{0,8}([1-9][0-9]{0,6})")
_HEX: Final = re.compile(rb"&#[xX]0{0,8}([1-9a-fA-F][0-9a-fA-F]{0,5})")
_NAME: Final = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,31})")

# Escapes of ASCII letters and digits. Hardly anybody writes them, so their absence settles most bodies.
_ALNUM: Final = rb"(?:3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])"
_ALNUM_DECIMAL: Final = rb"(?:4[89]|5[0-7]|6[5-9]|[78][0-9]|90|9[7-9]|1[01][0-9]|12[0-2])"
ESCAPED_ALNUM: Final = {
    PERCENT: re.compile(rb"%" + _ALNUM),
    BACKSLASH: re.compile(rb"\\(?:u00|x|u\{0{0,8})" + _ALNUM),
    AMPERSAND: re.compile(rb"&#(?:0{0,8}" + _ALNUM_DECIMAL + rb"|[xX]0{0,8}" + _ALNUM + rb")"),
}
# What one of them begins with at least.
ALNUM_LEADS: Final = {PERCENT: (b"%",), BACKSLASH: (rb"\u00", rb"\x", rb"\u{"), AMPERSAND: (b"&#",)}


def encoded(text: str, encoding: str) -> bytes:
    """Encode without ever raising, since an encoding error carries the text; latin-1 leaves out what it lacks."""
    return text.encode(encoding, "ignore" if encoding == "latin-1" else "surrogatepass")


def readings(data: bytes, at: int, encoding: str) -> list[tuple[int, bytes]]:
    """Read the escape that may start at ``at``, in every way possible: where it ends, and what it stands for."""
    start = data[at]
    if start == PERCENT:
        percent = _PERCENT.match(data, at)
        return [(percent.end(), bytes.fromhex(percent[1].decode()))] if percent else []
    if start == PLUS:
        return [(at + 1, b" ")]
    if start == BACKSLASH:
        return _backslash(data, at, encoding)
    return _reference(data, at, encoding) if start == AMPERSAND else []


def _backslash(data: bytes, at: int, encoding: str) -> list[tuple[int, bytes]]:
    if pair := _PAIR.match(data, at):
        text = (pair[1] + pair[2]).decode()
        return _known([(pair.end(), bytes.fromhex(text).decode("utf-16-be"))], encoding)
    if point := _POINT.match(data, at):
        return _known([(point.end(), _char(int(point[1] or point[2], 16)))], encoding)
    if byte := _BYTE.match(data, at):
        raw = bytes.fromhex(byte[1].decode())
        return [(byte.end(), raw), *_known([(byte.end(), raw.decode("latin-1"))], encoding)]
    short = _SHORT_READ.get(data[at + 1]) if at + 1 < len(data) else None
    return _known([(at + 2, short)], encoding) if short else []


def _reference(data: bytes, at: int, encoding: str) -> list[tuple[int, bytes]]:
    """Where the semicolon is missing, any of the digits or letters may belong to what follows."""
    found: list[tuple[int, str]] = []
    for pattern, base in ((_DECIMAL, 10), (_HEX, 16)):
        if number := pattern.match(data, at):
            first, last = number.span(1)
            found += [(end, _char(int(data[first:end], base))) for end in range(first + 1, last + 1)]
    if name := _NAME.match(data, at):
        first, last = name.span(1)
        found += [(end, _NAMED.get(data[first:end], "")) for end in range(first + 2, last + 1)]
    found += [(end + 1, text) for end, text in found if data[end : end + 1] == b";"]
    return _known(found, encoding)


def _known(found: list[tuple[int, str]], encoding: str) -> list[tuple[int, bytes]]:
    return [(end, raw) for end, text in found if (raw := encoded(text, encoding))]


def _char(point: int) -> str:
    return chr(point) if point <= 0x10FFFF else ""


def spellings(char: str, encoding: str) -> dict[int, bytes]:
    """Give, for each byte that an escape may start with, the pattern of what follows it in this character's escapes."""
    point = ord(char)
    units = encoded(char, "utf-16-be").hex()
    backslash = [rb"\\".join(b"u" + _any_case(units[i : i + 4]) for i in range(0, len(units), 4))]
    backslash.append(rb"u\{0{0,8}" + _any_case(f"{point:x}") + rb"\}")
    if point < 0x100:
        backslash.append(b"x" + _any_case(f"{point:02x}"))
    if char in _SHORT:
        backslash.append(re.escape(_SHORT[char].encode()))
    reference = [rb"#0{0,8}%d" % point, b"#[xX]0{0,8}" + _any_case(f"{point:x}"), *_NAMES.get(char, ())]
    found = {
        PERCENT: b"%".join(_any_case(f"{byte:02x}") for byte in encoded(char, encoding)),
        BACKSLASH: b"(?:" + b"|".join(backslash) + b")",
        AMPERSAND: b"(?:" + b"|".join(reference) + b");?",
    }
    return found | {PLUS: b""} if char == " " else found


def _any_case(digits: str) -> bytes:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits).encode()
