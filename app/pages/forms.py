"""Forms: what was typed, read by the API's own schemas, and shown again with its faults; a secret's value never is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from flask import request
from marshmallow import Schema, ValidationError

from app.kernel.errors import ConfirmationRequired, StrongroomError
from app.web.errors import validation_failed

_TO_BE_TYPED: Final = "This can't be brought back. Type the name to go on."  # the API's sentence speaks of ?confirm=


@dataclass(frozen=True, slots=True)
class Typed:
    """A form's texts, the faults by control, and the sentence above it all."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str | None = None

    @classmethod
    def after(cls, error: StrongroomError, values: Mapping[str, str] | None = None) -> Typed:
        """Return the form as it is shown again after a refusal."""
        errors: dict[str, list[str]] = {}
        for location, told in (error.errors or {}).items():
            errors.setdefault(str(location.parts[0]) if location.parts else "", []).extend(told)
        problem = _TO_BE_TYPED if isinstance(error, ConfirmationRequired) else error.detail
        return cls(values or {}, {name: list(dict.fromkeys(told)) for name, told in errors.items()}, problem)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def faults(self, name: str) -> Sequence[str]:
        """Return what is wrong with a field."""
        return self.errors.get(name, ())


def form_texts(*, without: Sequence[str] = ()) -> dict[str, str]:
    """Return the texts of the form that was sent, as browsers send them but with plain line breaks."""
    return {
        name: text.replace("\r\n", "\n")
        for name, text in request.form.items()
        if name not in without and name != "csrf_token"
    }


def read(schema: Schema, fields: Mapping[str, object]) -> Any:
    """Read fields as the API would read the same ones. Raises ``ValidationFailed``."""
    try:
        return schema.load(dict(fields))
    except ValidationError as error:
        raise validation_failed(error) from None


def number(text: str) -> int:
    """Return the version or revision that a form was filled from, -1 where it isn't one."""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,8}", text) else -1


def lines(text: str) -> list[str]:
    """Return the parts of a list that was typed with commas, spaces or line breaks between."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def moment(text: str) -> str | None:
    """Return a ``datetime-local`` field, which is in UTC here, as the API writes moments; None for an empty one."""
    return f"{text}+00:00" if text else None


def local(when: datetime | None) -> str:
    """Return a moment as a ``datetime-local`` field holds it, in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") if when else ""
