"""A call's body: its fields parsed once, and filled in with variables for each run. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from app.calls.body_source import Source, parse_form_source, parse_json_source, read_json_source
from app.calls.definition import BodyType, Pair, WrittenCall, WrittenPart
from app.calls.field_template import Template, TemplateVariable, fill, parse_template, refuse_template
from app.kernel.errors import FieldLocation, ValidationFailed
from app.outbound.inject import from_base64
from app.outbound.model import (
    Body,
    BytesBody,
    Field,
    FormBody,
    JsonBody,
    MultipartBody,
    NoBody,
    Part,
    TextBody,
    XmlBody,
)
from app.outbound.places import BODY

NOT_IN_HEADERS: Final = re.compile(r"[\x00\r\n]")
_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class _Part:
    part: WrittenPart
    content: Template


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A body of which its author spelled the text."""

    content: object
    source: Source


def parse_pair(pair: Pair, what: str, place: str, location: FieldLocation) -> tuple[str, Template]:
    """Parse a named parameter's value; its name holds no template."""
    label = f"{what} {pair.name[:64]}"
    refuse_template(pair.name, f"The name of a {what} parameter", location=location.member("name", label=label))
    return pair.name, parse_template(pair.value, location=location.member("value", label=label), place=place)


def parse_body(written: WrittenCall, location: FieldLocation) -> object:
    """Parse a body's fields: what ``body_fields`` and ``resolve_body`` take. For what it raises see ``parse_call``."""
    if written.body_type == "json":
        return _json_body(written, location)
    if written.body_type in ("text", "xml", "base64"):
        _check_base64(written.body_type == "base64", str(written.content), location)
        return parse_template(str(written.content), location=location, place=BODY)
    if written.body_type == "form":
        return _form_body(written, location)
    if written.body_type == "multipart":
        parts = cast(Sequence[WrittenPart], written.content)
        return tuple(_multipart_part(part, location.member(index)) for index, part in enumerate(parts))
    return None


def _json_body(written: WrittenCall, location: FieldLocation) -> object:
    if written.source is None:
        return _json(written.content, "$", location, 0)
    content = _json(read_json_source(written.source), "$", location, 0)
    return _Spelled(content, parse_json_source(written.source, tuple(body_fields(content))))


def _form_body(written: WrittenCall, location: FieldLocation) -> object:
    pairs = tuple(
        parse_pair(pair, "body", BODY, location.member(index))
        for index, pair in enumerate(cast(Sequence[Pair], written.content))
    )
    if written.source is None:
        return pairs
    return _Spelled(pairs, parse_form_source(written.source, [value for _, value in pairs]))


def _json(content: object, path: str, location: FieldLocation, depth: int) -> object:
    if depth > _DEPTH:
        raise ValidationFailed("The JSON body is nested too deep.", errors={location: [f"At most {_DEPTH} levels."]})
    if isinstance(content, str):
        return parse_template(content, location=location.member(label=f"body {path}"), place=BODY)
    if isinstance(content, Mapping):
        for name in content:
            refuse_template(str(name), "A name in a JSON body", location=location)
        return {
            str(name): _json(inner, f"{path}.{str(name)[:64]}", location.member(str(name)), depth + 1)
            for name, inner in content.items()
        }
    if isinstance(content, list | tuple):
        return [
            _json(inner, f"{path}[{index}]", location.member(index), depth + 1) for index, inner in enumerate(content)
        ]
    if isinstance(content, float) and not math.isfinite(content):
        where = location.member(label=f"body {path}")
        raise ValidationFailed("The JSON body has a number that is too large.", errors={where: ["Too large."]})
    return content


def _multipart_part(part: WrittenPart, location: FieldLocation) -> _Part:
    label = f"body {part.name[:64]}"
    for member, text in (("name", part.name), ("filename", part.filename), ("content_type", part.content_type)):
        where = location.member(member, label=label)
        refuse_template(text or "", "The head of a multipart part", location=where)
        if NOT_IN_HEADERS.search(text or ""):
            raise ValidationFailed("A part's head holds no line break.", errors={where: ["Remove the line break."]})
    _check_base64(part.encoding == "base64", part.value, location.member("value", label=label))
    return _Part(part, parse_template(part.value, location=location.member("value", label=label), place=BODY))


def _check_base64(encoded: bool, text: str, location: FieldLocation) -> None:
    """Refuse bytes that can't be read, where they are written out and no template will fill them."""
    if encoded and "{{" not in text:
        try:
            from_base64(text)
        except ValueError:
            sentence = "Isn't base64."
            raise ValidationFailed(f"{location.label}: {sentence}", errors={location: [sentence]}) from None


def body_fields(body: object) -> Iterator[Template]:
    """Give a parsed body's fields, in order."""
    if isinstance(body, Template):
        yield body
    elif isinstance(body, _Part):
        yield body.content
    elif isinstance(body, _Spelled):
        yield from body_fields(body.content)
    elif isinstance(body, Mapping):
        for inner in body.values():
            yield from body_fields(inner)
    elif isinstance(body, list | tuple):
        for inner in body:
            yield from body_fields(inner)


def resolve_body(body_type: BodyType, body: object, variables: Mapping[str, object], content_type: str | None) -> Body:
    """Fill the variables into a parsed body. Raises ``ValueNotAllowedHere``."""
    if isinstance(body, _Spelled):
        return _resolve_spelled(body_type, body, variables)
    if body_type == "json":
        return JsonBody(_resolved_json(body, variables))
    if body_type == "text":
        return TextBody(fill(cast(Template, body), variables))
    if body_type == "xml":
        return XmlBody(fill(cast(Template, body), variables))
    if body_type == "base64":
        return BytesBody(fill(cast(Template, body), variables), content_type)
    if body_type == "form":
        return FormBody(_resolved_pairs(body, variables))
    if body_type == "multipart":
        parts = cast(Sequence[_Part], body)
        return MultipartBody(tuple(_fill_part(each, variables) for each in parts))
    return NoBody()


def _resolve_spelled(body_type: BodyType, body: _Spelled, variables: Mapping[str, object]) -> Body:
    if body_type == "form":
        source = tuple(piece if isinstance(piece, str) else fill(piece, variables) for piece in body.source)
        return FormBody(_resolved_pairs(body.content, variables), source)
    pieces: list[str | Field] = []
    for piece in body.source:
        filled = piece if isinstance(piece, str) else _resolved_json(piece, variables)
        if isinstance(filled, Field):
            pieces += ['"', filled, '"']
        else:
            pieces.append(piece if isinstance(piece, str) else json.dumps(filled, ensure_ascii=False))
    return JsonBody(_resolved_json(body.content, variables), tuple(pieces))


def _resolved_pairs(pairs: object, variables: Mapping[str, object]) -> tuple[tuple[str, Field], ...]:
    return tuple((name, fill(value, variables)) for name, value in cast(Sequence[tuple[str, Template]], pairs))


def _fill_part(each: _Part, variables: Mapping[str, object]) -> Part:
    part = each.part
    content = fill(each.content, variables)
    return Part(part.name, content, part.filename, part.content_type, encoded=part.encoding == "base64")


def _resolved_json(body: object, variables: Mapping[str, object]) -> object:
    if isinstance(body, Template):
        alone = body.pieces[0] if len(body.pieces) == 1 else None
        if isinstance(alone, TemplateVariable) and not isinstance(variables[alone.name], str):
            return variables[alone.name]  # which keeps its type where nothing stands around it
        return fill(body, variables)
    if isinstance(body, Mapping):
        return {name: _resolved_json(inner, variables) for name, inner in body.items()}
    if isinstance(body, list):
        return [_resolved_json(inner, variables) for inner in body]
    return body
