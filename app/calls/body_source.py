"""JSON and form bodies as their author spelled them: what goes out is this text, its templates filled in. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote_plus

from app.calls.definition import Pair
from app.calls.field_template import OPENING, Template, parse_template
from app.kernel.errors import ValidationFailed
from app.outbound.model import Text
from app.outbound.places import BODY

Source = tuple[str | Template, ...]
"""A text in pieces: what is sent as it stands, and what is filled in first (of JSON without the quotes around it)."""

LITERAL_BRACES: Final = '{{"{{"}}'
JSON_LITERAL_BRACES: Final = r"{{\"{{\"}}"
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)


def read_json_source(text: str) -> object:
    """Return what a JSON text says.

    Raises:
        ValueError: It isn't JSON, a name stands twice in one object, or a number has too many digits.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def read_form_source(text: str) -> tuple[Pair, ...]:
    """Return the pairs that a form's text says; one without ``=`` has an empty value.

    Raises:
        ValueError: One has no name, or its escapes are no UTF-8.
    """
    pairs = []
    for piece in filter(None, text.split("&")):
        name, _, value = piece.partition("=")
        if not name:
            raise ValueError
        pairs.append(Pair(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")))
    return tuple(pairs)


@dataclass(frozen=True, slots=True)
class JsonString:
    """A string that is a value in a JSON text: where it stands, quotes and all, and what is between them."""

    start: int
    end: int
    spelled: str


def json_strings(text: str) -> Iterator[JsonString]:
    """Give the strings of a valid JSON text that are values and no names, in order."""
    for found in _STRING.finditer(text):
        if not found[2]:
            yield JsonString(found.start(), found.end(), found[1])


def parse_json_source(text: str, strings: Sequence[Template]) -> Source:
    """Part a JSON text at the strings that hold templates.

    Args:
        strings: Its strings' templates, in order, as they were parsed from what the text says.

    Raises:
        ValidationFailed: A template's braces are escaped, so that what would go out isn't what was parsed.
    """
    pieces: list[str | Template] = []
    end = 0
    for token, said in zip(json_strings(text), strings, strict=True):
        if OPENING in said.source:
            spelled = token.spelled.replace(JSON_LITERAL_BRACES, LITERAL_BRACES)
            pieces += [text[end : token.start], _as_spelled(spelled, said)]
            end = token.end
    return (*pieces, text[end:])


def parse_form_source(text: str, values: Sequence[Template]) -> Source:
    """Part a form's text at the values that hold templates.

    Args:
        values: Its values' templates, in order, as they were parsed from what the text says.

    Raises:
        ValidationFailed: A template's braces are escaped, so that what would go out isn't what was parsed.
    """
    pieces: list[str | Template] = []
    said = iter(values)
    for number, piece in enumerate(text.split("&")):
        name, equals, value = piece.partition("=")
        pieces.append(f"{'&' if number else ''}{name}{equals}")
        template = next(said) if piece else None
        pieces.append(value if template is None or OPENING not in template.source else _as_spelled(value, template))
    return tuple(pieces)


def _as_spelled(spelled: str, said: Template) -> Template:
    template = parse_template(spelled, location=said.location, place=BODY)
    if _references(template) != _references(said):
        sentence = "Write the braces of a template without escapes."
        raise ValidationFailed(f"{said.location.label}: {sentence}", errors={said.location: [sentence]})
    return template


def _references(template: Template) -> list[object]:
    return [piece for piece in template.pieces if not isinstance(piece, Text)]
