"""Captures: parts of a JSON answer that a call's author wants by names of their own. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import ItemsView, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, cast

import orjson
from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError, JSONPathSyntaxError
from jsonpath.filter import BaseExpression, IntegerLiteral
from jsonpath.function_extensions import Match, Search
from jsonpath.parse import Parser
from jsonpath.stream import TokenStream
from jsonpath.token import Token

from app.calls.field_template import is_name
from app.calls.response import EXACT_INTEGER, json_texts, refuse_constant
from app.kernel.errors import FieldLocation, ValidationFailed
from app.outbound.model import Response

_LEADING_ZERO: Final = re.compile(r"-?0[0-9]")
_LARGEST_EXPONENT: Final = 308  # a double's
_LONGEST_INTEGER: Final = 1000
_LONGEST_PATH: Final = 512
_MOST_RESULTS: Final = 1000
_STEPS: Final = 200_000  # nodes that all captures of one call may look at
_PATTERN_SECONDS: Final = 0.05


# --- captures ---------------------------------------------------------------------------------------------------------


Problem = Literal["not_json", "not_found", "too_large"]


class _NotFoundError(Exception):
    """A path that can find one thing found nothing."""


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


class _ExactParser(Parser):
    """Reads numbers as they are written; the library reads integers through a float, which changes large ones."""

    def parse_integer_literal(self, stream: TokenStream) -> BaseExpression:
        token = stream.next()
        if _LEADING_ZERO.match(token.value):
            raise JSONPathSyntaxError("invalid integer literal", token=token)
        return IntegerLiteral(value=int(_number(token)))

    def parse_float_literal(self, stream: TokenStream) -> BaseExpression:
        number = _number(stream.current())
        literal = super().parse_float_literal(stream)
        return IntegerLiteral(value=int(number)) if number == number.to_integral_value() else literal


def _number(token: Token) -> Decimal:
    try:
        number = Decimal(token.value)
    except ArithmeticError:
        raise JSONPathSyntaxError("a number beyond counting", token=token) from None
    if number.adjusted() > _LARGEST_EXPONENT:
        raise JSONPathSyntaxError("a number beyond counting", token=token)
    return number


class _ExactEnvironment(JSONPathEnvironment):
    parser_class = _ExactParser


def _environment() -> JSONPathEnvironment:
    environment = _ExactEnvironment(strict=True)
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
        raise _wrong(name, in_path, "Invalid JSONPath (RFC 9535). An example: $.ticket.id.")
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


@dataclass(frozen=True, slots=True)
class Captured:
    """What captures found by their names, None where nothing was, and why not."""

    values: Mapping[str, object] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)


def capture_values(captures: Sequence[Capture], response: Response) -> Captured:
    """Return what the captures find in a redacted response.

    A path that can find one thing only gives that thing, any other a list of at most 1000. An integer that many readers
    would change comes as text.
    """
    if not captures:
        return Captured()
    try:
        document = _document(response)
    except RecursionError:
        return _nothing(captures, "too_large")
    except ValueError:
        return _nothing(captures, "not_json")
    budget = _Budget()
    counted = _count_steps(document, budget)
    values: dict[str, object] = {}
    problems: dict[str, Problem] = {}
    for capture in captures:
        values[capture.name] = None
        try:
            values[capture.name] = _find(capture.path, counted)
        except _NotFoundError:
            problems[capture.name] = "not_found"
        except (_OverBudgetError, JSONPathError, RecursionError):
            problems[capture.name] = "too_large"
        except TypeError:  # half of a surrogate pair
            problems[capture.name] = "not_json"
    return Captured(values, problems)


def _nothing(captures: Sequence[Capture], problem: Problem) -> Captured:
    names = [capture.name for capture in captures]
    return Captured(dict.fromkeys(names), dict.fromkeys(names, problem))


def _document(response: Response) -> object:
    """Read a response as JSON. Raises ``ValueError`` and ``RecursionError``."""
    for text in json_texts(response):
        with suppress(ValueError):
            return json.loads(text, parse_constant=refuse_constant, parse_int=_integer, parse_float=_float)
    raise ValueError("no JSON")


def _integer(text: str) -> int | float | str:
    if text == "-0":
        return -0.0
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _find(path: JSONPath, document: Any) -> object:
    # A bare text would be taken for JSON still to be read.
    results = [document] if path.empty() else [] if isinstance(document, str) else _results(path, document)
    if path.singular_query() and not results:
        raise _NotFoundError
    plain = [_plain(result) for result in results]
    orjson.dumps(plain)
    return plain[0] if path.singular_query() else plain


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
    if isinstance(content, int) and abs(content) > EXACT_INTEGER:
        return str(content)
    return content
