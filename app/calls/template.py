"""A call: its fields parsed once, and filled in with variables for each run. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

from app.calls.captures import Capture, compile_capture
from app.calls.definition import BodyType, Pair, WrittenCall, WrittenPart
from app.calls.field_template import Template, fill, parse_template, refuse_template, require_variables
from app.kernel.errors import HeaderNotAllowed, ValidationFailed, ValueNotAllowedHere
from app.outbound.model import (
    Body,
    Call,
    Field,
    Filled,
    FormBody,
    JsonBody,
    Method,
    MultipartBody,
    NoBody,
    Origin,
    Part,
    Text,
    TextBody,
)
from app.outbound.places import BASIC, BODY, PATH, QUERY, can_be_set, folded, header_place, is_token
from app.outbound.urls import parse_url

_NOT_IN_HEADERS: Final = re.compile(r"[\x00\r\n]")
_DEPTH: Final = 64


@dataclass(frozen=True)
class CallTemplate:
    """A call whose fields are parsed; what is asked of them for each run is found out once."""

    written: WrittenCall
    origin: Origin
    path: Template
    url_query: tuple[Template, ...]
    query: tuple[tuple[str, Template], ...]
    headers: tuple[tuple[str, Template], ...]
    basic: tuple[Template, Template] | None
    body: object
    captures: tuple[Capture, ...]

    @cached_property
    def fields(self) -> tuple[Template, ...]:
        """Every field, in the order in which a person reads a call."""
        return (
            self.path,
            *self.url_query,
            *(value for _, value in self.query),
            *(value for _, value in self.headers),
            *(self.basic or ()),
            *_leaves(self.body),
        )

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets that it carries, sorted."""
        return tuple(sorted({field.secret for field in self.fields if field.secret}))

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of the variables that it refers to."""
        return frozenset(name for field in self.fields for name in field.variables)


@dataclass(frozen=True, slots=True)
class _Part:
    part: WrittenPart
    content: Template


def parse_call(written: WrittenCall) -> CallTemplate:
    """Parse every field once.

    Raises:
        ValidationFailed, TemplateNotAllowed, HeaderNotAllowed, OneSecretPerField, DestinationNotAllowed (another
        scheme than http and https): naming the field.
    """
    origin, rest = parse_url(written.url)
    path, _, url_query = rest.partition("?")
    headers = tuple(_header(pair) for pair in written.headers)
    _refuse_twins(written)
    return CallTemplate(
        written=written,
        origin=origin,
        path=parse_template(path or "/", label="url path", place=PATH),
        url_query=tuple(_url_parameter(text) for text in url_query.split("&") if text),
        query=tuple(_named(pair, "query", QUERY) for pair in written.query),
        headers=headers,
        basic=_basic(written.basic),
        body=_body(written),
        captures=_captures(written),
    )


def _url_parameter(text: str) -> Template:
    name, equals, _ = text.partition("=")
    refuse_template(name if equals else "", "The name of a query parameter", field="url")
    return parse_template(text, label=f"url query {name[:64]}", place=QUERY)


def _header(pair: Pair) -> tuple[str, Template]:
    refuse_template(pair.name, "A header's name", field="headers")
    if not is_token(pair.name):
        raise HeaderNotAllowed(
            f"{pair.name[:64]!r} can't be a header's name.", errors={"headers": ["Is no header name."]}
        )
    if not can_be_set(pair.name):
        raise HeaderNotAllowed(
            f"The header {pair.name} can't be set by a call.",
            errors={f"header {pair.name}": ["Can't be set by a call."]},
        )
    label = f"header {pair.name}"
    if _NOT_IN_HEADERS.search(pair.value):
        raise ValidationFailed(
            "A header holds no line break and no NUL.", errors={label: ["Holds a line break or NUL."]}
        )
    return pair.name, parse_template(pair.value, label=label, place=header_place(pair.name))


def _refuse_twins(written: WrittenCall) -> None:
    names = [folded(pair.name) for pair in written.headers]
    if written.basic is not None:
        names.append("authorization")
    for name in names:
        if names.count(name) > 1:
            raise HeaderNotAllowed(f"The header {name} is set twice.", errors={f"header {name}": ["Is set twice."]})


def _named(pair: Pair, what: str, place: str) -> tuple[str, Template]:
    refuse_template(pair.name, f"The name of a {what} parameter", field=what)
    return pair.name, parse_template(pair.value, label=f"{what} {pair.name[:64]}", place=place)


def _basic(pair: tuple[str, str] | None) -> tuple[Template, Template] | None:
    if pair is None:
        return None
    return (
        parse_template(pair[0], label="basic user", place=BASIC),
        parse_template(pair[1], label="basic password", place=BASIC),
    )


def _body(written: WrittenCall) -> object:
    if written.body_type == "json":
        return _json(written.content, "$", 0)
    if written.body_type == "text":
        return parse_template(str(written.content), label="body", place=BODY)
    if written.body_type == "form":
        return tuple(_named(pair, "body", BODY) for pair in cast(Sequence[Pair], written.content))
    if written.body_type == "multipart":
        return tuple(_multipart_part(part) for part in cast(Sequence[WrittenPart], written.content))
    return None


def _captures(written: WrittenCall) -> tuple[Capture, ...]:
    names = [name for name, _ in written.captures]
    if twice := sorted({name[:64] for name in names if names.count(name) > 1}):
        raise ValidationFailed(
            f"Two captures are named {', '.join(twice)}.",
            errors={f"capture {name}": ["Is there twice."] for name in twice},
        )
    return tuple(compile_capture(name, path) for name, path in written.captures)


def _json(content: object, path: str, depth: int) -> object:
    if depth > _DEPTH:
        raise ValidationFailed("The JSON body is nested too deep.", errors={"body": [f"At most {_DEPTH} levels."]})
    if isinstance(content, str):
        return parse_template(content, label=f"body {path}", place=BODY)
    if isinstance(content, Mapping):
        for name in content:
            refuse_template(str(name), "A name in a JSON body", field="body")
        return {str(name): _json(inner, f"{path}.{str(name)[:64]}", depth + 1) for name, inner in content.items()}
    if isinstance(content, list | tuple):
        return [_json(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(content)]
    if isinstance(content, float) and not math.isfinite(content):
        raise ValidationFailed("The JSON body has a number that is too great.", errors={f"body {path}": ["Too great."]})
    return content


def _multipart_part(part: WrittenPart) -> _Part:
    for text in (part.name, part.filename or "", part.content_type or ""):
        refuse_template(text, "The head of a multipart part", field="body")
        if _NOT_IN_HEADERS.search(text):
            raise ValidationFailed("A part's head holds no line break.", errors={"body": ["Holds a line break."]})
    return _Part(part, parse_template(part.value, label=f"body {part.name[:64]}", place=BODY))


def _leaves(body: object) -> Iterator[Template]:
    if isinstance(body, Template):
        yield body
    elif isinstance(body, _Part):
        yield body.content
    elif isinstance(body, Mapping):
        for inner in body.values():
            yield from _leaves(inner)
    elif isinstance(body, list | tuple):
        for inner in body:
            yield from _leaves(inner)


def resolve(call: CallTemplate, variables: Mapping[str, str]) -> Call:
    """Fill the variables in.

    Raises:
        MissingVariable: naming every variable without a value.
        ValueNotAllowedHere: a variable would carry a line break or NUL into a header.
    """
    require_variables(call.variables, variables)
    headers = tuple((name, _safe(fill(value, variables))) for name, value in call.headers)
    basic = (
        None if call.basic is None else (_safe(fill(call.basic[0], variables)), _safe(fill(call.basic[1], variables)))
    )
    return Call(
        method=cast(Method, call.written.method),
        origin=call.origin,
        path=_climbs_nowhere(fill(call.path, variables)),
        url_query=tuple(fill(each, variables) for each in call.url_query),
        query=tuple((name, fill(value, variables)) for name, value in call.query),
        headers=headers,
        basic=basic,
        body=_resolved(call.written.body_type, call.body, variables),
        timeout_seconds=call.written.timeout_seconds,
        follow_redirects=call.written.follow_redirects,
    )


def _climbs_nowhere(path: Field) -> Field:
    """Refuse a path in which a variable makes a segment ``.`` or ``..``, which would lead elsewhere."""
    text = "".join(
        piece.text.replace("/", "%2F")
        if isinstance(piece, Filled)
        else piece.text
        if isinstance(piece, Text)
        else "\x00"
        for piece in path.pieces
    )
    if any(isinstance(piece, Filled) for piece in path.pieces) and {".", ".."} & set(text.split("/")):
        sentence = "A variable would change the path that was written."
        raise ValueNotAllowedHere(sentence, errors={path.label: [sentence]})
    return path


def _safe(value: Field) -> Field:
    if any(isinstance(piece, Filled) and _NOT_IN_HEADERS.search(piece.text) for piece in value.pieces):
        sentence = f"A variable would carry a line break or NUL into {value.label}."
        raise ValueNotAllowedHere(sentence, errors={value.label: [sentence]})
    return value


def _resolved(body_type: BodyType, body: object, variables: Mapping[str, str]) -> Body:
    if body_type == "json":
        return JsonBody(_resolved_json(body, variables))
    if body_type == "text":
        return TextBody(fill(cast(Template, body), variables))
    if body_type == "form":
        pairs = cast(Sequence[tuple[str, Template]], body)
        return FormBody(tuple((name, fill(value, variables)) for name, value in pairs))
    if body_type == "multipart":
        parts = cast(Sequence[_Part], body)
        return MultipartBody(
            tuple(
                Part(each.part.name, fill(each.content, variables), each.part.filename, each.part.content_type)
                for each in parts
            )
        )
    return NoBody()


def _resolved_json(body: object, variables: Mapping[str, str]) -> object:
    if isinstance(body, Template):
        return fill(body, variables)
    if isinstance(body, Mapping):
        return {name: _resolved_json(inner, variables) for name, inner in body.items()}
    if isinstance(body, list):
        return [_resolved_json(inner, variables) for inner in body]
    return body
