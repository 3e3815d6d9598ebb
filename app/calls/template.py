"""A call: its fields parsed once, and filled in with variables for each run. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

from app.calls.body_template import NOT_IN_HEADERS, body_fields, parse_body, parse_pair, resolve_body
from app.calls.captures import Capture, compile_capture
from app.calls.definition import Pair, WrittenCall
from app.calls.field_template import (
    Template,
    fill,
    is_name,
    parse_template,
    refuse_template,
    require_variables,
)
from app.kernel.errors import FieldLocation, HeaderNotAllowed, ValidationFailed, ValueNotAllowedHere, in_body
from app.outbound.model import (
    Call,
    Field,
    Filled,
    Method,
    Origin,
    Slot,
    Text,
)
from app.outbound.places import BASIC, PATH, QUERY, can_be_set, fold_header, header_place, is_token
from app.outbound.urls import parse_url


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
    signature: Template | None
    """The Authorization header that ``aws4`` makes."""
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
            *((self.signature,) if self.signature else ()),
            *body_fields(self.body),
        )

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets that it carries, sorted."""
        return tuple(sorted({field.secret for field in self.fields if field.secret}))

    @cached_property
    def varies(self) -> bool:
        """Whether a field holds something that is another one in each call."""
        return any(field.varies for field in self.fields)

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of the variables that it refers to."""
        return frozenset(name for field in self.fields for name in field.variables)

    @cached_property
    def workspace_variables(self) -> frozenset[str]:
        """The names of the variables without a default of the call's own, for which the workspace's values stand in."""
        return self.variables - dict(self.written.variables).keys()


CALL: Final = in_body("call", label="call")
"""Where a call stands in a request that doesn't give it flat."""


def parse_call(written: WrittenCall, *, location: FieldLocation = CALL) -> CallTemplate:
    """Parse every field once.

    Args:
        location: Where the call stands in the request.

    Raises:
        ValidationFailed, TemplateNotAllowed, HeaderNotAllowed, OneSecretPerField, DestinationNotAllowed (another
        scheme than http and https): naming the field.
    """
    url = location.member("url")
    origin, rest = parse_url(written.url, field=url)
    path, _, url_query = rest.partition("?")
    headers = tuple(_header(pair, location.member("headers", index)) for index, pair in enumerate(written.headers))
    _refuse_twins(written, location)
    _refuse_contradiction(written, location)
    return CallTemplate(
        written=written,
        origin=origin,
        path=parse_template(path or "/", location=_with_label(url, "url path"), place=PATH),
        url_query=tuple(_url_parameter(text, url) for text in url_query.split("&") if text),
        query=tuple(
            parse_pair(pair, "query", QUERY, location.member("query", index))
            for index, pair in enumerate(written.query)
        ),
        headers=headers,
        basic=_basic(written.basic, location.member("auth")),
        signature=_signature(written.aws4, location.member("auth", "secret", label="auth secret")),
        body=parse_body(written, location.member("body", "content", label="body")),
        captures=_captures(written, location),
    )


def _with_label(location: FieldLocation, label: str) -> FieldLocation:
    return location.member(label=label)


def _url_parameter(text: str, url: FieldLocation) -> Template:
    name, equals, _ = text.partition("=")
    refuse_template(name if equals else "", "The name of a query parameter", location=url)
    return parse_template(text, location=_with_label(url, f"url query {name[:64]}"), place=QUERY)


def _header(pair: Pair, location: FieldLocation) -> tuple[str, Template]:
    label = f"header {pair.name[:64]}"
    name = location.member("name", label=label)
    refuse_template(pair.name, "A header's name", location=name)
    if not is_token(pair.name):
        raise HeaderNotAllowed(f"{pair.name[:64]!r} can't be a header's name.", errors={name: ["Invalid header name."]})
    if not can_be_set(pair.name):
        raise HeaderNotAllowed(
            f"The header {pair.name} can't be set by a call.", errors={name: ["Can't be set by a call."]}
        )
    value = location.member("value", label=label)
    if NOT_IN_HEADERS.search(pair.value):
        raise ValidationFailed(
            "A header holds no line break and no NUL.", errors={value: ["Remove the line break or NUL."]}
        )
    return pair.name, parse_template(pair.value, location=value, place=header_place(pair.name))


def _refuse_twins(written: WrittenCall, location: FieldLocation) -> None:
    first: dict[str, str] = {} if written.basic is None else {"authorization": "the call's auth"}
    if written.aws4 is not None:
        first = dict.fromkeys(("authorization", "x-amz-date", "x-amz-content-sha256"), "the call's auth")
    for index, pair in enumerate(written.headers):
        name = fold_header(pair.name)
        if name in first:
            where = location.member("headers", index, "name", label=f"header {pair.name}")
            raise HeaderNotAllowed(
                f"The header {pair.name} is set twice, by {first[name]} as well.",
                errors={where: ["Set this header only once."]},
            )
        first[name] = f"the header {pair.name}"


_FORM: Final = "application/x-www-form-urlencoded"
_CONTRADICTIONS: Final = {
    "json": re.compile(rf"{_FORM}|multipart/.*|(?:application|text)/(?:.*\+)?xml"),
    "xml": re.compile(rf"{_FORM}|multipart/.*|(?:application|text)/(?:.*\+)?json"),
    "form": re.compile(rf"(?!{_FORM}$).*"),
    "multipart": re.compile(r"(?!multipart/form-data$).*"),
}
"""What a Content-Type given by hand can't say of a body."""


def _refuse_contradiction(written: WrittenCall, location: FieldLocation) -> None:
    contradiction = _CONTRADICTIONS.get(written.body_type)
    for index, pair in enumerate(written.headers):
        if contradiction is None or fold_header(pair.name) != "content-type" or "{{" in pair.value:
            continue
        if contradiction.fullmatch(pair.value.partition(";")[0].strip().lower()):
            where = location.member("headers", index, "value", label=f"header {pair.name}")
            sentence = f"This is no type of a {written.body_type} body."
            raise ValidationFailed(f"The Content-Type contradicts the body. {sentence}", errors={where: [sentence]})


def _basic(pair: tuple[str, str] | None, location: FieldLocation) -> tuple[Template, Template] | None:
    if pair is None:
        return None
    return (
        parse_template(pair[0], location=location.member("username", label="basic user"), place=BASIC),
        parse_template(pair[1], location=location.member("password", label="basic password"), place=BASIC),
    )


def _signature(secret: str | None, location: FieldLocation) -> Template | None:
    if secret is None:
        return None
    if not is_name(secret):
        sentence = "Name a secret of the type aws4."
        raise ValidationFailed(sentence, errors={location: [sentence]})
    pieces = (Text("AWS4-HMAC-SHA256 "), Slot(secret))
    return Template(location, header_place("Authorization"), "", pieces)


def _captures(written: WrittenCall, location: FieldLocation) -> tuple[Capture, ...]:
    captures: dict[str, Capture] = {}
    for index, (name, path) in enumerate(written.captures):
        where = location.member("captures", index, label=f"capture {name[:64]}")
        if name in captures:
            raise ValidationFailed(
                f"Two captures are named {name[:64]}.",
                errors={where.member("name", label=where.label): ["This name is used twice."]},
            )
        captures[name] = compile_capture(name, path, location=where)
    return tuple(captures.values())


def resolve(call: CallTemplate, variables: Mapping[str, object]) -> Call:
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
        path=_refuse_dot_segments(fill(call.path, variables)),
        url_query=tuple(fill(each, variables) for each in call.url_query),
        query=tuple((name, fill(value, variables)) for name, value in call.query),
        headers=headers,
        basic=basic,
        signature=None if call.signature is None else fill(call.signature, {}),
        body=resolve_body(call.written.body_type, call.body, variables, call.written.content_type),
        timeout_seconds=call.written.timeout_seconds,
        follow_redirects=call.written.follow_redirects,
    )


def _refuse_dot_segments(path: Field) -> Field:
    """Refuse a path in which a variable makes a segment ``.`` or ``..``, which would lead elsewhere."""
    text = "".join(
        (piece.text if piece.segments else piece.text.replace("/", "%2F"))
        if isinstance(piece, Filled)
        else piece.text
        if isinstance(piece, Text)
        else "\x00"
        for piece in path.pieces
    )
    if any(isinstance(piece, Filled) for piece in path.pieces) and {".", ".."} & set(text.split("/")):
        sentence = "A variable would change the path that was written."
        raise ValueNotAllowedHere(sentence, errors={path.location: [sentence]})
    return path


def _safe(value: Field) -> Field:
    if any(isinstance(piece, Filled) and NOT_IN_HEADERS.search(piece.text) for piece in value.pieces):
        sentence = f"A variable would carry a line break or NUL into {value.location.label}."
        raise ValueNotAllowedHere(sentence, errors={value.location: [sentence]})
    return value
