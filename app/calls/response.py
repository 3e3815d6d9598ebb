"""What a client gets of a response's body: JSON value for value, text byte for byte, else base64. Pure.

What is JSON is decided by its bytes, whatever the media type says, but for images and the like.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NoReturn

import orjson

from app.outbound.model import Response
from app.redaction.charsets import codec_of

EXACT_INTEGER: Final = 2**53
_MOST_DIGITS: Final = 17
_MANY_DIGITS: Final = re.compile(rb"[0-9]{16}")
_BINARY: Final = re.compile(r"(?:image/(?!svg)|audio/|video/|font/|application/(?:octet-stream|zip|gzip|pdf)$)")
_JSON_TYPE: Final = re.compile(r"[a-z]+/(?:.*[.+-])?json\b")
_LIST_OR_OBJECT: Final = re.compile(r"[ \t\r\n]*[\[{]")
_BOM: Final = "\ufeff"
_BLANKS: Final = b" \t\r\n"


def answer_body(response: Response) -> dict[str, object]:
    """Return ``{"type": "json" | "text" | "base64", "content": …}``.

    JSON that a reader would not get back as it was sent (a name twice, a number that changes on the way) comes as text.
    """
    for document in json_texts(response):
        try:
            return {"type": "json", "content": _same_again(response.body) or _value_for_value(document)}
        except (ValueError, TypeError, RecursionError):
            pass
    text = _text(response)
    if text is None:
        return {"type": "base64", "content": base64.b64encode(response.body).decode()}
    return {"type": "text", "content": text}


def json_texts(response: Response) -> Iterator[str]:
    """Give what may be JSON: the bytes read as UTF-8, then in the charset that they name; without a byte order mark.

    A number or a text alone may be JSON where the media type says so, or there is none.
    """
    says_json = response.media_type is None or _JSON_TYPE.match(response.media_type)
    for codec in dict.fromkeys(("utf-8", codec_of(response.charset))):
        text = _decode(response, codec)
        if text is not None and (says_json or _LIST_OR_OBJECT.match(text.removeprefix(_BOM))):
            yield text.removeprefix(_BOM)


def _text(response: Response) -> str | None:
    codec = codec_of(response.charset)
    if codec is not None and next(json_texts(response), None) is not None:
        return _decode(response, "utf-8") or _decode(response, codec)  # what nearly was JSON is in UTF-8, too
    return _decode(response, codec)


def _decode(response: Response, codec: str | None) -> str | None:
    if codec is None or _BINARY.match(response.media_type or ""):
        return None
    try:
        text = response.body.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _same_again(body: bytes) -> object:
    """Read JSON fast where it comes out of a writer, but for blanks, as it went into the reader; otherwise give None.

    Then no name stands twice and no number has changed, if it hasn't so many digits that other readers change it.
    Blanks are left out of strings too: those of the one were read from the other.
    """
    if _MANY_DIGITS.search(body):
        return None
    try:
        content = orjson.loads(body)
        again = orjson.dumps(content)
    except (ValueError, TypeError):
        return None
    return content if again == body or again.translate(None, _BLANKS) == body.translate(None, _BLANKS) else None


def _value_for_value(text: str) -> object:
    content = json.loads(
        text, object_pairs_hook=_unique, parse_float=_same_float, parse_int=_exact_int, parse_constant=refuse_constant
    )
    orjson.dumps(content)  # refuses what couldn't be written again: too deep, half of a surrogate pair
    return content


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _same_float(text: str) -> float:
    """Read a double as whoever wrote it has it: 17 digits tell it from every other, and readers agree on them."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too great for a double")
    try:
        written = Decimal(text)
    except ArithmeticError:
        raise ValueError("an exponent beyond counting") from None
    if Decimal(repr(number)) != written and (not 0 < abs(number) < EXACT_INTEGER or _digits(written) > _MOST_DIGITS):
        raise ValueError("the number would become another one")
    return number


def _digits(number: Decimal) -> int:
    return len(number.normalize().as_tuple().digits)


def _exact_int(text: str) -> int | float:
    if text == "-0":
        return -0.0
    number = int(text) if len(text) < 20 else EXACT_INTEGER + 1
    if abs(number) > EXACT_INTEGER:
        raise ValueError("many readers would change the number")
    return number


def refuse_constant(text: str) -> NoReturn:
    """Refuse what Python reads and JSON doesn't have: ``NaN`` and ``Infinity``. Raises ``ValueError``."""
    raise ValueError(text)
