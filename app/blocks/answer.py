"""What a client gets of a reply's body: JSON value for value, text byte for byte, anything else as base64. Pure."""

from __future__ import annotations

import base64
import json
from typing import Final, NoReturn

from app.outbound import Reply

_EXACT_INTEGER: Final = 2**53


def answer_body(reply: Reply) -> dict[str, object]:
    """Return ``{"type": "json" | "text" | "base64", "content": …}``.

    JSON that a reader would not get back as it was sent (a name twice, a number that changes on the way) comes as text.
    """
    text = _text(reply)
    if text is None:
        return {"type": "base64", "content": base64.b64encode(reply.body).decode()}
    if reply.media_type is not None and (reply.media_type == "application/json" or reply.media_type.endswith("+json")):
        try:
            content = json.loads(
                text,
                object_pairs_hook=_unique,
                parse_float=_same_float,
                parse_int=_exact_int,
                parse_constant=_no_constant,
            )
        except (ValueError, RecursionError):
            return {"type": "text", "content": text}
        return {"type": "json", "content": content}
    return {"type": "text", "content": text}


def _text(reply: Reply) -> str | None:
    try:
        text = reply.body.decode(reply.charset or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return None
    return None if "\x00" in text else text


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _same_float(text: str) -> float:
    number = float(text)
    if json.dumps(number) != text:
        raise ValueError("the number would be written in another way")
    return number


def _exact_int(text: str) -> int:
    number = int(text) if len(text) < 20 else _EXACT_INTEGER + 1
    if abs(number) > _EXACT_INTEGER or text == "-0":
        raise ValueError("many readers would change the number")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)
