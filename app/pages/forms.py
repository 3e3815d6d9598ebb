"""Forms: what was typed, read by the API's own schemas, and shown again with its faults; a secret's value never is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from flask import request
from marshmallow import Schema, ValidationError

from app.kernel.errors import ConfirmationRequired, FieldLocation, StrongroomError
from app.outbound.hosts import host_in
from app.outbound.model import Origin
from app.web.errors import validation_failed

SOME_ARE_WRONG: Final = "Some fields are wrong."  # of a schema, whose faults say more
_A_NAME: Final = "Use letters, digits and _, 64 at most, and begin with a letter or _."
# What a schema says of a field, as a person is told it.
_PLAIN_WORDS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Missing data for required field\.|Field may not be null\.|Shorter than minimum length 1\.", "Fill this in."),
        (r"Length must be between 1 and (\d+)\.", r"Enter 1 to \1 characters."),
        (r"Longer than maximum length (\d+)\.", r"Enter at most \1 characters."),
        (r"Not a valid (?:aware )?datetime\.", "Enter a date and a time."),
        (r"Must be one of: (.+)\.", r"Choose one of: \1."),
        (r"Only a runtime token needs ad_hoc\.", "Only with the role runtime."),
        (r"Must be 1 to 64 ASCII letters, digits or _, and not begin with a digit\.", _A_NAME),
    )
)
_ISO: Final = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)")
_TO_BE_TYPED: Final = "This can't be undone. Type the name to go on."  # the API's sentence speaks of ?confirm=


@dataclass(frozen=True, slots=True)
class FormState:
    """A form's texts, the faults by control, and the sentence above it all."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str | None = None
    value_lost: bool = False
    _shown: set[str] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def after(
        cls, error: StrongroomError, values: Mapping[str, str] | None = None, *, value_lost: bool = False
    ) -> FormState:
        """Return the form as it is shown again after a refusal.

        Args:
            value_lost: a secret's value came along, and has to be given again where no script keeps it in the page.
        """
        errors: dict[str, list[str]] = {}
        for where, sentences in (error.errors or {}).items():
            errors.setdefault(field_of(where), []).extend(plain_words(each) for each in sentences)
        sentence = _sentence(error)
        if len(errors) == 1 and sentence != SOME_ARE_WRONG:  # of the one field, in a whole sentence
            errors = {name: [sentence] for name in errors}
        faults = {name: list(dict.fromkeys(each)) for name, each in errors.items()}
        return cls(values or {}, faults, None if faults else sentence, value_lost)  # one message for one fault

    @classmethod
    def of_a_button(cls, error: StrongroomError) -> FormState:
        """Return the form that has nothing to type in as it is shown after a refusal: all of it in one sentence."""
        return cls(problem=_sentence(error))

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def faults(self, name: str) -> Sequence[str]:
        """Return what is wrong with a field, for a page that shows it there."""
        self._shown.add(name)
        return self.errors.get(name, ())

    def with_every_fault(self) -> FormState:
        """Return the form with what the page just drawn has shown beside no field in the sentence above it all."""
        unseen = [each for name, faults in self.errors.items() if name not in self._shown for each in faults]
        return replace(self, problem=" ".join([*filter(None, [self.problem]), *unseen])) if unseen else self


def _sentence(error: StrongroomError) -> str:
    return _TO_BE_TYPED if isinstance(error, ConfirmationRequired) else plain_words(error.detail)


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


def field_of(location: FieldLocation) -> str:
    """Return the field of a flat form that an error is about, whatever stands behind its name."""
    return str(location.parts[0]) if location.parts else ""


def plain_words(sentence: str) -> str:
    """Say in a person's words what a schema or a rule says, moments included."""
    for pattern, words in _PLAIN_WORDS:
        if found := pattern.fullmatch(sentence):
            return found.expand(words)
    return _ISO.sub(lambda found: readable(datetime.fromisoformat(found[0])), sentence)


def number(text: str) -> int:
    """Return the version or revision that a form was filled from, -1 where it isn't one."""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,8}", text) else -1


def lines(text: str) -> list[str]:
    """Return the parts of a list that was typed with commas, spaces or line breaks between."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def hosts(text: str) -> list[str]:
    """Return the hosts that were typed; of a URL that was pasted its host."""
    return [host_in(part) for part in lines(text)]


def moment(text: str) -> str | None:
    """Return a ``datetime-local`` field, which is in UTC here, as the API writes moments; None for an empty one."""
    return f"{text}+00:00" if text else None


def host_of(origin: Origin) -> str:
    """Return an origin's host as a list of allowed hosts holds it: with its port where that isn't the scheme's own."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == (443 if origin.scheme == "https" else 80) else f"{host}:{origin.port}"


def readable(when: datetime) -> str:
    """Return a moment as people write it, in UTC: 1 Dec 2026, 14:05 UTC."""
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc.strftime('%b %Y, %H:%M')} UTC"


def local(when: datetime | None) -> str:
    """Return a moment as a ``datetime-local`` field holds it, in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") if when else ""
