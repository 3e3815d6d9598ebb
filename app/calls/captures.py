"""What a client gets of a response (JSON value for value, text byte for byte, else base64), and captures. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import ItemsView, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NoReturn, cast

import orjson
from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError
from jsonpath.function_extensions import Match, Search

from app.calls.field_template import is_name
from app.kernel.errors import FieldLocation, ValidationFailed
from app.outbound.model import Response
from app.redaction.charsets import codec_of

_EXACT_INTEGER: Final = 2**53
_MANY_DIGITS: Final = re.compile(rb"[0-9]{16}")
_BINARY: Final = re.compile(r"(?:image/(?!svg)|audio/|video/|font/|application/(?:octet-stream|zip|gzip|pdf)$)")
_LONGEST_PATH: Final = 512
_MOST_RESULTS: Final = 1000
_STEPS: Final = 200_000  # nodes that all captures of one call may look at
_PATTERN_SECONDS: Final = 0.05


# --- the body ---------------------------------------------------------------------------------------------------------


def answer_body(response: Response) -> dict[str, object]:
    """Return ``{"type": "json" | "text" | "base64", "content": …}``.

    JSON that a reader would not get back as it was sent (a name twice, a number that changes on the way) comes as text.
    """
    text = _text(response)
    if text is None:
        return {"type": "base64", "content": base64.b64encode(response.body).decode()}
    if _says_json(response):
        try:
            return {"type": "json", "content": _same_again(response) or _value_for_value(text)}
        except (ValueError, TypeError, RecursionError):
            pass
    return {"type": "text", "content": text}


def _text(response: Response) -> str | None:
    codec = codec_of(response.charset)
    if codec is None or _BINARY.match(response.media_type or ""):
        return None
    try:
        text = response.body.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _says_json(response: Response) -> bool:
    media_type = response.media_type or ""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def _same_again(response: Response) -> object:
    """Read JSON fast where it comes out of a writer byte for byte as it went into the reader; otherwise give None.

    Then no name stands twice and no number has changed, if it hasn't so many digits that other readers change it.
    """
    if codec_of(response.charset) != "utf-8" or _MANY_DIGITS.search(response.body):
        return None
    try:
        content = orjson.loads(response.body)
        return content if orjson.dumps(content) == response.body else None
    except (ValueError, TypeError):
        return None


def _value_for_value(text: str) -> object:
    content = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_float=_same_float,
        parse_int=_exact_int,
        parse_constant=_no_constant,
    )
    orjson.dumps(content)  # refuses what couldn't be written again: too deep, half of a surrogate pair
    return content


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _same_float(text: str) -> float:
    number = float(text)
    if Decimal(json.dumps(number)) != Decimal(text):
        raise ValueError("the number would become another one")
    return number


def _exact_int(text: str) -> int:
    number = int(text) if len(text) < 20 else _EXACT_INTEGER + 1
    if abs(number) > _EXACT_INTEGER or text == "-0":
        raise ValueError("many readers would change the number")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


# --- captures ---------------------------------------------------------------------------------------------------------


class _OverBudgetError(Exception):
    """A path looks at more of an answer than it may."""


@dataclass(slots=True)
class _Budget:
    left: float = _STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps + 1
        if self.left < 0:
            raise _OverBudgetError


class _Object(dict[str, Any]):
    """A JSON object that counts how often it is gone through, wherever in a path that happens."""

    budget: _Budget

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self.budget.spend(len(self))
        return cast("ItemsView[str, Any]", super().items())


class _Array(list[Any]):
    """A JSON array that counts as ``_Object`` does."""

    budget: _Budget

    def __iter__(self) -> Iterator[Any]:
        self.budget.spend(len(self))
        return super().__iter__()


class _BoundedMatch(Match):
    def __call__(self, value: object, pattern: object) -> bool:
        return _match_within_limits(self, "fullmatch", value, pattern)


class _BoundedSearch(Search):
    def __call__(self, value: object, pattern: object) -> bool:
        return _match_within_limits(self, "search", value, pattern)


def _match_within_limits(function: Match | Search, way: str, value: object, pattern: object) -> bool:
    """Match, for a while: there are patterns that take for ever with the text that was made for them."""
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    compiled = function.check_cache(pattern)
    try:
        return compiled is not None and bool(getattr(compiled, way)(value, timeout=_PATTERN_SECONDS))
    except TimeoutError:
        raise _OverBudgetError from None


def _environment() -> JSONPathEnvironment:
    environment = JSONPathEnvironment(strict=True)
    environment.function_extensions["match"] = _BoundedMatch(thread_safe=True)
    environment.function_extensions["search"] = _BoundedSearch(thread_safe=True)
    return environment


_JSONPATH: Final = _environment()


@dataclass(frozen=True, slots=True)
class Capture:
    """A part of the answer that the author wants by a name of its own; ``path`` is a JSONPath (RFC 9535)."""

    name: str
    path: JSONPath


def compile_capture(name: str, path: str, *, location: FieldLocation) -> Capture:
    """Read a capture as its author wrote it.

    Args:
        location: Where it stands in the request.

    Raises:
        ValidationFailed: the name is no name, or the path no JSONPath of RFC 9535, or too long.
    """
    if not is_name(name):
        raise _wrong(
            name,
            location.member("name", label=location.label),
            "A capture's name is a letter or _ and then letters, digits and _, 64 at most.",
        )
    in_path = location.member("path", label=location.label)
    if len(path) > _LONGEST_PATH:
        raise _wrong(name, in_path, f"A path has at most {_LONGEST_PATH} characters.")
    compiled = _compile(path)
    if compiled is None:
        raise _wrong(name, in_path, "Is no JSONPath (RFC 9535), such as $.ticket.id.")
    return Capture(name, compiled)


@lru_cache(maxsize=4096)
def _compile(path: str) -> JSONPath | None:
    try:
        compiled = _JSONPATH.compile(path)
    except (JSONPathError, ValueError, RecursionError):
        return None
    return compiled if isinstance(compiled, JSONPath) else None


def _wrong(name: str, where: FieldLocation, sentence: str) -> ValidationFailed:
    return ValidationFailed(f"The capture {name[:64]}: {sentence}", errors={where: [sentence]})


def capture_values(captures: Sequence[Capture], response: Response) -> dict[str, object]:
    """Return what the captures find in a redacted response.

    A path that can find one thing only gives that thing, any other a list of at most 1000. ``None`` stands for nothing
    found, for an answer that isn't JSON, and for a search that goes too far.
    """
    if not captures:
        return {}
    text = _text(response) if _says_json(response) else None
    try:
        content = json.loads(text or "", parse_constant=_no_constant)
        budget = _Budget()
        document = _count_steps(content, budget)
    except (ValueError, RecursionError):
        return {capture.name: None for capture in captures}
    return {capture.name: _find(capture.path, document, budget) for capture in captures}


def _find(path: JSONPath, document: Any, budget: _Budget) -> object:
    try:
        # A bare text would be taken for JSON still to be read.
        results = [document] if path.empty() else [] if isinstance(document, str) else _results(path, document)
        plain = [_plain(result) for result in results]
        orjson.dumps(plain)
    except (_OverBudgetError, JSONPathError, RecursionError, TypeError):
        return None
    if path.singular_query():
        return plain[0] if plain else None
    return plain


def _results(path: JSONPath, document: Any) -> list[object]:
    return [match.obj for match in islice(path.finditer(document), _MOST_RESULTS)]


def _count_steps(content: object, budget: _Budget) -> object:
    if isinstance(content, dict):
        counted = _Object({name: _count_steps(inner, budget) for name, inner in content.items()})
        counted.budget = budget
        return counted
    if isinstance(content, list):
        array = _Array(_count_steps(inner, budget) for inner in content)
        array.budget = budget
        return array
    return content


def _plain(content: object) -> object:
    if isinstance(content, _Object):
        return {name: _plain(inner) for name, inner in dict.items(content)}
    if isinstance(content, _Array):
        return [_plain(inner) for inner in list.__iter__(content)]
    return content
