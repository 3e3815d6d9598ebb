"""The forms in which a value may come back. Pure.

All of them are looked for on their own. What is nested deeper than one escape around base64 (hex in base64, JSON
escapes in a URL's, base64 with line breaks) is out of reach.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cached_property
from typing import Final

from app.redaction.escapes import encoded
from app.redaction.spelled import Anchor, Spelled
from app.redaction.walk import Pattern
from app.redaction.window import Form, Place, Span, Window

_RUN: Final = re.compile(rb"[0-9A-Za-z]+")
_DIGITS: Final = re.compile(rb"[0-9]+")
_LOOK: Final = 384  # bytes of a form among which its anchor is chosen
_ANCHOR: Final = 32
_SHORT_ANCHOR: Final = 8
_ALNUM: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_DIGIT_VALUES: Final = {digit: value for value, digit in enumerate(_ALNUM + b"+/")}
_DIGITS_FOR: Final = tuple(bytes({plain, url}) for plain, url in zip(_ALNUM + b"+/", _ALNUM + b"-_", strict=True))


def forms_of(text: str) -> list[Form]:
    """Make every form of a value; what is costly in it waits until a body seems to hold the value."""
    return [form for each in _line_ends(text) for form in _forms(each)]


def _line_ends(text: str) -> list[str]:
    """Give a text with the line ends of either world: web forms and mail turn one into the other."""
    if "\n" not in text:
        return [text]
    unix = text.replace("\r\n", "\n")
    return list(dict.fromkeys((text, unix, unix.replace("\n", "\r\n"))))


def _forms(text: str) -> list[Form]:
    utf8 = encoded(text, "utf-8")
    found = _eight_bit_forms(text, utf8, "utf-8")
    if not text.isascii():
        latin1 = encoded(text, "latin-1")
        if len(latin1) == len(text):
            found += _eight_bit_forms(text, latin1, "latin-1")
        found += [spelled_value(misread, "utf-8") for misread in _misreadings(utf8)]
    found += [Wide(text, f"utf-{8 * unit}-{order}", unit) for unit in (2, 4) for order in ("le", "be")]
    return found


def _eight_bit_forms(text: str, raw: bytes, encoding: str) -> list[Form]:
    return [spelled_value(text, encoding), *(spelled_base64(raw, shift) for shift in range(3)), Hex(raw)]


def _misreadings(utf8: bytes) -> list[str]:
    """Give what UTF-8 becomes where somebody takes it for a Western charset: "Ã©" for "é"."""
    latin1 = utf8.decode("latin-1")
    windows = "".join(raw.decode("cp1252", "ignore") or char for char in latin1 for raw in (char.encode("latin-1"),))
    return sorted({latin1, windows})


def spelled_value(text: str, encoding: str) -> Spelled:
    """Make the form of a value in which each character is plain, or escaped as in JSON, HTML or a URL."""
    raw = encoded(text, encoding)
    first, last = _longest(_RUN, raw[:_LOOK])
    alnum = last - first >= min(6, len(raw))
    if alnum:
        chars = raw[first:last].decode() + raw[last : last + 4].decode(encoding, "ignore")[:1]
    else:
        chars = text[: _SHORT_ANCHOR + 1]
        first, last = 0, len(encoded(text[:_SHORT_ANCHOR], encoding))
    size = last - first if alnum else len(text[:_SHORT_ANCHOR])
    anchor = Anchor(first, (raw[first:last],), chars[:size], chars[1:], alnum)

    def pattern() -> Pattern:
        return Pattern(raw, tuple(raw[i : i + 1] for i in range(len(raw))), encoding)

    return Spelled(len(raw), anchor, encoding, pattern)


def spelled_base64(raw: bytes, shift: int) -> Spelled:
    """Make the form in base64 or base64url of a value which ``shift`` bytes stand before in its group of three.

    The first and the last character may carry bits of the neighbours; those of the value's bits are checked.
    """
    total = shift + len(raw)
    size = -(-8 * total // 6) - shift
    settled = 8 * total // 6 - shift  # before it, all bits are the value's
    head = b64encode(bytes(shift) + raw[: _LOOK - shift])[shift : shift + settled]
    first, last = _longest(_RUN, head, bool(shift))
    if last - first >= 4:
        anchor = Anchor(first, (head[first:last],))
    else:
        anchor = _base64_anchor(head[:settled], int(bool(shift)))

    def pattern() -> Pattern:
        digits = b64encode(bytes(shift) + raw + bytes(-total % 3))[shift : shift + size]
        accepted = [_DIGITS_FOR[_DIGIT_VALUES[digit]] for digit in digits]
        if shift:
            accepted[0] = _sharing(digits[0], 0b1111 if shift == 1 else 0b11)
        if size > settled:
            accepted[-1] = _sharing(digits[-1], 0b110000 if total % 3 == 1 else 0b111100)
        return Pattern(digits, tuple(accepted), "utf-8")

    return Spelled(size, anchor, "utf-8", pattern, padding=-total % 3)


def _base64_anchor(head: bytes, first: int) -> Anchor:
    """Choose one where hardly two letters or digits stand together."""
    here = head[first : first + _SHORT_ANCHOR]
    plain = tuple(sorted({here, here.translate(_URL_SAFE)}))
    return Anchor(first, plain, "".join(sorted(set(b"".join(plain).decode()) & set("+/-_"))))


def _longest(runs: re.Pattern[bytes], text: bytes, start: int = 0) -> tuple[int, int]:
    run = max(runs.findall(text, start), key=len, default=b"")
    first = text.index(run, start) if run else 0
    return first, first + min(len(run), _ANCHOR)


def _sharing(digit: int, bits: int) -> bytes:
    value = _DIGIT_VALUES[digit] & bits
    return b"".join(digits for other, digits in enumerate(_DIGITS_FOR) if other & bits == value)


class Hex:
    """Two hexadecimal digits a byte, in any mixture of cases."""

    encoding = "utf-8"

    def __init__(self, raw: bytes) -> None:
        self._needle = raw.hex().encode()
        first, last = _longest(_DIGITS, self._needle[:_LOOK])
        self._anchor = self._needle[first:last]
        self.hold = len(self._needle)

    def search(self, window: Window, place: Place) -> list[Span]:
        """See ``Form``. The longest run of digits, which have no case, tells most bodies apart."""
        found: list[Span] = []
        if len(self._anchor) < 4 or window.data.find(self._anchor, place.resume) >= 0:
            while (at := window.lowered.find(self._needle, place.resume)) >= 0:
                place.resume = at + len(self._needle)
                found.append((at, place.resume))
        place.resume = max(place.resume, len(window.data) - len(self._needle) + 1)
        return found


class Wide:
    """UTF-16 or UTF-32 in one byte order; ``unit`` is 2 or 4 bytes.

    Where all high bytes are alike (zero, in Western text), both orders are the same bytes but for the first or the
    last: the one that starts at a multiple of the unit is meant then. The marker is put in the same encoding, so that
    the text around it stays readable.
    """

    def __init__(self, text: str, encoding: str, unit: int) -> None:
        self.encoding = encoding
        self._text = text
        self._little = encoding.endswith("le")
        self._ahead = 1 - unit if self._little else unit - 1
        self._unit = unit
        self._has_nul = unit == 4 or text.isascii() or min(text) < "\u0100"  # whether it surely has one
        self.hold = 4 * len(text) + unit  # at most four bytes a character

    def search(self, window: Window, place: Place) -> list[Span]:
        """See ``Form``."""
        found: list[Span] = []
        settled = len(window.data) if window.final else len(window.data) - self.hold + 1
        if window.has_nul or not self._has_nul:
            while 0 <= (at := window.data.find(self._needle, place.resume)) < settled:
                if self._is_meant(window.data, at):
                    place.resume = at + len(self._needle)
                    found.append((at, place.resume))
                else:
                    place.resume = at + 1
        place.resume = max(place.resume, settled)
        return found

    def _is_meant(self, data: bytes, at: int) -> bool:
        other = at + self._ahead
        return at % self._unit == 0 or other % self._unit != 0 or other < 0 or not data.startswith(self._other, other)

    @cached_property
    def _needle(self) -> bytes:
        return encoded(self._text, self.encoding)

    @cached_property
    def _other(self) -> bytes:
        return encoded(self._text, self.encoding[:-2] + ("be" if self._little else "le"))
