"""Writing JSON answers: orjson in the place of Flask's own writer, several times as fast."""

from __future__ import annotations

from typing import Any, Final

import orjson
from flask import Response
from flask.json.provider import JSONProvider

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS


class FastJson(JSONProvider):
    """Flask's way to let JSON be written by another library. Source: Flask's docs, "JSON Support"."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Write JSON. Raises ``TypeError`` where it can't be."""
        return orjson.dumps(obj, option=_OPTIONS).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Read JSON. Raises ``ValueError``."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with this as its body."""
        body = orjson.dumps(self._prepare_response_obj(args, kwargs), option=_OPTIONS)
        return Response(body + b"\n", mimetype="application/json")
