"""Links of the OpenAPI document: from an answer that names a thing to what can be done with it. Pure.

Source: OpenAPI Specification 3.1.1, "Link Object" and "Runtime Expressions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.web.examples import dereference

_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
_METHODS: Final = ("get", "put", "post", "patch", "delete")

Paths = Mapping[str, Mapping[str, Any]]


def add_links(document: Mapping[str, Any]) -> None:
    """Give each answer that names a thing links to the operations on it, and on what stands right below it.

    The thing is what was made, read or changed. A list names none, since it may be empty.
    """
    for path, operation, answer in successes(document):
        place, known = _thing(path, answer, document)
        links = {
            other["operationId"]: _link(other, known, tagged=_is_tagged(answer) and not opens)
            for other, opens in _operations_at(place, document["paths"])
            if other is not operation and (_is_tagged(answer) or not takes_tag(other, must=True))
        }
        if links:
            answer["links"] = links


def successes(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield path, operation and answer for each answer that brings something."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            for status in ("200", "201"):
                if method in item and status in item[method]["responses"]:
                    yield path, item[method], item[method]["responses"][status]


def takes_tag(operation: Mapping[str, Any], *, must: bool = False) -> bool:
    """Return whether an operation takes an ``If-Match``, or must have one."""
    return any(each.get("name") == "If-Match" and (each["required"] or not must) for each in operation["parameters"])


def _is_tagged(answer: Mapping[str, Any]) -> bool:
    return "ETag" in answer.get("headers", {})


def _thing(path: str, answer: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the path of what an answer names, and where each of that path's parameters is to be found."""
    known = {name: f"$request.path.{name}" for name in _PARAMETER.findall(path)}
    place = next((each for each in document["paths"] if re.fullmatch(rf"{re.escape(path)}/\{{[a-z_]+\}}", each)), path)
    if place != path:
        parameter = _PARAMETER.findall(place)[-1]
        member = _naming_member(parameter, answer["content"]["application/json"]["schema"], document)
        if member is None:
            return path, known
        known[parameter] = f"$response.body#/{member}"
    return place, known


def _naming_member(parameter: str, schema: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    properties = _properties(schema, document)
    return next((name for name in (parameter, "name", "id") if name in properties), None)


def _properties(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = dereference(schema, document).get("properties", {})
    return properties


def _operations_at(place: str, paths: Paths) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield operations, and whether each leaves a name open: that of what a PUT makes is its sender's choice."""
    if not place.endswith("}"):
        return
    for path, item in paths.items():
        if path != place and not path.startswith(f"{place}/"):
            continue
        below = _PARAMETER.findall(path, len(place))
        if not below:
            yield from ((item[method], False) for method in _METHODS if method in item)
        elif len(below) == 1 and path.endswith("}") and "put" in item:
            yield item["put"], True


def _link(operation: Mapping[str, Any], known: Mapping[str, str], *, tagged: bool) -> dict[str, Any]:
    parameters = {f"path.{name}": where for name, where in known.items()}
    if any(each.get("name") == "confirm" for each in operation["parameters"]):
        parameters["query.confirm"] = next(known[name] for name in reversed(list(known)) if name != "number")
    if takes_tag(operation) and tagged:
        parameters["header.If-Match"] = "$response.header.ETag"
    return {"operationId": operation["operationId"], "description": operation["summary"], "parameters": parameters}
