"""The API's pages to read, made from the very document that machines get. No script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response

from app.pages.layout import pages, public, show
from app.web.errors import STATUS
from app.web.openapi import document, errors_by_code


@dataclass(frozen=True, slots=True)
class SchemaMember:
    """A parameter, or a member of a body."""

    name: str
    where: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Success:
    """An answer without a problem, with an example of it."""

    status: str
    description: str
    example: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[SchemaMember]
    body: Sequence[SchemaMember]
    body_example: str | None
    successes: Sequence[Success]
    codes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Code:
    """A problem code: what it means, and whose turn it is."""

    code: str
    status: int
    party: str
    title: str
    meaning: str


@pages.get("/api/docs")
@public
def docs() -> Response:
    """Show every operation, and every problem code under the address that problems refer to."""
    written = document()
    return show("docs.html", version=written["info"]["version"], groups=_groups(written), codes=_codes())


def _groups(written: Mapping[str, Any]) -> Mapping[str, list[Operation]]:
    about = {tag["name"]: tag["description"] for tag in written["tags"]}
    groups: dict[str, list[Operation]] = {}
    for path, operations in written["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "post", "put", "patch", "delete"):
                group = groups.setdefault(about[operation["tags"][0]], [])
                group.append(_operation(method, path, operation, written))
    return groups


def _operation(method: str, path: str, operation: Mapping[str, Any], written: Mapping[str, Any]) -> Operation:
    content = _json(operation.get("requestBody", {}))
    answers = operation["responses"].items()
    return Operation(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        parameters=[_parameter(each) for each in operation["parameters"]],
        body=list(_members(content["schema"], written)) if content else [],
        body_example=_pretty(content),
        successes=[
            Success(status, answer["description"], _pretty(_json(answer)))
            for status, answer in answers
            if status.startswith("2")
        ],
        codes=sorted(
            code
            for _status, answer in answers
            for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
        ),
    )


def _json(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    content: Mapping[str, Any] = holder.get("content", {}).get("application/json", {})
    return content


def _pretty(content: Mapping[str, Any]) -> str | None:
    return json.dumps(content["example"], indent=2, ensure_ascii=False) if "example" in content else None


def _parameter(told: Mapping[str, Any]) -> SchemaMember:
    return SchemaMember(
        told["name"], told["in"], _kind(told.get("schema", {})), bool(told.get("required")), told.get("description", "")
    )


def _members(schema: Mapping[str, Any], written: Mapping[str, Any]) -> Iterator[SchemaMember]:
    if "$ref" in schema:
        schema = written["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, member in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield SchemaMember(name, "body", _kind(member), required, member.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return " or ".join(str(each) for each in schema["enum"] if each is not None)
    kinds = schema.get("type", "any")
    text = kinds if isinstance(kinds, str) else " or ".join(kinds)
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return ", ".join([text, *bounds])


_BOUNDS = {
    "minimum": "from",
    "maximum": "to",
    "minLength": "at least",
    "maxLength": "at most",
    "maxItems": "at most",
}


def _codes() -> Sequence[Code]:
    errors = errors_by_code()
    return [
        Code(
            code=code,
            status=status,
            party=errors[code].party,
            title=errors[code].title,
            meaning=(errors[code].__doc__ or "").partition("\n")[0].replace("``", "`"),
        )
        for code, status in sorted(STATUS.items(), key=lambda each: (each[1], each[0]))
    ]
