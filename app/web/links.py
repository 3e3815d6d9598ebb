"""Links of the OpenAPI document: from what makes a thing to what can be done with it. Pure.

Source: OpenAPI Specification 3.1.1, "Link Object" and "Runtime Expressions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
_METHODS: Final = ("get", "put", "post", "patch", "delete")

Paths = Mapping[str, Mapping[str, Any]]


def add_links(document: Mapping[str, Any]) -> None:
    """Give each answer 201 links to the operations on what was made, and on what stands right below it."""
    paths: Paths = document["paths"]
    for path, item in paths.items():
        for method in item.keys() & {"post", "put"}:
            made = item[method]["responses"].get("201")
            place = _place_of_made(path, method, paths)
            if made is None or place is None:
                continue
            known = {name: f"$request.path.{name}" for name in _PARAMETER.findall(path)}
            if place != path:
                new = _PARAMETER.findall(place)[-1]
                known[new] = f"$response.body#/{_naming_member(new, made, document)}"
            made["links"] = {
                operation["operationId"]: _link(operation, known)
                for operation in _operations_at(place, paths)
                if operation is not item[method]
            }


def _place_of_made(path: str, method: str, paths: Paths) -> str | None:
    if method == "put":
        return path
    return next((each for each in paths if re.fullmatch(rf"{re.escape(path)}/\{{[a-z_]+\}}", each)), None)


def _naming_member(parameter: str, made: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    schema = made["content"]["application/json"]["schema"]
    properties = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    return next(name for name in (parameter, "name", "id") if name in properties)


def _operations_at(place: str, paths: Paths) -> Iterator[dict[str, Any]]:
    for path, item in paths.items():
        if path == place or (path.startswith(f"{place}/") and not _PARAMETER.search(path, len(place))):
            yield from (item[method] for method in _METHODS if method in item)


def _link(operation: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    needs_tag = any(each.get("name") == "If-Match" and each["required"] for each in operation["parameters"])
    parameters = {f"path.{name}": where for name, where in known.items()}
    if needs_tag:
        parameters["header.If-Match"] = "$response.header.ETag"
    return {"operationId": operation["operationId"], "description": operation["summary"], "parameters": parameters}
