"""Reading JSON bodies and query strings: syntax only, strictly, into frozen values."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, NoReturn

import orjson
from flask import Request, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError, fields, post_load
from webargs.flaskparser import FlaskParser
from werkzeug.http import parse_options_header

from app.kernel.errors import (
    Immutable,
    MalformedJson,
    PreconditionRequired,
    UnsupportedMediaType,
    in_body,
)
from app.kernel.secret import SecretValue
from app.web.errors import validation_failed

_ETAG: Final = re.compile(r'"([1-9][0-9]{0,8})"')
LARGE: Final = 1024 * 1024
"""Bytes of a body that is kept no longer than until it is read."""
JSON_LEVELS: Final = 20
_ANY_REVISION: Final = 0
_NEVER_A_REVISION: Final = -1
# Numbers that the fast reader would change or refuse; what it refuses besides, half of a surrogate pair for one, the
# thorough one reads, so that each field can say what is wrong with it.
_INEXACT: Final = re.compile(rb"[0-9]{18}|[0-9][eE]")


class Input(Schema):
    """A body or query string that becomes the frozen value ``into``; unknown fields are refused."""

    into: ClassVar[type | None] = None

    class Meta:
        unknown = RAISE

    @post_load
    def _build(self, data: dict[str, Any], **_kwargs: object) -> object:
        return self.into(**{k: _as_tuple(v) for k, v in data.items()}) if self.into is not None else data


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class PlainText(fields.String):
    """Unicode text that a database and a header line can hold: no NUL, no half of a surrogate pair."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not is_text(text):
            raise ValidationError("Must be Unicode text without NUL.")
        return text


class JsonValue(fields.Raw):
    """Any JSON of 20 levels at most, its texts without NUL and without halves of surrogate pairs."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        _check_json(value, JSON_LEVELS)
        return value


def _check_json(value: object, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValidationError(f"At most {JSON_LEVELS} levels of lists and objects.")
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_json(each, levels - 1)
    elif isinstance(value, str) and not is_text(value):
        raise ValidationError("Must be Unicode text without NUL.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValidationError("The number is too large.")


class StrictBoolean(fields.Boolean):
    """True or false, and nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class StrictInteger(fields.Integer):
    """A whole number in a body: no text that looks like one, no fraction, no truth."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool | str) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return number


class StrictNumber(fields.Float):
    """A number in a body: no text that looks like one, no truth."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        number: float = super()._deserialize(value, attr, data, **kwargs)
        return number


class Moment(fields.AwareDateTime):
    """A moment on its way in, in UTC from here on; one that UTC would put out of the years 1 to 9999 is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **kwargs)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None


class FixedField(fields.Raw):
    """A member of a change that can't be changed: it is known, so that its refusal can say why."""

    def __init__(self) -> None:
        super().__init__(load_only=True, metadata={"description": "Fixed at creation: `immutable`.", "x-fixed": True})


class Patch(Input):
    """A body that changes something; what is ``FixedField`` in it is refused before anything else is looked at."""

    def load(self, data: Any, **kwargs: Any) -> Any:
        """Read the body. Raises ``Immutable`` where it names what is fixed."""
        named = data if isinstance(data, dict) else {}
        if fixed := [name for name, field in self.fields.items() if isinstance(field, FixedField) and name in named]:
            raise Immutable(
                f"{' and '.join(fixed)} can't be changed after creation.",
                errors={in_body(name): ["Can't be changed after creation."] for name in fixed},
            )
        return super().load(data, **kwargs)


class SecretText(PlainText):
    """A secret's value on its way in: it leaves the parser in the type that hides it, and is never written out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(load_only=True, **kwargs)

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> SecretValue:
        return SecretValue(super()._deserialize(value, attr, data, **kwargs))


def is_text(text: str) -> bool:
    """Tell whether a database and a header line can hold it: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


class Parser(FlaskParser):
    """webargs' parser with this API's refusals: no JSON, another content type, unknown fields, too much."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE}

    def parse(self, argmap: Any, req: Request | None = None, *, location: str | None = None, **options: Any) -> Any:
        """Read what the request brings into a schema, a JSON body without webargs' detours."""
        if location != "json":
            return super().parse(argmap, req, location=location, **options)
        return load(argmap, read_json(_take_body(request), request.content_type))

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise ours instead of webargs' own."""
        if isinstance(error.messages, dict) and len(error.messages) == 1:
            (inner,) = error.messages.values()  # webargs wraps the messages in the location's name
            error = ValidationError(inner)
        raise validation_failed(error, source="query") from None


def load(schema: Schema, document: Any) -> Any:
    """Return what a schema makes of a body.

    Raises:
        ValidationFailed
        Immutable: It names what can't be changed.
    """
    try:
        return schema.load(document, unknown=RAISE)
    except ValidationError as error:
        raise validation_failed(error) from None


def read_json(raw: bytes, content_type: str | None) -> Any:
    """Read a body as JSON; none at all is an empty object.

    Raises:
        UnsupportedMediaType: A body of another content type.
        MalformedJson: No JSON, or none in UTF-8.
    """
    if not raw:
        return {}
    if not _is_json(content_type or ""):
        raise UnsupportedMediaType("The body must be application/json.")
    if not _INEXACT.search(raw):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(raw)
    try:
        return json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedJson("The body isn't valid JSON.") from None


def _is_json(content_type: str) -> bool:
    """Tell whether a media type is JSON, or a kind of it. Source: RFC 6839, section 3.1."""
    if content_type == "application/json":
        return True
    media_type = parse_options_header(content_type)[0].lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _take_body(req: Request) -> bytes:
    """Return a request's body. A large one is kept no longer than until it is read: it is in memory often enough."""
    raw = req.get_data(cache=True)
    if len(raw) > LARGE:
        req.environ["wsgi.input"] = io.BytesIO()
        req.__dict__.pop("stream", None)
        req._cached_data = b""
    return raw


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


class ApiBlueprint(Blueprint):
    """flask-smorest's blueprint with this API's parser."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: Any, **options: Any) -> Any:
        """Read a body or query string into a schema, made once and not for each request."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)


def revision_sent(*, required: bool = False) -> int | None:
    """Return the revision in ``If-Match``: None where none was sent, 0 for ``*``, which is any that is there, and one
    that never was for a foreign tag.

    Raises:
        PreconditionRequired: none was sent where one is needed.
    """
    sent = request.headers.get("If-Match")
    if sent is None:
        if required:
            raise PreconditionRequired("Send the ETag that you read as If-Match, so that nobody's change is lost.")
        return None
    if sent.strip() == "*":
        return _ANY_REVISION
    match = _ETAG.fullmatch(sent.strip())
    return int(match[1]) if match else _NEVER_A_REVISION


def etag(revision: int) -> dict[str, str]:
    """Return the ``ETag`` header of a revision."""
    return {"ETag": f'"{revision}"'}


def confirm_sent() -> str | None:
    """Return what the query string confirms."""
    return request.args.get("confirm")
