"""The text of a field as its author wrote it: parsed once, filled with data that is never parsed again. Pure.

``{{name}}`` is a variable (in a URL's path ``{{+name}}`` one of several segments), ``{{secrets.NAME}}`` a secret;
``{{$timestamp}}``, ``{{$timestamp_ms}}`` and ``{{$uuid}}`` are the same in all fields of one call;
spaces inside the braces don't matter. ``{{"{{"}}`` writes two literal braces; ``}}`` needs no such care. Anything
else that begins with ``{{`` is a mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from app.kernel.errors import (
    FieldLocation,
    MissingVariable,
    OneSecretPerField,
    TemplateNotAllowed,
    ValidationFailed,
    ValueNotAllowedHere,
    in_body,
)
from app.outbound.model import Field, Filled, Piece, Slot, Text
from app.outbound.places import PATH

OPENING: Final = "{{"

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
MOMENT: Final = ("$timestamp", "$timestamp_ms", "$uuid")
"""What every call fills in by itself, as variables."""
_REFERENCE: Final = re.compile(
    rf'\{{\{{ *(?:(?P<literal>"\{{\{{")|secrets\.(?P<secret>{_NAME})|(?P<segments>\+)? *(?P<variable>{_NAME})'
    r"|(?P<moment>\$(?:timestamp_ms|timestamp|uuid))) *\}\}",
    re.ASCII,
)
_VARIABLE_NAME: Final = re.compile(_NAME, re.ASCII)


@dataclass(frozen=True, slots=True)
class TemplateVariable:
    """A piece of a template that a variable fills; with ``segments`` it is several segments of a URL's path."""

    name: str
    segments: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """One field: where it stands in the request and in the call (``app.outbound.places``), its text, its pieces."""

    location: FieldLocation
    place: str
    source: str
    pieces: tuple[Text | TemplateVariable | Slot, ...]

    @property
    def secret(self) -> str | None:
        """The name of the secret that this field holds, if any."""
        return next((piece.secret for piece in self.pieces if isinstance(piece, Slot)), None)

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that this field refers to."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, TemplateVariable)) - {*MOMENT}

    @property
    def varies(self) -> bool:
        """Whether it holds something that is another one in each call."""
        return any(isinstance(piece, TemplateVariable) and piece.name in MOMENT for piece in self.pieces)


def is_name(text: str) -> bool:
    """Tell whether a text may name a variable or a secret."""
    return _VARIABLE_NAME.fullmatch(text) is not None


def parse_template(source: str, *, location: FieldLocation, place: str) -> Template:
    """Part a field's text into pieces.

    Raises:
        ValidationFailed: a ``{{`` begins nothing that is known; names the field.
        OneSecretPerField: there are two secrets in it, or one twice.
    """
    pieces: list[Text | TemplateVariable | Slot] = []
    text, end = "", 0
    while (start := source.find(OPENING, end)) >= 0:
        found = _REFERENCE.match(source, start)
        if found is None:
            raise _malformed_template(location)
        text += source[end:start]
        if found["literal"]:
            text += OPENING
        else:
            pieces += [Text(text)] if text else []
            pieces.append(_reference(found, location, place))
            text = ""
        end = found.end()
    text += source[end:]
    pieces += [Text(text)] if text else []
    if sum(isinstance(piece, Slot) for piece in pieces) > 1:
        sentence = f"The field {location.label} holds more than one secret: a field holds one at most."
        raise OneSecretPerField(sentence, errors={location: [sentence]})
    return Template(location=location, place=place, source=source, pieces=tuple(pieces))


def _reference(found: re.Match[str], location: FieldLocation, place: str) -> TemplateVariable | Slot:
    if found["secret"]:
        return Slot(found["secret"])
    if found["segments"] and place != PATH:
        sentence = "{{+name}} can only stand in the URL's path."
        raise TemplateNotAllowed(sentence, errors={location: [sentence]})
    return TemplateVariable(found["moment"] or found["variable"], segments=bool(found["segments"]))


def _malformed_template(location: FieldLocation) -> ValidationFailed:
    sentence = (
        'What begins with "{{" must be {{variable}}, {{secrets.NAME}}, {{$timestamp}}, {{$timestamp_ms}} or {{$uuid}}; '
        'a name is a letter or _ and then letters, digits and _, 64 at most. Two literal braces are written {{"{{"}}.'
    )
    return ValidationFailed(
        f"The field {location.label} holds a malformed template. {sentence}", errors={location: [sentence]}
    )


def refuse_template(text: str, what: str, *, location: FieldLocation) -> None:
    """Do nothing for a text in which no template begins.

    ``what`` is what it is, as the start of a sentence; ``location`` is where it stands.

    Raises:
        TemplateNotAllowed: a ``{{`` is in it.
    """
    if OPENING in text:
        sentence = f"{what} can't hold a template."
        raise TemplateNotAllowed(sentence, errors={location: [sentence]})


def fill(template: Template, variables: Mapping[str, object]) -> Field:
    """Put the variables' values in, as data. Every variable has to be there: see ``require_variables``."""
    pieces = tuple(_fill_piece(piece, variables, template.location) for piece in template.pieces)
    return Field(pieces, template.location)


def _fill_piece(
    piece: Text | TemplateVariable | Slot, variables: Mapping[str, object], location: FieldLocation
) -> Piece:
    if not isinstance(piece, TemplateVariable):
        return piece
    return Filled(_as_text(piece.name, variables[piece.name], location), segments=piece.segments)


def _as_text(name: str, value: object, location: FieldLocation) -> str:
    """Return a value as text: numbers and booleans as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    kind = "null" if value is None else "a list" if isinstance(value, list) else "an object"
    sentence = f"The variable {name} is {kind}, which only a JSON body's whole string can hold."
    raise ValueNotAllowedHere(sentence, errors={location: [sentence]})


def require_variables(wanted: Set[str], variables: Mapping[str, object]) -> None:
    """Do nothing where every variable that is referred to has a value.

    Raises:
        MissingVariable: naming all that have none, also in ``extra["variables"]``.
    """
    missing = sorted(wanted - variables.keys())
    if missing:
        sentence = f"No value for {', '.join(missing)}."
        raise MissingVariable(
            sentence,
            errors={in_body("variables", name): ["This variable has no value."] for name in missing},
            extra={"variables": missing},
        )
