"""Writing JSON answers: orjson in the place of Flask's own writer, several times as fast."""

from __future__ import annotations

import json
from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider


class FastJson(JSONProvider):
    """Flask's way to let JSON be written by another library. Source: Flask's docs, "JSON Support"."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Write JSON. Raises ``TypeError`` where it can't be."""
        return dump(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Read JSON. Raises ``ValueError``."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with this as its body."""
        return Response(dump(self._prepare_response_obj(args, kwargs)) + b"\n", mimetype="application/json")


def dump(obj: Any) -> bytes:
    """Write JSON. Raises ``TypeError`` where it can't be."""
    try:
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # integers of more than 64 bits, and half of a surrogate pair, which JSON may hold
        return json.dumps(obj, separators=(",", ":")).encode()
