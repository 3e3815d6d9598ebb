"""A call as its author wrote it: what arrives, what is kept, and what is shown again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from app.kernel.errors import FieldLocation

BodyType = Literal["none", "json", "form", "text", "xml", "base64", "multipart"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and a value, as written."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """One part of a multipart body, as written."""

    name: str
    value: str
    filename: str | None = None
    content_type: str | None = None
    encoding: Literal["base64"] | None = None


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as it arrives: syntax only, templates not yet parsed. ``content`` goes with ``body_type``.

    ``source`` is the same content, of JSON or a form, as its author spelled it: what goes out where it is given.
    ``aws4`` names the secret that signs it for AWS; ``variables`` are its defaults; ``captures`` are pairs of a name
    and a JSONPath.
    """

    method: str
    url: str
    headers: tuple[Pair, ...] = ()
    query: tuple[Pair, ...] = ()
    basic: tuple[str, str] | None = None
    aws4: str | None = None
    body_type: BodyType = "none"
    content: object = None
    source: str | None = None
    content_type: str | None = None
    captures: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, object], ...] = ()
    timeout_seconds: float = 10.0
    follow_redirects: bool = False


@dataclass(frozen=True, slots=True)
class AdHocCall:
    """A call that comes with the request, and where it stands in it: flat, or as the member ``call``."""

    call: WrittenCall
    location: FieldLocation
    answer: Literal["full", "stream"] = "full"


def as_json(call: WrittenCall) -> dict[str, object]:
    """Write a call as the API shows it and the database keeps it."""
    return {
        "method": call.method,
        "url": call.url,
        "headers": [_pair(pair) for pair in call.headers],
        "query": [_pair(pair) for pair in call.query],
        "auth": _auth(call),
        "body": _body(call),
        "captures": [{"name": name, "path": path} for name, path in call.captures],
        "variables": dict(call.variables),
        "timeout_seconds": call.timeout_seconds,
        "follow_redirects": call.follow_redirects,
    }


def _pair(pair: Pair) -> dict[str, object]:
    return {"name": pair.name, "value": pair.value}


def _auth(call: WrittenCall) -> dict[str, object]:
    if call.aws4 is not None:
        return {"type": "aws4", "secret": call.aws4}
    if call.basic is None:
        return {"type": "none"}
    return {"type": "basic", "username": call.basic[0], "password": call.basic[1]}


def _body(call: WrittenCall) -> dict[str, object]:
    if call.body_type == "none":
        return {"type": "none"}
    content = call.content
    if call.body_type == "form":
        content = [_pair(pair) for pair in cast(Sequence[Pair], content)]
    elif call.body_type == "multipart":
        content = [_part(part) for part in cast(Sequence[WrittenPart], content)]
    body: dict[str, object] = {"type": call.body_type, "content": content}
    if call.source is not None:
        body["source"] = call.source
    return body if call.content_type is None else body | {"content_type": call.content_type}


def _part(part: WrittenPart) -> dict[str, object]:
    head = {"filename": part.filename, "content_type": part.content_type, "encoding": part.encoding}
    return {"name": part.name, "value": part.value, **{name: text for name, text in head.items() if text is not None}}


def from_json(kept: Mapping[str, Any]) -> WrittenCall:
    """Read a call that ``as_json`` wrote."""
    auth, body = kept["auth"], kept["body"]
    content = body.get("content")
    if body["type"] == "form":
        content = tuple(Pair(**pair) for pair in content)
    elif body["type"] == "multipart":
        content = tuple(WrittenPart(**part) for part in content)
    return WrittenCall(
        method=kept["method"],
        url=kept["url"],
        headers=tuple(Pair(**pair) for pair in kept["headers"]),
        query=tuple(Pair(**pair) for pair in kept["query"]),
        basic=(auth["username"], auth["password"]) if auth["type"] == "basic" else None,
        aws4=auth["secret"] if auth["type"] == "aws4" else None,
        body_type=body["type"],
        content=content,
        source=body.get("source"),
        content_type=body.get("content_type"),
        captures=tuple((capture["name"], capture["path"]) for capture in kept["captures"]),
        variables=tuple(kept["variables"].items()),
        timeout_seconds=kept["timeout_seconds"],
        follow_redirects=kept["follow_redirects"],
    )
