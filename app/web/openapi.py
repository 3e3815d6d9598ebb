"""The OpenAPI document: what flask-smorest makes of routes and schemas, completed with what each view declares.

A view declares its permission and its problem codes once (``described``); headers, confirmations, problems, roles and
examples are written out from that here, so that no route repeats them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, current_app
from flask_smorest import Api

from app.kernel.errors import StrongroomError
from app.web.errors import STATUS
from app.web.examples import dereference, sample
from app.web.idempotency import HEADER, KEY
from app.web.links import add_links, successes, takes_tag
from app.web.operations import Declared, Problem, declaration_of
from app.web.reply import PROBLEM_JSON

JSON: Final = "application/json"
_DOCUMENT: Final = "strongroom_openapi"
_CONVERTER: Final = re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?([a-z_]+)>")

_ACT_AS: Final = {
    "in": "header",
    "name": "Strongroom-Act-As",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9@._:+-]{1,128}$"},
    "description": "With a platform token: the user to act for, whose role then decides.",
    "example": "ada@example.com",
}
_KEY: Final = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
    "description": "The same key and request get the same answer again for 24 hours, without a second deed.",
}
_CONFIRM: Final = {
    "in": "query",
    "name": "confirm",
    "required": False,
    "schema": {"type": "string"},
    "description": "The name of what is deleted, once more; without it: `confirmation_required`.",
}
_ETAG: Final = {"description": "Of what was read, for `If-Match`.", "schema": {"type": "string"}}
_RETRIED: Final = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def complete(api: Api, app: Flask) -> None:
    """Write the whole document, and keep it for ``document``; to be called when every route is there."""
    api.spec.components.schema("Problem", schema=Problem)
    written = api.spec.to_dict()
    for declared, operation in _operations(app, written):
        _complete(operation, declared, written)
    _declare_tags(written)
    add_links(written)
    _drop_what_is_unused(written)
    _split_variants(written)
    _use_the_newest_dialect(written)
    app.extensions[_DOCUMENT] = written


def document() -> dict[str, Any]:
    """Return the document of the application that answers this request."""
    written: dict[str, Any] = current_app.extensions[_DOCUMENT]
    return written


def _operations(app: Flask, written: dict[str, Any]) -> Iterator[tuple[Declared, dict[str, Any]]]:
    for rule in app.url_map.iter_rules():
        operations = written["paths"].get(_CONVERTER.sub(r"{\1}", rule.rule), {})
        for method, operation in operations.items():
            declared = declaration_of(app.view_functions[rule.endpoint], method)
            if declared is not None:
                operation["operationId"] = f"{rule.endpoint.partition('.')[2]}.{method}"
                yield declared, operation


def _complete(operation: dict[str, Any], declared: Declared, written: dict[str, Any]) -> None:
    operation["summary"] = declared.summary
    operation["description"] = _description(declared)
    operation["x-roles"] = declared.roles
    operation["x-permission"] = declared.needs.value if declared.needs else None
    operation["parameters"] = [*operation.get("parameters", ()), *_parameters(operation, declared)]
    _complete_successes(operation, written)
    for status, codes in declared.problems.items():
        operation["responses"][str(status)] = _problem(status, codes)
    if "requestBody" in operation:
        content = operation["requestBody"]["content"][JSON]
        content["example"] = sample(content["schema"], written)
        required = dereference(content["schema"], written).get("required")
        operation["requestBody"]["required"] = bool(required)  # an empty body counts as an empty object


def _description(declared: Declared) -> str:
    told = [f"Needs `{declared.needs.value}`: {', '.join(declared.roles)}."] if declared.needs else []
    if "confirmation_required" in declared.codes:
        told.append("Can't be brought back, so `confirm` repeats the name.")
    if declared.told_once:
        members = ", ".join(f"`{name}`" for name in declared.told_once)
        told.append(f"A repeat under the same Idempotency-Key leaves out {members}.")
    return " ".join(told)


def _parameters(operation: dict[str, Any], declared: Declared) -> Iterator[dict[str, Any]]:
    yield _ACT_AS
    if declared.keyed:
        yield _KEY
    if "precondition_failed" in declared.codes:
        yield _if_match(required="precondition_required" in declared.codes)
    named = {each["name"] for each in operation.get("parameters", ()) if "name" in each}
    if "confirmation_required" in declared.codes and "confirm" not in named:
        yield _CONFIRM


def _if_match(*, required: bool) -> dict[str, Any]:
    return {
        "in": "header",
        "name": "If-Match",
        "required": required,
        "schema": {"type": "string", "minLength": 1},
        "description": "The `ETag` that was read; where it isn't the newest: `precondition_failed`.",
        "example": '"1"',
    }


def _complete_successes(operation: dict[str, Any], written: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get(JSON)
        if content is not None:
            content["example"] = sample(content["schema"], written)
        if status == "201":
            response["headers"] = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}


def _declare_tags(written: dict[str, Any]) -> None:
    """Say of each answer with a thing that is edited under ``If-Match`` that it brings the ``ETag`` for it."""
    answers = list(successes(written))
    tagged = {_reference(answer) for _, operation, answer in answers if takes_tag(operation)}
    for _, _, answer in answers:
        if _reference(answer) in tagged:
            answer["headers"] = answer.get("headers", {}) | {"ETag": _ETAG}


def _reference(answer: dict[str, Any]) -> str | None:
    reference: str | None = answer.get("content", {}).get(JSON, {}).get("schema", {}).get("$ref")
    return reference


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {
            PROBLEM_JSON: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"value": _example_of(code)} for code in codes},
            }
        },
    }
    if status in _RETRIED:
        retry_after = {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
        told["headers"] = {"Retry-After": retry_after}
    return told


def errors_by_code() -> dict[str, type[StrongroomError]]:
    """Return the class of error that stands for each code: the one nearest to the root."""
    found: dict[str, type[StrongroomError]] = {}
    row = [StrongroomError]
    while row:
        for error in row:
            found.setdefault(error.code, error)
        row = [child for error in row for child in error.__subclasses__()]
    return found


def _example_of(code: str) -> dict[str, Any]:
    error = errors_by_code()[code]
    example: dict[str, Any] = {
        "type": f"/api/docs#{code}",
        "title": error.title,
        "status": STATUS[code],
        "detail": (error.__doc__ or error.title).partition("\n")[0].replace("``", "`"),
        "code": code,
        "party": error.party,
        "request_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    if STATUS[code] == HTTPStatus.UNPROCESSABLE_ENTITY:
        example["errors"] = {}
    return example


def _split_variants(written: dict[str, Any]) -> None:
    """Write a body that is of several types as one of several schemas, each with what its type is given alone.

    ``x-variants`` in the metadata of its ``type`` says of each: which members it takes that not all have, which it
    needs, and what it says of a member more narrowly. ``x-fixed`` members, known for their refusal alone, go.
    """
    schemas = written["components"]["schemas"]
    for name, schema in list(schemas.items()):
        properties = {key: part for key, part in schema.get("properties", {}).items() if "x-fixed" not in part}
        if properties:
            schema["properties"] = properties
        variants: dict[str, Any] = properties.get("type", {}).pop("x-variants", {})
        told_apart = {member for variant in variants.values() for member in variant["takes"]}
        for kind, variant in variants.items():
            own = {key: part for key, part in properties.items() if key not in told_apart or key in variant["takes"]}
            own |= {key: _without_values(own[key]) | narrower for key, narrower in variant["properties"].items()}
            required = sorted({*schema["required"], *variant["needs"]})
            schemas[f"{kind}{name}"] = schema | {"properties": own, "required": required}
        if variants:
            schemas[name] = {"oneOf": [{"$ref": f"#/components/schemas/{kind}{name}"} for kind in variants]}


def _without_values(schema: dict[str, Any]) -> dict[str, Any]:
    dropped = {"type", "enum", "default", "allOf", "anyOf", "$ref", "nullable"}
    return {key: part for key, part in schema.items() if key not in dropped}


def _use_the_newest_dialect(written: Any) -> None:
    """Say ``examples`` and ``$`` as JSON Schema 2020-12 does, which OpenAPI 3.1 is written in.

    ``x-also`` in a field's metadata is a value that an object's place takes besides it.
    """
    for schema in written["components"]["schemas"].values():
        for part in _schemas(schema):
            if "example" in part:
                part["examples"] = [part.pop("example")]
            part.pop("x-other-type", None)
            if "x-also" in part:
                part["anyOf"].append({"const": part.pop("x-also")})
            if "pattern" in part:
                part["pattern"] = part["pattern"].replace("\\Z", "$")


def _drop_what_is_unused(written: dict[str, Any]) -> None:
    """Leave out the components that flask-smorest writes by itself and that nothing here refers to."""
    for kind in ("responses", "schemas"):  # responses refer to schemas
        text = json.dumps(written)
        components = written["components"].get(kind, {})
        for name in [name for name in components if f'"#/components/{kind}/{name}"' not in text]:
            del components[name]
    written["components"] = {kind: components for kind, components in written["components"].items() if components}


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    for child in schema.get("properties", {}).values():
        yield from _schemas(child)
    for key in ("items", "additionalProperties"):
        yield from _schemas(schema.get(key))
    for key in ("anyOf", "oneOf", "allOf"):
        for child in schema.get(key, ()):
            yield from _schemas(child)
