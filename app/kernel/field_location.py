"""Where in a request a fault is: one type, printed as a JSON Pointer for machines and as a label for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Source = Literal["body", "query", "header", "path"]
FieldErrors = Mapping["FieldLocation", Sequence[str]]
"""What is wrong with each field of a request, in sentences."""


@dataclass(frozen=True, slots=True)
class FieldLocation:
    """A member of a request's JSON body, a query parameter, a header, or a segment of the URL's path.

    ``parts`` are names and indexes from the outside in; two locations are the same whatever their labels say.
    """

    source: Source
    parts: tuple[str | int, ...] = ()
    words: str = field(default="", compare=False)

    def member(self, *parts: str | int, label: str = "") -> FieldLocation:
        """Return what lies within this location."""
        return replace(self, parts=self.parts + parts, words=label)

    @property
    def label(self) -> str:
        """The words for people, such as ``header Authorization``."""
        if self.words:
            return self.words
        words = " ".join(str(part + 1) if isinstance(part, int) else part.replace("_", " ") for part in self.parts)
        return words or "body"

    def __str__(self) -> str:
        """Return the JSON Pointer (RFC 6901) into the body, or ``query:limit``, ``header:If-Match``, ``path:ws``."""
        if self.source == "body":
            return "".join(f"/{_escape(str(part))}" for part in self.parts)
        return f"{self.source}:{'.'.join(map(str, self.parts))}"


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def in_body(*parts: str | int, label: str = "") -> FieldLocation:
    """Return a member of the JSON body; without parts the body as a whole."""
    return FieldLocation("body", parts, label)


def in_query(name: str) -> FieldLocation:
    """Return a query parameter."""
    return FieldLocation("query", (name,))


def in_header(name: str) -> FieldLocation:
    """Return a request header."""
    return FieldLocation("header", (name,))


def in_path(name: str) -> FieldLocation:
    """Return a named segment of the URL's path."""
    return FieldLocation("path", (name,))
