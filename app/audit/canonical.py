"""JSON that is written in one way only, since it is hashed and signed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import orjson

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SIMPLE: Final = frozenset({str, int, bool, type(None)})


def canonical(facts: object) -> bytes:
    """Write facts as JSON in one way only: sorted keys, no white space, UTF-8 (also of what a forger made up)."""
    return fast_json(facts, option=orjson.OPT_SORT_KEYS) or _CANONICAL(facts).encode(errors="surrogatepass")


def fast_json(value: object, *, option: int = 0) -> bytes | None:
    """Write JSON by the fast writer; None where the thorough one would write another text."""
    if not _is_plain(value):
        return None
    try:
        return orjson.dumps(value, option=option)
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        return None


def _is_plain(value: object) -> bool:
    """Tell whether JSON's fast writer writes this as the thorough one does: no float with an exponent, no subclass."""
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is float:
        return value == 0 or 1e-4 <= abs(value) < 1e16  # type: ignore[arg-type]
    if kind is dict:
        inside: Iterable[object] = value.values()  # type: ignore[attr-defined]
    elif kind is list or kind is tuple:
        inside = value  # type: ignore[assignment]
    else:
        return False
    for each in inside:  # noqa: SIM110 - a generator costs twice as much, for every event
        if type(each) not in _SIMPLE and not _is_plain(each):
            return False
    return True
