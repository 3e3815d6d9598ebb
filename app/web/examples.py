"""An example of whatever a JSON schema describes, made of the examples that its fields bring along. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# What a field without an example of its own shows, by its name; then by its type.
_BY_NAME: Final[Mapping[str, Any]] = {
    "id": "9c1f0e7b5a3d4c2f8e6a1b0d7c9f2e4a",
    "call_id": "0d4b7a1c9e2f4f5d8a6b3c1e7f9d2b50",
    "request_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "user": "ada@example.com",
    "created_by": "ada@example.com",
    "updated_by": "ada@example.com",
    "added_by": "ada@example.com",
    "role": "editor",
    "workspace": "acme",
    "title": "Acme",
    "description": "For the ticket flow",
    "version": 3,
    "status": 200,
    "elapsed_ms": 31.4,
    "hide_after_seconds": 30,
    "host": "api.example.com",
    "port": 443,
    "method": "GET",
    "url": "https://api.example.com/v2/tickets/42",
    "allowed_hosts": ["api.example.com"],
    "allowed_places": ["header:Authorization"],
    "uses": ["ZENDESK_TOKEN"],
    "blocks": ["create-ticket"],
    "permissions": ["workspace:read"],
    "addresses": ["203.0.113.10"],
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "token": "srm_abcdefghijklmnop_0123456789012345678901234567890123456789012",
}
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "text", "number": 1.5, "boolean": False, "null": None}
_LEFT_OUT: Final = frozenset({"x-fixed", "x-other-type"})
_MOMENT: Final = "2026-01-31T09:00:00+00:00"


def dereference(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that one refers to; the same one where it refers to none."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def sample(schema: Mapping[str, Any], document: Mapping[str, Any], name: str = "") -> Any:
    """Return an example; ``document`` holds what ``$ref`` refers to, ``name`` is the member that it is for."""
    schema = dereference(schema, document)
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("allOf", "anyOf", "oneOf"):
        if key in schema:
            return sample(schema[key][0], document, name)
    return _by_type(schema, document, name)


def _by_type(schema: Mapping[str, Any], document: Mapping[str, Any], name: str) -> Any:
    kinds = schema.get("type", "null")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "null" in kinds:
        return None
    kind = kinds[0]
    if kind == "object":
        properties = schema.get("properties", {}).items()
        return {key: sample(inner, document, key) for key, inner in properties if not _LEFT_OUT & inner.keys()}
    known = _BY_NAME.get(name)
    if known is not None and isinstance(known, list) == (kind == "array"):
        return known
    if kind == "array":
        return [sample(schema.get("items", {}), document)]
    if kind == "integer":
        return schema.get("minimum", 1)
    return _MOMENT if schema.get("format") == "date-time" else _BY_TYPE[kind]
