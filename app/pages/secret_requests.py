"""The requests that a secret may ride as people write them: one a line, methods and a path, either may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import parse_line, write_line

READ_ONLY: Final = ("GET", "HEAD")


def write_requests(requests: Sequence[AllowedRequest] | None) -> str:
    """Write patterns one a line; none for a secret that may ride any request."""
    return "\n".join(write_line(each) for each in requests or ())


def restrict_to_reading(text: str) -> str:
    """Return the same paths with the methods that only read; any path where none is named."""
    paths = dict.fromkeys(parse_line(line).path for line in _lines(text)) or {None: None}
    return write_requests([AllowedRequest(READ_ONLY, path) for path in paths])


def read_requests(text: str) -> list[dict[str, object]] | None:
    """Read what people wrote as the API takes it; None where nothing is written."""
    read = [parse_line(line) for line in _lines(text)]
    return [_fields(each) for each in read] or None


def _fields(request: AllowedRequest) -> dict[str, object]:
    fields = {"methods": None if request.methods is None else list(request.methods), "path": request.path}
    return {name: value for name, value in fields.items() if value is not None}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
