"""Half of what schemathesis sends to make a thing is the document's own example under a new name.

What it invents by itself is mostly refused by rules that no schema can tell (a value that is too short to guess, a host
that isn't public), so that it would seldom have anything to follow a link from.
"""

from __future__ import annotations

import uuid
from typing import Any

import schemathesis

# "PUT" makes a member out of a path.
_MAKES = {"POST", "PUT"}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    operation = context.operation
    if (
        operation is None
        or operation.method.upper() not in _MAKES
        or "201" not in operation.definition.raw["responses"]
    ):
        return body
    example = operation.definition.raw["requestBody"]["content"]["application/json"]["example"]
    unique = uuid.uuid4().hex
    if unique[0] == "0" or not isinstance(body, dict):
        return body
    # Who acts is the owner.
    own = {"name": f"n{unique[:12]}", "owner": None}
    return example | {key: own[key] for key in own.keys() & example.keys()}
